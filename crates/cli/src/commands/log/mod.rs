//! `huntcore log`: looks into a log, and copies it, beside a running server or without one.

mod cat;
mod census;
mod copy;
mod export;
mod ls;
mod records;
mod stat;
mod verify;

use clap::{Args, Subcommand};

use crate::output::{Failed, Output};

/// Look into the log, back it up, restore it.
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
    Stat(stat::Stat),
    Backup(copy::Backup),
    Restore(copy::Restore),
    Export(export::Export),
}

impl Log {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        match self.command {
            Command::Ls(ls) => ls.run(output),
            Command::Cat(cat) => cat.run(output),
            Command::Verify(verify) => verify.run(output),
            Command::Stat(stat) => stat.run(output),
            Command::Backup(backup) => backup.run(output),
            Command::Restore(restore) => restore.run(output),
            Command::Export(export) => export.run(output),
        }
    }
}
