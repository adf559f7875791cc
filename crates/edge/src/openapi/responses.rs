//! The problems that each family of routes can answer with, for the OpenAPI document.

use std::collections::BTreeMap;

use huntcore_wire::{Problem, ProblemKind};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::PROBLEM_JSON;

/// What any route can answer, whatever it does.
const ANY: &[ProblemKind] = &[
    ProblemKind::Malformed,
    ProblemKind::RequestTimeout,
    ProblemKind::UriTooLong,
    ProblemKind::HeadersTooLarge,
    ProblemKind::Internal,
    ProblemKind::TooManyConnections,
    ProblemKind::Unavailable,
];

/// What any route that reads a body can answer besides.
const BODY: &[ProblemKind] = &[
    ProblemKind::TooLarge,
    ProblemKind::UnsupportedMediaType,
    ProblemKind::Invalid,
];

macro_rules! problem_sets {
    ($($(#[$meta:meta])* $name:ident: $sets:expr;)+) => {
        $(
            $(#[$meta])*
            pub(crate) enum $name {}

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let sets: &[&[ProblemKind]] = &$sets;
                    problems(sets.iter().copied().flatten().copied())
                }
            }
        )+
    };
}

problem_sets! {
    /// Of routes without a body and without a name in their path.
    CommonProblems: [ANY];
    /// Of reading a hunt.
    HuntProblems: [ANY, &[ProblemKind::UnknownHunt, ProblemKind::UnknownVersion]];
    /// Of reading a round.
    RoundProblems: [ANY, &[
        ProblemKind::UnknownHunt,
        ProblemKind::UnknownRound,
    ]];
    /// Of reading a map.
    MapProblems: [ANY, &[ProblemKind::UnknownMap]];
    /// Of reading a board.
    AtLeastProblems: [ANY, &[
        ProblemKind::UnknownHunt,
        ProblemKind::UnknownBoard,
        ProblemKind::UnknownWindow,
        ProblemKind::UnknownPlayer,
        ProblemKind::ForeignCursor,
        ProblemKind::OutdatedCursor,
        ProblemKind::ProjectionBehind,
    ]];
    /// Of what a component needs.
    AutoscaleProblems: [ANY, &[ProblemKind::NotFound]];
    /// Of readiness.
    ReadyProblems: [ANY];
    /// Of creating a hunt.
    CreateProblems: [ANY, BODY, COMMAND, &[ProblemKind::HuntExists]];
    /// Of changing a hunt.
    CommandProblems: [ANY, BODY, COMMAND, &[
        ProblemKind::UnknownHunt,
        ProblemKind::HuntClosed,
        ProblemKind::HuntState,
    ]];
    /// Of a correction.
    CorrectionProblems: [ANY, BODY, COMMAND, &[
        ProblemKind::UnknownHunt,
        ProblemKind::UnknownClaim,
        ProblemKind::ClaimForgotten,
        ProblemKind::UnknownPlayer,
    ]];
    /// Of reading and turning flags.
    FlagProblems: [ANY, BODY, COMMAND, &[
        ProblemKind::UnknownFlag,
        ProblemKind::UnknownHunt,
        ProblemKind::UnknownBoard,
        ProblemKind::ProjectionBehind,
    ]];
    /// Of a player's attempt.
    ClaimProblems: [ANY, BODY, &[
        ProblemKind::Unauthorized,
        ProblemKind::Forbidden,
        ProblemKind::Taken,
        ProblemKind::Expired,
        ProblemKind::NotYetOpen,
        ProblemKind::UnknownTile,
        ProblemKind::UnknownHunt,
        ProblemKind::HuntPaused,
        ProblemKind::RateLimited,
        ProblemKind::Overloaded,
        ProblemKind::StorageFull,
        ProblemKind::OutcomeUnknown,
    ]];
    /// Of a service's batches and events.
    BulkProblems: [ANY, BODY, COMMAND, &[
        ProblemKind::UnknownHunt,
        ProblemKind::HuntClosed,
        ProblemKind::HuntState,
        ProblemKind::EventConflict,
        ProblemKind::TooOld,
        ProblemKind::TooNew,
    ]];
    /// Of reading a hunt's events.
    TrailProblems: [ANY, &[
        ProblemKind::Unauthorized,
        ProblemKind::Forbidden,
        ProblemKind::Invalid,
        ProblemKind::UnknownHunt,
        ProblemKind::NotFound,
        ProblemKind::LogTrimmed,
        ProblemKind::LogAhead,
    ]];
    /// Of asking for a guest's token.
    GuestProblems: [ANY, BODY, &[
        ProblemKind::UnknownHunt,
        ProblemKind::GuestsDisabled,
        ProblemKind::RateLimited,
    ]];
}

/// What a command of a service can be refused for.
const COMMAND: &[ProblemKind] = &[
    ProblemKind::Unauthorized,
    ProblemKind::Forbidden,
    ProblemKind::Overloaded,
    ProblemKind::StorageFull,
    ProblemKind::OutcomeUnknown,
];

fn problems(kinds: impl Iterator<Item = ProblemKind>) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status = BTreeMap::<u16, Vec<ProblemKind>>::new();
    for kind in kinds {
        by_status.entry(kind.status()).or_default().push(kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), RefOr::T(response(status, &kinds))))
        .collect()
}

fn response(status: u16, kinds: &[ProblemKind]) -> Response {
    let lines: Vec<_> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}", kind.name(), kind.title()))
        .collect();
    let schema = RefOr::Ref(Ref::from_schema_name(<Problem as ToSchema>::name()));
    let mut response = ResponseBuilder::new()
        .description(lines.join("; "))
        .content(PROBLEM_JSON, Content::new(Some(schema)));
    let text = ObjectBuilder::new().schema_type(Type::String);
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0));
    response = match status {
        401 => response.header(
            "WWW-Authenticate",
            HeaderBuilder::new()
                .schema(Some(text))
                .description(Some("What to show: a bearer token or the service key."))
                .build(),
        ),
        425 | 429 | 503 => response.header(
            "Retry-After",
            HeaderBuilder::new()
                .schema(Some(seconds))
                .description(Some("Seconds, rounded up; `retry_after_ms` is more exact."))
                .build(),
        ),
        _ => response,
    };
    response.build()
}
