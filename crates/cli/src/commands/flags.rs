//! `huntcore flags`: what can be turned while a server runs.

use clap::{Args, Subcommand};
use huntcore_model::{BoardName, Flag, FlagValue, HuntId, RefreshMode};
use huntcore_wire::{FlagList, FlagQuery, FlagRequest, FlagSourceName, FlagView};
use serde_json::json;

use crate::commands::server::{ServerPlace, ServiceKey, block_on};
use crate::output::{Failed, Output};
use crate::show;

/// Look at flags, set them and take settings back.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    server: ServerPlace,
    #[command(flatten)]
    key: ServiceKey,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every setting, who made it and why.
    List,
    /// Set a flag, for all boards, a hunt's, or one.
    Set {
        /// boards.refresh or boards.shadow.
        flag: Flag,
        /// incremental, rebuild or frozen; true or false.
        #[arg(value_parser = read_value)]
        value: FlagValue,
        #[command(flatten)]
        place: Place,
    },
    /// Take a setting back; what is set more widely holds then.
    Unset {
        /// boards.refresh or boards.shadow.
        flag: Flag,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Clone, Debug, Args)]
struct Place {
    /// For this hunt only.
    #[arg(long)]
    hunt: Option<HuntId>,
    /// For boards of this name only.
    #[arg(long)]
    board: Option<BoardName>,
    /// Why; kept in the log.
    #[arg(long)]
    reason: String,
}

impl Flags {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let client = self.server.service(&self.key)?;
        let explain = |error| self.server.explain(error);
        block_on(async {
            match self.command {
                Command::List => list(&client.flags().await.map_err(explain)?, output),
                Command::Set { flag, value, place } => {
                    let request = FlagRequest {
                        value,
                        hunt: place.hunt,
                        board: place.board,
                        reason: place.reason,
                    };
                    let set = client.set_flag(flag, &request).await.map_err(explain)?;
                    output.line(|| table(std::slice::from_ref(&set)), || json!(set));
                }
                Command::Unset { flag, place } => {
                    let query = FlagQuery {
                        hunt: place.hunt,
                        board: place.board,
                        reason: place.reason,
                    };
                    list(
                        &client.unset_flag(flag, &query).await.map_err(explain)?,
                        output,
                    );
                }
            }
            Ok(())
        })
    }
}

fn read_value(text: &str) -> Result<FlagValue, String> {
    Ok(match text {
        "incremental" => FlagValue::Refresh(RefreshMode::Incremental),
        "rebuild" => FlagValue::Refresh(RefreshMode::Rebuild),
        "frozen" => FlagValue::Refresh(RefreshMode::Frozen),
        "true" => FlagValue::On(true),
        "false" => FlagValue::On(false),
        _ => {
            return Err(
                "expected incremental, rebuild or frozen for boards.refresh, true or false for \
                 boards.shadow"
                    .to_owned(),
            );
        }
    })
}

fn list(flags: &FlagList, output: Output) {
    output.line(|| table(&flags.flags), || json!(flags));
}

fn table(flags: &[FlagView]) -> String {
    if flags.is_empty() {
        return "no flag is set: boards are refreshed incrementally".to_owned();
    }
    let value = |value: Option<FlagValue>| match value {
        None => "-".to_owned(),
        Some(FlagValue::On(on)) => on.to_string(),
        Some(FlagValue::Refresh(RefreshMode::Incremental)) => "incremental".to_owned(),
        Some(FlagValue::Refresh(RefreshMode::Rebuild)) => "rebuild".to_owned(),
        Some(FlagValue::Refresh(RefreshMode::Frozen)) => "frozen".to_owned(),
    };
    let rows = flags.iter().map(|flag| {
        [
            flag.flag.to_string(),
            flag.hunt
                .as_ref()
                .map_or_else(|| "*".to_owned(), ToString::to_string),
            flag.board
                .map_or_else(|| "*".to_owned(), |board| board.to_string()),
            value(flag.value),
            value(flag.file),
            match flag.by {
                FlagSourceName::File => "file",
                FlagSourceName::Api => "api",
            }
            .to_owned(),
            flag.set_at.to_string(),
            flag.reason.clone(),
        ]
    });
    let header = [
        "flag",
        "hunt",
        "board",
        "value",
        "file",
        "by",
        "set (UTC)",
        "reason",
    ];
    show::table(header, |_| false, rows)
}
