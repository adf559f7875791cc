//! The OpenAPI document: made from the routes themselves, so that it cannot drift from them.

mod bodies;
mod document;
mod responses;

pub(crate) use bodies::{BatchBody, LinesBody, MessagesBody};
pub(crate) use document::{api, finish};
pub(crate) use responses::{
    AtLeastProblems, AutoscaleProblems, BulkProblems, ClaimProblems, CommandProblems,
    CommonProblems, CorrectionProblems, CreateProblems, FlagProblems, GuestProblems, HuntProblems,
    MapProblems, ReadyProblems, RoundProblems, TrailProblems,
};
