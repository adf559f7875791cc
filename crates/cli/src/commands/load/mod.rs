//! `huntcore load`: load in the shape of real days.

mod page;
mod plot;
mod scores;
mod text;

use clap::{Args, Subcommand};

use crate::output::{Failed, Output};

/// Put a load on a server that comes and goes as on a real day, and hold the server to its
/// promises meanwhile.
#[derive(Debug, Args)]
pub(crate) struct Load {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scores(Box<scores::Scores>),
}

impl Load {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        match self.command {
            Command::Scores(scores) => scores.run(output),
        }
    }
}
