//! `huntcore verify`: whether huntcore kept its promises.

mod boards;
mod export;
mod fairness;
mod fold;
mod public;
mod whole;

use std::path::PathBuf;

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
    /// Check a trail that `huntcore log export` wrote instead, by itself.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "config"])]
    export: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Boards(boards::Boards),
    Fairness(fairness::Fairness),
}

impl Verify {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        match self.command {
            Some(Command::Boards(boards)) => boards.run(output),
            Some(Command::Fairness(fairness)) => fairness.run(output),
            None => match self.export {
                Some(path) => export::run(&path, output),
                None => whole::run(&self.place, output),
            },
        }
    }
}
