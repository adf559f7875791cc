//! `huntcore log`: looks into a log, beside a running server or without one.

mod cat;
mod ls;
mod records;
mod verify;

use clap::{Args, Subcommand};

use crate::output::{Failed, Output};

/// Look into the log.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Cat(cat::Cat),
    Verify(verify::Verify),
}

impl Log {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        match self.command {
            Command::Ls(ls) => ls.run(output),
            Command::Cat(cat) => cat.run(output),
            Command::Verify(verify) => verify.run(output),
        }
    }
}
