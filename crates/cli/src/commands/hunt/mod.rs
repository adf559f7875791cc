//! `huntcore hunt`: what operators do to hunts, through the service routes.

mod options;
mod view;

use clap::{Args, Subcommand};
use huntcore_client::Client;
use huntcore_model::HuntId;
use huntcore_wire::{HuntList, HuntView};
use serde_json::json;

use self::options::{Change, Create};
use crate::commands::server::{ServerPlace, ServiceKey, block_on};
use crate::output::{Failed, Output};

/// Create, look at, change and end hunts.
#[derive(Debug, Args)]
pub(crate) struct Hunt {
    #[command(flatten)]
    server: ServerPlace,
    #[command(flatten)]
    key: ServiceKey,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Box<Create>),
    /// List every hunt.
    List,
    /// Show a hunt.
    Show {
        /// Its id.
        hunt: HuntId,
    },
    Change(Box<Change>),
    /// Refuse claims until the hunt resumes; rounds go on.
    Pause {
        /// Its id.
        hunt: HuntId,
    },
    /// Take claims again.
    Resume {
        /// Its id.
        hunt: HuntId,
    },
    /// End a hunt for ever.
    Close {
        /// Its id.
        hunt: HuntId,
    },
}

impl Hunt {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let client = self.server.service(&self.key)?;
        let explain = |error| self.server.explain(error);
        block_on(async {
            match &self.command {
                Command::Create(create) => {
                    for request in create.requests()? {
                        show(
                            &client.create_hunt(&request).await.map_err(explain)?,
                            output,
                        );
                    }
                }
                Command::List => list(&client.hunts().await.map_err(explain)?, output),
                Command::Change(change) => {
                    let request = change.request()?;
                    let changed = client.change_hunt(&change.hunt, &request).await;
                    show(&changed.map_err(explain)?, output);
                }
                Command::Show { .. }
                | Command::Pause { .. }
                | Command::Resume { .. }
                | Command::Close { .. } => {
                    show(&self.ask(&client).await.map_err(explain)?, output);
                }
            }
            Ok(())
        })
    }

    async fn ask(&self, client: &Client) -> Result<HuntView, huntcore_client::ClientError> {
        match &self.command {
            Command::Pause { hunt } => client.pause_hunt(hunt).await,
            Command::Resume { hunt } => client.resume_hunt(hunt).await,
            Command::Close { hunt } => client.close_hunt(hunt).await,
            Command::Show { hunt } => client.hunt(hunt).await,
            Command::Create(_) | Command::List | Command::Change(_) => {
                unreachable!("asked for with arguments of their own")
            }
        }
    }
}

fn show(hunt: &HuntView, output: Output) {
    output.line(|| view::one(hunt), || json!(hunt));
}

fn list(hunts: &HuntList, output: Output) {
    output.line(|| view::all(&hunts.hunts), || json!(hunts));
}
