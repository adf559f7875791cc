//! `huntcore board rank`: where a player stands, with neighbours.

use clap::Args;
use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{NEIGHBOURS_MAX, StandingQuery, Timestamp};

use super::shown::Shown;
use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};

/// Show where a player stands.
#[derive(Debug, Args)]
pub(super) struct Rank {
    /// The hunt.
    hunt: HuntId,
    /// Which of its boards.
    board: BoardName,
    /// Who.
    player: PlayerId,
    /// With so many neighbours on each side.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(NEIGHBOURS_MAX)))]
    around: Option<u32>,
    /// Of a board with windows: the one that starts then; the latest final one if left out.
    #[arg(long, value_name = "TIME")]
    window: Option<Timestamp>,
}

impl Rank {
    pub(super) fn run(self, server: &ServerPlace, output: Output) -> Result<(), Failed> {
        let client = server.client()?;
        let query = StandingQuery {
            around: self.around,
            window: self.window,
            at_least: None,
        };
        let asking = client.standing(&self.hunt, self.board, &self.player, &query);
        let standing = block_on(async { asking.await.map_err(|error| server.explain(error)) })?;
        let shown = Shown::Standing(standing);
        output.line(|| shown.text(&self.hunt), || shown.json());
        Ok(())
    }
}
