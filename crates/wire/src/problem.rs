//! Errors as RFC 9457 problems, and the status code of every outcome.

use huntcore_model::{Outcome, OutcomeKind, TimeMicros};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{PositionText, Timestamp, claims, schema};

/// What an answer says when it is not what was asked for (`application/problem+json`).
///
/// `type` ends in the problem's name, which never changes its meaning; `title` and `detail`
/// are for people and may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/problems/` and the problem's name.
    #[serde(rename = "type")]
    #[schema(examples("/problems/taken"), pattern = "^/problems/[a-z-]+$")]
    pub type_uri: String,
    /// The problem's name in words.
    #[schema(examples("another player holds the tile"))]
    pub title: String,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599, examples(409))]
    pub status: u16,
    /// What is wrong in this case.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What came of the attempt, when the problem is an attempt's outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::OutcomeName>)]
    pub outcome: Option<OutcomeKind>,
    /// Of `taken`: where the winner's claim stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Position>)]
    pub winner_position: Option<PositionText>,
    /// Of `not-yet-open`: when the round opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub opens_at: Option<Timestamp>,
    /// Of `log-trimmed`: where the log begins now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Position>)]
    pub oldest_position: Option<PositionText>,
    /// When to ask again, if that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

macro_rules! problem_kinds {
    ($($(#[$meta:meta])* $kind:ident = $status:literal $name:literal $title:literal,)+) => {
        /// Every problem's name. A name keeps its meaning for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemKind {
            $($(#[$meta])* $kind,)+
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The public name, with which `type` ends.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The name in words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title,)+
                }
            }

            /// The HTTP status code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$kind => $status,)+
                }
            }
        }
    };
}

