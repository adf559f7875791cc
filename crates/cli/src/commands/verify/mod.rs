//! `huntcore verify`: whether huntcore kept its promises.

mod fairness;
mod fold;
mod public;
mod whole;

use clap::{Args, Subcommand};

use crate::commands::data::DataPlace;
use crate::output::{Failed, Output};

/// Check a whole log: chain, winners, maps, seeds, copies, boards. Changes nothing, and
/// works beside a running server, too.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Verify {
    #[command(flatten)]
    place: DataPlace,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fairness(fairness::Fairness),
}

impl Verify {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        match self.command {
            Some(Command::Fairness(fairness)) => fairness.run(output),
            None => whole::run(&self.place, output),
        }
    }
}
