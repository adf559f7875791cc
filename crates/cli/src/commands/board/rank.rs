//! `huntcore board rank`: where a player stands, with neighbours, or where a score would.

use clap::Args;
use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{NEIGHBOURS_MAX, ScoreRankQuery, StandingQuery, Timestamp};
use serde_json::json;

use super::shown::Shown;
use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};
use crate::show;

/// Show where a player stands, or where a score would.
#[derive(Debug, Args)]
pub(super) struct Rank {
    /// The hunt.
    hunt: HuntId,
    /// Which of its boards.
    board: BoardName,
    /// Who.
    #[arg(required_unless_present = "score")]
    player: Option<PlayerId>,
    /// Of a player, with so many neighbours on each side.
    #[arg(long, value_name = "N", conflicts_with = "score", value_parser = clap::value_parser!(u32).range(..=i64::from(NEIGHBOURS_MAX)))]
    around: Option<u32>,
    /// Where this score would stand, reached now.
    #[arg(
        long,
        value_name = "SCORE",
        conflicts_with = "player",
        allow_negative_numbers = true
    )]
    score: Option<i64>,
    /// Of a board with windows: the one that starts then; the newest that anybody is in if
    /// left out, of second the newest final one.
    #[arg(long, value_name = "TIME")]
    window: Option<Timestamp>,
}

impl Rank {
    pub(super) fn run(self, server: &ServerPlace, output: Output) -> Result<(), Failed> {
        let client = server.client()?;
        let (hunt, board) = (&self.hunt, self.board);
        block_on(async {
            if let Some(player) = &self.player {
                let query = StandingQuery {
                    around: self.around,
                    window: self.window,
                    at_least: None,
                };
                let standing = client.standing(hunt, board, player, &query).await;
                let shown = Shown::Standing(standing.map_err(|error| server.explain(error))?);
                output.line(|| shown.text(hunt), || shown.json());
                return Ok(());
            }
            let query = ScoreRankQuery {
                score: self.score.unwrap_or_default(),
                window: self.window,
                at_least: None,
            };
            let found = client.rank_at(hunt, board, &query).await;
            let found = found.map_err(|error| server.explain(error))?;
            let (rank, of) = (show::count(found.rank), show::count(found.of + 1));
            output.line(
                || format!("{hunt} {board}: {} would be {rank} of {of}", query.score),
                || json!(found),
            );
            Ok(())
        })
    }
}
