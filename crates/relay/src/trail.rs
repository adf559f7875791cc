//! Hunts' events: the upstream has the log, so what it sends is handed on as it comes.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use huntcore_client::{Client, ClientError};
use huntcore_edge::{LogBytes, TrailFault, TrailSource};
use huntcore_model::HuntEntry;
use huntcore_wire::{EventsQuery, ProblemKind};
use tokio::sync::Semaphore;

use crate::answers::in_words;

/// Readers at one time; the upstream has a limit of its own for everybody.
const READERS_MAX: usize = 16;

/// See the module.
pub(crate) struct Trails {
    client: Client,
    places: Arc<Semaphore>,
}

impl Trails {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            places: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }
}

impl TrailSource for Trails {
    fn events(
        &self,
        hunt: Arc<HuntEntry>,
        query: EventsQuery,
    ) -> BoxFuture<'static, Result<LogBytes, TrailFault>> {
        let client = self.client.clone();
        let place = self.places.clone().try_acquire_owned();
        async move {
            let place = place.map_err(|_| TrailFault::Busy {
                places_max: READERS_MAX,
            })?;
            let lines = client.event_lines(&hunt.id, &query).await;
            let lines = lines.map_err(|error| fault(&error))?;
            let lines = lines.map_err(io::Error::other).inspect(move |_| {
                // Held for as long as anything is sent.
                let _ = &place;
            });
            Ok(lines.boxed())
        }
        .boxed()
    }
}

fn fault(error: &ClientError) -> TrailFault {
    match error.problem() {
        // Whoever asked may ask; it is this process that the upstream does not know.
        Some(problem)
            if !matches!(
                problem.kind(),
                Some(ProblemKind::Unauthorized | ProblemKind::Forbidden)
            ) =>
        {
            TrailFault::Refused(Box::new(problem.clone()))
        }
        _ => TrailFault::Unavailable {
            reason: format!("the upstream has the log: {}", in_words(error)),
        },
    }
}
