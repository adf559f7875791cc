//! `huntcore board`: a leaderboard in the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use huntcore_client::{Client, ClientError};
use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{
    BOARD_PAGE_MAX, BoardEntry, BoardQuery, BoardView, BoardWindow, DurationText, NEIGHBOURS_MAX,
    StandingQuery, StandingView, Timestamp,
};
use serde_json::{Value, json};
use tokio::time::{Duration, MissedTickBehavior, interval};

use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};
use crate::show;

/// Show a leaderboard, or one player's place on it.
#[derive(Debug, Args)]
pub(crate) struct Board {
    #[command(flatten)]
    server: ServerPlace,
    /// The hunt.
    hunt: HuntId,
    /// total, best or second.
    #[arg(default_value = "total")]
    board: BoardName,
    /// How many entries; with --player, how many neighbours on each side.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// This player's place.
    #[arg(long, value_name = "PLAYER")]
    player: Option<PlayerId>,
    /// Of second: the window that starts then; the latest final one if left out.
    #[arg(long, value_name = "TIME")]
    window: Option<Timestamp>,
    /// Go on showing it until interrupted; with --json one object a line when it changed.
    #[arg(long)]
    watch: bool,
    /// With --watch, how often to look.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        requires = "watch"
    )]
    every: DurationText,
}

/// A board, or a player's place on it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    Board(BoardView),
    Standing(StandingView),
}

impl Board {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let client = self.server.client()?;
        block_on(async {
            if self.watch {
                return self.watch(&client, output).await;
            }
            let shown = self.look(&client).await;
            let shown = shown.map_err(|error| self.server.explain(error))?;
            output.line(|| shown.text(&self.hunt), || shown.json());
            Ok(())
        })
    }

    async fn look(&self, client: &Client) -> Result<Shown, ClientError> {
        if let Some(player) = &self.player {
            let query = StandingQuery {
                around: Some(self.limit.unwrap_or(5).min(NEIGHBOURS_MAX)),
                window: self.window,
                at_least: None,
            };
            let standing = client
                .standing(&self.hunt, self.board, player, &query)
                .await?;
            return Ok(Shown::Standing(standing));
        }
        let limit = self.limit.unwrap_or(20).max(1);
        let mut query = BoardQuery {
            limit: Some(limit.min(BOARD_PAGE_MAX)),
            window: self.window,
            ..BoardQuery::default()
        };
        let mut view = client.board(&self.hunt, self.board, &query).await?;
        while let (Some(cursor), left @ 1..) = (view.next_cursor.take(), left(limit, &view)) {
            query.cursor = Some(cursor);
            query.limit = Some(left.min(BOARD_PAGE_MAX));
            query.window = view.window.start;
            let page = client.board(&self.hunt, self.board, &query).await?;
            view.entries.extend(page.entries);
            view.next_cursor = page.next_cursor;
        }
        Ok(Shown::Board(view))
    }

    async fn watch(&self, client: &Client, output: Output) -> Result<(), Failed> {
        let mut looks = interval(Duration::from_millis(self.every.millis()));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut screen = Screen::new(output);
        let mut last = None;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
            }
            let open = match self.look(client).await {
                Ok(shown) if last.as_ref() == Some(&shown) => true,
                Ok(shown) => {
                    let open = screen.draw(|| shown.text(&self.hunt), || shown.json());
                    last = Some(shown);
                    open
                }
                // A server that restarts is waited for.
                Err(error) if error.is_retryable() => {
                    // What comes back may look the same.
                    last = None;
                    screen.draw(
                        || format!("{error}; looking again"),
                        || json!({"error": error.to_string()}),
                    )
                }
                Err(error) => return Err(self.server.explain(error)),
            };
            if !open {
                return Ok(());
            }
        }
    }
}

fn left(limit: u32, view: &BoardView) -> u32 {
    limit.saturating_sub(u32::try_from(view.entries.len()).unwrap_or(u32::MAX))
}

/// Where a watched board is drawn: over itself on a terminal, else below.
struct Screen {
    json: bool,
    clears: bool,
}

impl Screen {
    fn new(output: Output) -> Self {
        let json = output.is_json();
        Self {
            json,
            clears: !json && io::stdout().is_terminal(),
        }
    }

    /// False once nobody reads any more.
    fn draw(&mut self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> bool {
        let drawn = match (self.json, self.clears) {
            (true, _) => format!("{}\n", json()),
            (false, false) => format!("{}\n\n", text()),
            // To the corner, each line cleared to its end, then all below.
            (false, true) => format!(
                "\u{1b}[H{}\u{1b}[J",
                text().replace('\n', "\u{1b}[K\n") + "\u{1b}[K\n"
            ),
        };
        let mut out = io::stdout().lock();
        out.write_all(drawn.as_bytes())
            .and_then(|()| out.flush())
            .is_ok()
    }
}

impl Shown {
    fn json(&self) -> Value {
        match self {
            Self::Board(view) => json!(view),
            Self::Standing(view) => json!(view),
        }
    }

    fn text(&self, hunt: &HuntId) -> String {
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

fn title(hunt: &HuntId, board: BoardName, window: &BoardWindow) -> String {
    let span = match window.start {
        None => String::new(),
        Some(start) if window.is_final => format!(" of {start}"),
        Some(start) => format!(" of {start} so far"),
    };
    format!("{hunt} {board}{span}")
}

fn entries(entries: &[BoardEntry], marked: Option<&PlayerId>) -> String {
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
