//! Boards and standings as people and machines read them.

use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{BoardEntry, BoardView, BoardWindow, StandingView};
use serde_json::{Value, json};

use crate::show;

/// A board, or a player's place on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Board(BoardView),
    Standing(StandingView),
}

impl Shown {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Board(view) => json!(view),
            Self::Standing(view) => json!(view),
        }
    }

    pub(super) fn text(&self, hunt: &HuntId) -> String {
        match self {
            Self::Board(view) => {
                let of = show::count(view.players);
                let title = title(hunt, view.board, &view.window);
                format!("{title}, {of} players\n{}", entries(&view.entries, None))
            }
            Self::Standing(view) => {
                let title = title(hunt, view.board, &view.window);
                let player = show::foreign(view.player.as_str());
                let (rank, of) = (show::count(view.rank), show::count(view.of));
                let line = format!("{title}: {player} is {rank} of {of} with {}", view.score);
                if view.neighbours.is_empty() {
                    return line;
                }
                format!("{line}\n{}", entries(&view.neighbours, Some(&view.player)))
            }
        }
    }
}

pub(super) fn title(hunt: &HuntId, board: BoardName, window: &BoardWindow) -> String {
    let span = match window.start {
        None => String::new(),
        Some(start) if window.is_final => format!(" of {start}"),
        Some(start) => format!(" of {start} so far"),
    };
    format!("{hunt} {board}{span}")
}

pub(super) fn entries(entries: &[BoardEntry], marked: Option<&PlayerId>) -> String {
    let rows = entries.iter().map(|entry| {
        let mark = if Some(&entry.player) == marked {
            "> "
        } else {
            ""
        };
        [
            show::count(entry.rank),
            format!("{mark}{}", show::foreign(entry.player.as_str())),
            entry.score.to_string(),
        ]
    });
    show::table(["rank", "player", "score"], |column| column != 1, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> BoardView {
        let json = json!({
            "board": "second",
            "window": {"start": "2026-01-01T00:00:01.000Z", "end": "2026-01-01T00:00:02.000Z", "final": true},
            "position": "AQEAKg",
            "players": 1_200,
            "entries": [
                {"rank": 1, "player": "ada", "score": 4_200},
                {"rank": 2, "player": "\u{1b}[31mred", "score": -3},
            ],
        });
        serde_json::from_value(json).expect("a board")
    }

    #[test]
    fn a_board_is_a_table_under_its_name() {
        let hunt = HuntId::new("park").expect("a slug");
        assert_eq!(
            Shown::Board(view()).text(&hunt),
            "park second of 2026-01-01T00:00:01.000Z, 1,200 players\n\
             rank  player         score\n   \
                1  ada             4200\n   \
                2  \\u{1b}[31mred     -3"
        );
    }

    #[test]
    fn a_player_is_marked_among_the_neighbours() {
        let hunt = HuntId::new("park").expect("a slug");
        let board = view();
        let standing = StandingView {
            board: board.board,
            window: BoardWindow::WHOLE_HUNT,
            position: board.position,
            player: PlayerId::new("ada").expect("short"),
            rank: 1,
            score: 4_200,
            of: 2,
            neighbours: board.entries,
        };
        let text = Shown::Standing(standing).text(&hunt);
        assert!(
            text.starts_with("park second: ada is 1 of 2 with 4200\n"),
            "{text}"
        );
        assert!(text.contains("   1  > ada"), "{text}");
    }
}
