//! Commands: done by the upstream, answered once they are seen to be done here too.

use std::sync::Arc;
use std::time::Duration;

use huntcore_client::{Client, ClientError};
use huntcore_edge::{CommandError, Commanded, HuntCommand};
use huntcore_model::{HuntEntry, HuntId, HuntNumber, ShardId};
use huntcore_projection::Views;
use huntcore_wire::{HuntView, ProblemKind};

use crate::answers::in_words;
use crate::upstream::Upstream;

/// For a hunt that the upstream has created to come in by its log.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// The way of commands.
#[derive(Clone)]
pub(crate) struct Commands {
    pub(crate) client: Client,
    pub(crate) upstream: Upstream,
    pub(crate) views: Arc<Views>,
}

impl Commands {
    /// Has a command done.
    pub(crate) async fn command(self, command: HuntCommand) -> Result<Commanded, CommandError> {
        let asked = self.ask(&command).await?;
        let done = asked.map_err(|error| refusal(&error, &command))?;
        let id = done.summary.hunt;
        // Whatever the upstream's control stream holds by now, it holds what was just done.
        let ends = self.upstream.ends().await;
        let ends = ends.map_err(|_| CommandError::OutcomeUnknown)?;
        let hunt = self.seen(&id).await.ok_or(CommandError::OutcomeUnknown)?;
        Ok(Commanded {
            hunt,
            visible_from: ends.next(ShardId::CONTROL),
        })
    }

    async fn ask(
        &self,
        command: &HuntCommand,
    ) -> Result<Result<HuntView, ClientError>, CommandError> {
        let client = &self.client;
        Ok(match command {
            HuntCommand::Create(request) => client.create_hunt(request).await,
            HuntCommand::Change { hunt, change } => {
                client.change_hunt(&self.entry(*hunt)?.id, change).await
            }
            HuntCommand::Pause { hunt } => client.pause_hunt(&self.entry(*hunt)?.id).await,
            HuntCommand::Resume { hunt } => client.resume_hunt(&self.entry(*hunt)?.id).await,
            HuntCommand::Close { hunt } => client.close_hunt(&self.entry(*hunt)?.id).await,
        })
    }

    pub(crate) fn entry(&self, hunt: HuntNumber) -> Result<Arc<HuntEntry>, CommandError> {
        let view = self.views.newest();
        let entry = view.catalog.by_number(hunt).cloned();
        entry.ok_or(CommandError::UnknownHunt)
    }

    /// The hunt's number, once its log has come so far.
    async fn seen(&self, id: &HuntId) -> Option<HuntNumber> {
        let mut views = self.views.watch();
        let seeing = async {
            loop {
                views.borrow_and_update();
                let view = self.views.newest();
                if let Some(entry) = view.catalog.hunt(id) {
                    return Some(entry.number);
                }
                views.changed().await.ok()?;
            }
        };
        tokio::time::timeout(SEEN_WITHIN, seeing).await.ok()?
    }
}

fn refusal(error: &ClientError, command: &HuntCommand) -> CommandError {
    let Some(problem) = error.problem() else {
        return CommandError::OutcomeUnknown;
    };
    let reason = match problem.detail.is_empty() {
        true => problem.title.clone(),
        false => problem.detail.clone(),
    };
    match (problem.kind(), command) {
        (Some(ProblemKind::HuntExists), HuntCommand::Create(request)) => CommandError::HuntExists {
            id: request.id.clone(),
        },
        (Some(ProblemKind::UnknownHunt), _) => CommandError::UnknownHunt,
        (Some(ProblemKind::HuntClosed), _) => CommandError::HuntClosed,
        (Some(ProblemKind::HuntState), _) => CommandError::State { reason },
        (Some(ProblemKind::Invalid | ProblemKind::Malformed | ProblemKind::TooLarge), _) => {
            CommandError::Invalid { reason }
        }
        (Some(ProblemKind::UnknownBoard), _) => CommandError::UnknownBoard { reason },
        (Some(ProblemKind::Overloaded), _) => CommandError::Overloaded { reason },
        (Some(ProblemKind::StorageFull), _) => CommandError::StorageFull,
        // Done, as far as the upstream knows, and not shown there in time.
        (Some(ProblemKind::OutcomeUnknown | ProblemKind::ProjectionBehind), _) => {
            CommandError::OutcomeUnknown
        }
        _ => CommandError::Unavailable {
            reason: format!("the upstream decides on hunts: {}", in_words(error)),
        },
    }
}
