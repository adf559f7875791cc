//! `huntcore board`: leaderboards as they are, and as they were.

mod rank;
mod replay;
mod screen;
mod shown;
mod top;
mod windows;

use clap::{Args, Subcommand};

use crate::commands::server::ServerPlace;
use crate::output::{Failed, Output};

/// Look at leaderboards: their top, a player's rank, what they were at some time.
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, arg_required_else_help = true)]
pub(crate) struct Board {
    #[command(flatten)]
    server: ServerPlace,
    // `board HUNT` is short for `board top HUNT`.
    #[command(flatten)]
    top: Option<top::Top>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Top(top::Top),
    Rank(rank::Rank),
    Windows(windows::Windows),
    Replay(replay::Replay),
}

impl Board {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let server = &self.server;
        match (self.command, self.top) {
            (Some(Command::Top(top)), _) | (None, Some(top)) => top.run(server, output),
            (Some(Command::Rank(rank)), _) => rank.run(server, output),
            (Some(Command::Windows(windows)), _) => windows.run(server, output),
            (Some(Command::Replay(replay)), _) => replay.run(output),
            (None, None) => Err(Failed::new("name a hunt, or a command: see --help")),
        }
    }
}
