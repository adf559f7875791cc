//! What there is to read of boards besides their pages: which there are, their windows, what came
//! too late for them, and where a score would stand.

use std::fmt;
use std::str::FromStr;

use huntcore_model::{BoardName, HuntId, PlayerId, TimeMicros};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::live_boards::is_zero;
use crate::{BoardSpec, BoardWindow, PositionText, Timestamp, schema};

/// A list of windows holds at most this many.
pub const WINDOW_PAGE_MAX: u32 = 1_000;
/// A list of late events holds at most this many.
pub const LATE_PAGE_MAX: u32 = 1_000;

/// A hunt's boards (`GET /v1/hunts/{hunt}/boards`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardList {
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// By name.
    pub boards: Vec<BoardSummary>,
}

/// A board in the list of a hunt's boards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardSummary {
    /// What it counts, as an operator would write it.
    pub definition: BoardSpec,
    /// Which definition of that name: a greater one is another board. 0 for a built-in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// How many players are on it, or on the newest of its windows that anybody is on.
    pub players: u64,
    /// Of a board with windows: those that can be read, unless there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsSummary>,
    /// Score events that came after their window was final.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
}

/// The windows of a board that anybody is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowsSummary {
    /// How many can be read.
    pub count: u64,
    /// Where the oldest of them starts.
    #[schema(value_type = schema::Timestamp)]
    pub oldest: Timestamp,
    /// Where the newest of them starts, which may go on.
    #[schema(value_type = schema::Timestamp)]
    pub newest: Timestamp,
    /// Where the newest final one starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Timestamp>)]
    pub newest_final: Option<Timestamp>,
}

/// A board's windows, newest first (`GET /v1/hunts/{hunt}/boards/{board}/windows`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowList {
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// Which definition of that name: a greater one is another board. 0 for a built-in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// Those that anybody is on, newest first; none of a board that covers the whole hunt.
    pub windows: Vec<WindowView>,
    /// Give it to `cursor` for the next page; left out on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A window of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowView {
    /// From this time on, inclusive.
    #[schema(value_type = schema::Timestamp)]
    pub start: Timestamp,
    /// Up to this time, exclusive.
    #[schema(value_type = schema::Timestamp)]
    pub end: Timestamp,
    /// Whether nothing can change it any more but a logged correction.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Its end has come, and what is late may still change it.
    #[serde(rename = "provisional")]
    pub is_provisional: bool,
    /// How many players are on it.
    pub players: u64,
    /// Whether its results stand in the log for good.
    #[serde(rename = "recorded")]
    pub is_recorded: bool,
}

/// What came too late for a board (`GET /v1/hunts/{hunt}/boards/{board}/late`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LateList {
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// Which definition of that name: a greater one is another board. 0 for a built-in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// How many there were.
    pub count: u64,
    /// The newest of them, newest first; older ones stand in the log.
    pub events: Vec<LateEventView>,
}

/// A score event that came after its window was final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LateEventView {
    /// With the player, the event's identity.
    #[schema(value_type = schema::EventId)]
    pub event_id: String,
    /// Who scored.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// How much.
    #[schema(value_type = schema::Score)]
    pub score: i64,
    /// When, as the sender says.
    #[schema(value_type = schema::Timestamp)]
    pub ts: Timestamp,
    /// When it was taken.
    #[schema(value_type = schema::Timestamp)]
    pub taken_at: Timestamp,
}

/// Where a score would stand (`GET /v1/hunts/{hunt}/boards/{board}/rank`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScoreRankView {
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// What it covers.
    pub window: BoardWindow,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// The score asked for.
    #[schema(value_type = schema::Score)]
    pub score: i64,
    /// The rank of a player who reached it now: behind all who have it.
    #[schema(minimum = 1, examples(17))]
    pub rank: u64,
    /// How many players have a better score.
    pub better: u64,
    /// How many have exactly this one.
    pub equal: u64,
    /// How many players are on the board.
    pub of: u64,
}

/// Which of a board's windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WindowQuery {
    /// How many; 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where the page starts: the `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 256)]
    pub cursor: Option<String>,
}

/// How much of what came too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LateQuery {
    /// How many events; 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Which score's rank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScoreRankQuery {
    /// The score.
    #[param(value_type = schema::Score)]
    pub score: i64,
    /// The start of the window; if left out the newest that anybody is in, of `second` the
    /// newest final one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Timestamp>)]
    pub window: Option<Timestamp>,
    /// Wait a bounded time until the board covers this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Position>)]
    pub at_least: Option<PositionText>,
}

/// Where a page of windows ended: opaque to whoever is given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowCursor {
    /// Which board.
    pub board: BoardName,
    /// Which definition of it.
    pub generation: u64,
    /// Windows that start before this follow.
    pub before: TimeMicros,
}

/// Not a cursor of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a list of windows")]
pub struct WindowCursorError;

impl fmt::Display for WindowCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.before.get();
        write!(formatter, "{}.{}.{before}", self.board, self.generation)
    }
}

impl FromStr for WindowCursor {
    type Err = WindowCursorError;

    fn from_str(text: &str) -> Result<Self, WindowCursorError> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(WindowCursorError);
        let number = |text: &str| text.parse().map_err(|_| WindowCursorError);
        let cursor = Self {
            board: next()?.parse().map_err(|_| WindowCursorError)?,
            generation: number(next()?)?,
            before: TimeMicros::new(number(next()?)?),
        };
        match parts.next() {
            None => Ok(cursor),
            Some(_) => Err(WindowCursorError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_windows_survives_its_text() {
        let cursor = WindowCursor {
            board: BoardName::new("x-1").expect("a name"),
            generation: u64::MAX,
            before: TimeMicros::new(u64::MAX),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in [
            "", "x", "x.1", "x.1.", "x.1.2.3", "X.1.2", "x.-1.2", "x.1.1e3",
        ] {
            assert_eq!(bad.parse::<WindowCursor>(), Err(WindowCursorError), "{bad}");
        }
    }
}
