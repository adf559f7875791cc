//! `huntcore board top`: a leaderboard in the terminal.

use clap::Args;
use huntcore_client::{Client, ClientError};
use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{
    BOARD_PAGE_MAX, BoardQuery, BoardView, DurationText, NEIGHBOURS_MAX, StandingQuery, Timestamp,
};
use serde_json::json;
use tokio::time::{Duration, MissedTickBehavior, interval};

use super::screen::Screen;
use super::shown::Shown;
use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};

/// Show the top of a leaderboard, or one player's place on it.
#[derive(Debug, Args)]
pub(super) struct Top {
    /// The hunt.
    hunt: HuntId,
    /// Which of its boards: total, best, second, or one that the hunt was given.
    #[arg(default_value = "total")]
    board: BoardName,
    /// How many entries; with --player, how many neighbours on each side.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// This player's place.
    #[arg(long, value_name = "PLAYER")]
    player: Option<PlayerId>,
    /// Of a board with windows: the one that starts then; the newest that anybody is in if
    /// left out, of second the newest final one.
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

impl Top {
    pub(super) fn run(self, server: &ServerPlace, output: Output) -> Result<(), Failed> {
        let client = server.client()?;
        block_on(async {
            if self.watch {
                return self.watch(server, &client, output).await;
            }
            let shown = self.look(&client).await;
            let shown = shown.map_err(|error| server.explain(error))?;
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

    async fn watch(
        &self,
        server: &ServerPlace,
        client: &Client,
        output: Output,
    ) -> Result<(), Failed> {
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
                Err(error) => return Err(server.explain(error)),
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
