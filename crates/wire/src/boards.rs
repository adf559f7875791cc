//! Leaderboards: pages of them and one player's standing.

use huntcore_model::{BoardName, PlayerId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::live_boards::is_zero;
use crate::{PositionText, Timestamp, schema};

/// A page holds at most this many entries.
pub const BOARD_PAGE_MAX: u32 = 1_000;
/// A standing shows at most this many neighbours on each side.
pub const NEIGHBOURS_MAX: u32 = 50;

/// The part of time that a board covers; the whole hunt if it names no start and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardWindow {
    /// From this time on, inclusive.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub start: Option<Timestamp>,
    /// Up to this time, exclusive.
    #[schema(value_type = Option<schema::Timestamp>, required = true)]
    pub end: Option<Timestamp>,
    /// Whether nothing can change it any more but a logged correction.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A player's place on a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardEntry {
    /// From 1; no two players share one, ties go to whoever scored first.
    #[schema(minimum = 1, examples(1))]
    pub rank: u64,
    /// Who.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// How much.
    #[schema(value_type = schema::Score)]
    pub score: i64,
}

/// A page of a board (`GET /v1/hunts/{hunt}/boards/{board}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardView {
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// What it covers.
    pub window: BoardWindow,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// How many players are on the board.
    pub players: u64,
    /// Best first.
    pub entries: Vec<BoardEntry>,
    /// Which definition of that name: a greater one is another board. 0 for a built-in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// Just after the last corrections of it, if there were any: where this has moved, somebody
    /// may be gone or have less for a good reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Position>)]
    pub corrected: Option<PositionText>,
    /// Give it to `cursor` for the next page; left out on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One player's place (`GET /v1/hunts/{hunt}/boards/{board}/players/{player}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StandingView {
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// What it covers.
    pub window: BoardWindow,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// Who.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// From 1.
    #[schema(minimum = 1, examples(17))]
    pub rank: u64,
    /// How much.
    #[schema(value_type = schema::Score)]
    pub score: i64,
    /// How many players are on the board.
    pub of: u64,
    /// The players around, best first, the player among them; only with `around`.
    pub neighbours: Vec<BoardEntry>,
}

/// Which page of a board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BoardQuery {
    /// How many entries; 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where the page starts: the `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 256)]
    pub cursor: Option<String>,
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

/// Which standing, and how much around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StandingQuery {
    /// How many neighbours on each side; none if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0, maximum = 50)]
    pub around: Option<u32>,
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

impl BoardWindow {
    /// The window of a board that counts the whole hunt.
    pub const WHOLE_HUNT: Self = Self {
        start: None,
        end: None,
        is_final: false,
    };
}

#[cfg(test)]
mod tests {
    use huntcore_model::TimeMicros;

    use super::*;

    #[test]
    fn a_page_shows_its_window() {
        let view = BoardView {
            board: BoardName::SECOND,
            window: BoardWindow {
                start: Some(TimeMicros::from_millis(1_000).into()),
                end: Some(TimeMicros::from_millis(2_000).into()),
                is_final: true,
            },
            position: PositionText::new("AQEAKg".to_owned()),
            players: 1,
            entries: vec![BoardEntry {
                rank: 1,
                player: PlayerId::new("ada").expect("valid"),
                score: -3,
            }],
            generation: 0,
            corrected: None,
            next_cursor: None,
        };
        let json = serde_json::to_string(&view).expect("plain data");
        assert_eq!(
            json,
            r#"{"board":"second","window":{"start":"1970-01-01T00:00:01.000Z","end":"1970-01-01T00:00:02.000Z","final":true},"position":"AQEAKg","players":1,"entries":[{"rank":1,"player":"ada","score":-3}]}"#
        );
        assert_eq!(
            serde_json::from_str::<BoardView>(&json).expect("own JSON"),
            view
        );
    }

    #[test]
    fn a_whole_hunts_window_has_no_bounds() {
        assert_eq!(
            serde_json::to_string(&BoardWindow::WHOLE_HUNT).expect("plain data"),
            r#"{"start":null,"end":null,"final":false}"#
        );
    }
}
