//! What every request and every socket shares.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use huntcore_model::{BoardName, HuntEntry, HuntId, PlayerId};
use huntcore_wire::ProblemKind;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::auth::Access;
use crate::backend::{Backend, LogBytes, View};
use crate::bodies::Bodies;
use crate::config::{BindError, EdgeConfig, Limits};
use crate::counts::Counts;
use crate::live::{LiveDoor, ReactorDoor};
use crate::operations::{self, Operations};
use crate::origin::{AddressKey, OriginList};
use crate::problem::Refusal;
use crate::rate::Rates;
use crate::routes::BoardPages;

/// See the module.
pub(crate) struct App {
    pub(crate) config: EdgeConfig,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) access: Access,
    pub(crate) counts: Counts,
    pub(crate) players: Arc<Rates<PlayerId>>,
    pub(crate) guests: Rates<AddressKey>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) socket_origins: OriginList,
    pub(crate) bodies: Bodies,
    pub(crate) pages: BoardPages,
    pub(crate) door: Box<dyn LiveDoor>,
    pub(crate) operations: Arc<Operations>,
    pub(crate) lifetime: Lifetime,
}

/// How everything that runs is told to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifetime {
    /// Asks to finish what has been accepted and to end.
    pub(crate) stop: CancellationToken,
    /// Ends everything at once.
    pub(crate) kill: CancellationToken,
    /// Whatever has to end before the edge has.
    pub(crate) tasks: TaskTracker,
}

impl App {
    pub(crate) fn new(
        config: EdgeConfig,
        backend: Arc<dyn Backend>,
        counts: Counts,
        lifetime: Lifetime,
    ) -> Result<Self, BindError> {
        let limits = &config.limits;
        let players = Arc::new(Rates::new(limits.player_rate, limits.rate_keys_max));
        let admission = Arc::new(Admission::new(&config, &counts));
        let door = ReactorDoor::new(&backend, &config, &counts, &players, &lifetime)
            .map_err(|source| BindError::Sockets { source })?;
        let operations = Arc::new(Operations::default());
        tokio::spawn(operations::watch(
            Arc::clone(&operations),
            Arc::clone(&backend),
            counts.clone(),
            lifetime.clone(),
        ));
        Ok(Self {
            operations,
            access: Access::new(&config.auth),
            guests: Rates::new(limits.guest_rate, limits.rate_keys_max),
            socket_origins: OriginList::new(&config.socket_origins),
            bodies: Bodies::new(limits.body_cache_bytes_max),
            pages: BoardPages::new(),
            door: Box::new(door),
            admission,
            players,
            counts,
            backend,
            lifetime,
            config,
        })
    }

    /// A body without a known end. A stop ends it like a lost connection, not like something
    /// whole: whoever reads asks another process, or this one's next.
    pub(crate) fn until_stop(&self, bytes: LogBytes) -> Body {
        let stop = self.lifetime.stop.clone();
        let until = stop.clone().cancelled_owned();
        let cut_off = stream::once(async move { stop.is_cancelled() })
            .filter(|stopped| std::future::ready(*stopped))
            .map(|_| Err(io::ErrorKind::ConnectionAborted.into()));
        Body::from_stream(bytes.take_until(until).chain(cut_off))
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The hunt of that name and the view that it was found in.
    pub(crate) fn hunt(&self, id: &HuntId) -> Result<(Arc<View>, Arc<HuntEntry>), Refusal> {
        let view = self.backend.view();
        match view.catalog.hunt(id) {
            Some(entry) => {
                let entry = Arc::clone(entry);
                Ok((view, entry))
            }
            None => Err(unknown_hunt(id.as_str())),
        }
    }
}

/// Whether a hunt has that board, its own or one that every hunt has.
pub(crate) fn has_board(hunt: &HuntEntry, board: BoardName) -> bool {
    let mut own = hunt.boards.iter();
    board.is_built_in() || own.any(|own| own.definition.name == board)
}

pub(crate) fn unknown_hunt(id: &str) -> Refusal {
    // Whoever asks knows what they asked for; a long one need not be sent back whole.
    let shown: String = id.chars().take(HuntId::BYTES_MAX).collect();
    Refusal::new(
        ProblemKind::UnknownHunt,
        format!("there is no hunt {shown:?}"),
    )
}