problem_kinds! {
    // Outcomes of attempts.
    /// Another player holds the tile.
    Taken = 409 "taken" "another player holds the tile",
    /// Nobody may win this tile any more.
    Expired = 410 "expired" "the round's claim window has passed",
    /// The round opens later.
    NotYetOpen = 425 "not-yet-open" "the round has not opened yet",
    /// The round has no such tile, or the hunt no such round.
    UnknownTile = 404 "unknown-tile" "no such tile",
    /// No such hunt.
    UnknownHunt = 404 "unknown-hunt" "no such hunt",
    /// The hunt takes no attempts for now.
    HuntPaused = 409 "hunt-paused" "the hunt is paused",
    /// Too many requests.
    RateLimited = 429 "rate-limited" "too many requests",
    /// A limit is reached; nothing was decided.
    Overloaded = 503 "overloaded" "the server is at its limit; nothing was decided",
    /// The log takes no more; nothing was decided.
    StorageFull = 503 "storage-full" "the log has no space left; nothing was decided",
    /// It is not known whether the decision was stored.
    OutcomeUnknown = 503 "outcome-unknown" "it is not known whether this was stored; repeat the same request",
    /// Well-formed, but not what is expected.
    Invalid = 422 "invalid" "the request is not valid",
    // Everything else.
    /// Not even readable: broken JSON, a broken query.
    Malformed = 400 "malformed" "the request cannot be read",
    /// No token, or one that is not good.
    Unauthorized = 401 "unauthorized" "a valid token is required",
    /// The token is good, but not for this.
    Forbidden = 403 "forbidden" "this token does not allow it",
    /// No such path.
    NotFound = 404 "not-found" "nothing is here",
    /// No such round, or not announced, or no longer kept.
    UnknownRound = 404 "unknown-round" "no such round",
    /// No such map.
    UnknownMap = 404 "unknown-map" "no such map",
    /// No such board.
    UnknownBoard = 404 "unknown-board" "no such board",
    /// No such cell, or one finer than the hunt's.
    UnknownCell = 404 "unknown-cell" "no such cell",
    /// Nobody has claimed that tile.
    UnknownClaim = 404 "unknown-claim" "nobody has claimed that tile",
    /// The round closed too long ago.
    ClaimForgotten = 410 "claim-forgotten" "the round's claims are no longer kept",
    /// No such flag.
    UnknownFlag = 404 "unknown-flag" "no such flag",
    /// No such window of a board.
    UnknownWindow = 404 "unknown-window" "no such window",
    /// A cursor of another board, or another list.
    ForeignCursor = 400 "foreign-cursor" "the cursor belongs elsewhere: use it there, or begin without one",
    /// A cursor from before the board, or its window, began anew.
    OutdatedCursor = 410 "outdated-cursor" "the board began anew since the cursor was given out: begin without one",
    /// The player is not on that board.
    UnknownPlayer = 404 "unknown-player" "the player is not on this board",
    /// No such version of a configuration.
    UnknownVersion = 404 "unknown-version" "no such configuration version",
    /// This deployment gives out no guest tokens.
    GuestsDisabled = 404 "guests-disabled" "guests are not admitted here",
    /// The path takes another method.
    MethodNotAllowed = 405 "method-not-allowed" "this path takes another method",
    /// None of the accepted media types is offered.
    NotAcceptable = 406 "not-acceptable" "none of the accepted media types is offered",
    /// The request did not arrive in time.
    RequestTimeout = 408 "request-timeout" "the request took too long to arrive",
    /// A hunt of that id exists.
    HuntExists = 409 "hunt-exists" "a hunt of this id exists",
    /// The hunt is closed for ever.
    HuntClosed = 409 "hunt-closed" "the hunt is closed",
    /// The hunt's state does not allow it.
    HuntState = 409 "hunt-state" "the hunt's state does not allow this",
    /// The same event id and player, but another event.
    EventConflict = 409 "event-conflict" "an event of this id and player exists and differs",
    /// The event id's own time lies before what is remembered, so nobody can tell whether the
    /// event was taken before.
    TooOld = 422 "too-old" "the time in the event's id lies before what is remembered",
    /// The event id's own time, or the sender's, lies too far ahead of the server's.
    TooNew = 422 "too-new" "the event's ts, or the time in its id, is too far ahead of the server",
    /// The log goes back less far than a follower asks for.
    LogTrimmed = 410 "log-trimmed" "the log no longer goes back so far",
    /// The log ends before where a follower stands.
    LogAhead = 409 "log-ahead" "the log does not go so far",
    /// The body is longer than allowed.
    TooLarge = 413 "too-large" "the request is too large",
    /// The path or query is longer than allowed.
    UriTooLong = 414 "uri-too-long" "the path or query is too long",
    /// A body of another media type.
    UnsupportedMediaType = 415 "unsupported-media-type" "the body has another media type than expected",
    /// A WebSocket handshake is expected here.
    UpgradeRequired = 426 "upgrade-required" "a WebSocket handshake is expected here",
    /// The headers are longer than allowed.
    HeadersTooLarge = 431 "headers-too-large" "the headers are too large",
    /// A bug, or a broken machine.
    Internal = 500 "internal" "something went wrong here",
    /// The projection did not reach `at_least` in time.
    ProjectionBehind = 503 "projection-behind" "the board has not reached that position yet",
    /// No more connections.
    TooManyConnections = 503 "too-many-connections" "no more connections are taken",
    /// No more interests of their own for a hunt's sockets.
    TooManyInterests = 503 "too-many-interests" "no more different interests are taken",
    /// Starting or stopping.
    Unavailable = 503 "unavailable" "the server is starting or stopping",
}

impl ProblemKind {
    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The problem that an outcome is; `None` for `won`, which is none.
    #[must_use]
    pub const fn of_outcome(outcome: OutcomeKind) -> Option<Self> {
        Some(match outcome {
            OutcomeKind::Won => return None,
            OutcomeKind::Taken => Self::Taken,
            OutcomeKind::Expired => Self::Expired,
            OutcomeKind::NotYetOpen => Self::NotYetOpen,
            OutcomeKind::UnknownTile => Self::UnknownTile,
            OutcomeKind::UnknownHunt => Self::UnknownHunt,
            OutcomeKind::HuntPaused => Self::HuntPaused,
            OutcomeKind::RateLimited => Self::RateLimited,
            OutcomeKind::Overloaded => Self::Overloaded,
            OutcomeKind::StorageFull => Self::StorageFull,
            OutcomeKind::OutcomeUnknown => Self::OutcomeUnknown,
            OutcomeKind::Invalid => Self::Invalid,
        })
    }

    /// The outcome that the problem is, if it is one.
    #[must_use]
    pub fn outcome(self) -> Option<OutcomeKind> {
        OutcomeKind::ALL
            .into_iter()
            .find(|&outcome| Self::of_outcome(outcome) == Some(self))
    }

