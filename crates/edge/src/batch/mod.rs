//! Attempts on their way from a request's bytes to the arbiters, and their outcomes into the
//! response's: in place, in order, one for one, and accounted for (I10).
//!
//! Nothing here knows who may ask: the routes have found that out before.

mod ask;
mod hunts;
mod items;
mod stream;

pub(crate) use ask::Asker;
pub(crate) use hunts::HuntNames;
pub(crate) use items::{Item, Notes};
pub(crate) use stream::ClaimStream;