    /// Whether the same request, made again a little later, may fare better.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self.outcome() {
            Some(outcome) => outcome.is_retryable(),
            None => matches!(
                self,
                Self::RequestTimeout
                    | Self::ProjectionBehind
                    | Self::TooManyConnections
                    | Self::TooManyInterests
                    | Self::Unavailable
            ),
        }
    }
}

impl Problem {
    /// A problem of that kind; `detail` says what is wrong in this case.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            type_uri: format!("/problems/{}", kind.name()),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            outcome: kind.outcome(),
            winner_position: None,
            opens_at: None,
            oldest_position: None,
            retry_after_ms: None,
        }
    }

    /// The problem that an attempt's outcome is; `None` for `won`, which is none.
    #[must_use]
    pub fn of_outcome(outcome: &Outcome, now: TimeMicros) -> Option<Self> {
        let mut problem = Self::new(ProblemKind::of_outcome(outcome.kind())?, "");
        problem.winner_position = claims::winner_position(outcome);
        problem.retry_after_ms = claims::retry_after_ms(outcome, now);
        if let Outcome::NotYetOpen { opens_at } = *outcome {
            problem.opens_at = Some(opens_at.into());
        }
        Some(problem)
    }

    /// The same problem with a hint when to ask again.
    #[must_use]
    pub fn retry_after_ms(mut self, millis: u64) -> Self {
        self.retry_after_ms = Some(millis);
        self
    }

    /// The name with which `type` ends.
    #[must_use]
    pub fn name(&self) -> &str {
        self.type_uri.rsplit('/').next().unwrap_or_default()
    }

    /// What kind it is; `None` for one that a newer server knows.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        ProblemKind::from_name(self.name())
    }

    /// What stands in a `Retry-After` header: whole seconds, rounded up.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_ms.map(|millis| millis.div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use huntcore_model::{Sequence, ShardId};

    use super::*;

    #[test]
    fn every_outcome_but_won_has_a_problem_of_its_name() {
        for outcome in OutcomeKind::ALL {
            let kind = ProblemKind::of_outcome(outcome);
            assert_eq!(kind.is_none(), outcome == OutcomeKind::Won);
            if let Some(kind) = kind {
                assert_eq!(kind.name(), outcome.name());
                assert_eq!(kind.outcome(), Some(outcome));
            }
        }
    }

    #[test]
    fn names_are_told_apart_and_found_again() {
        let names: BTreeSet<_> = ProblemKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ProblemKind::ALL.len());
        for &kind in ProblemKind::ALL {
            assert_eq!(ProblemKind::from_name(kind.name()), Some(kind));
            assert_eq!(Problem::new(kind, "").kind(), Some(kind));
        }
    }

    #[test]
    fn taken_is_a_conflict_that_names_the_winner() {
        let outcome = Outcome::Taken {
            shard: ShardId::new(0),
            sequence: Sequence::new(41),
        };
        let problem = Problem::of_outcome(&outcome, TimeMicros::ZERO).expect("not won");
        assert_eq!(
            serde_json::to_string(&problem).expect("plain data"),
            r#"{"type":"/problems/taken","title":"another player holds the tile","status":409,"outcome":"taken","winner_position":"AQEAKg"}"#
        );
    }

    #[test]
    fn not_yet_open_says_when() {
        let outcome = Outcome::NotYetOpen {
            opens_at: TimeMicros::from_millis(5_250),
        };
        let problem =
            Problem::of_outcome(&outcome, TimeMicros::from_millis(4_000)).expect("not won");
        assert_eq!(problem.status, 425);
        assert_eq!(problem.retry_after_ms, Some(1_250));
        assert_eq!(problem.retry_after_s(), Some(2));
        assert_eq!(
            problem.opens_at,
            Some(TimeMicros::from_millis(5_250).into())
        );
    }

    #[test]
    fn a_problem_of_a_newer_server_is_still_read() {
        let problem: Problem = serde_json::from_str(
            r#"{"type":"/problems/wrong-answer","title":"no","status":422,"more":[1]}"#,
        )
        .expect("readable");
        assert_eq!((problem.name(), problem.kind()), ("wrong-answer", None));
    }
}
