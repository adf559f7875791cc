//! Hunts' events out of the log, for auditors: each reader has a thread of its own, at the
//! lowest priority, and nobody else waits for it (I8).

mod names;
mod reader;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use huntcore_audit::Filter;
use huntcore_edge::{LogBytes, TrailFault, TrailSource};
use huntcore_log::Log;
use huntcore_model::{HuntEntry, Position, ShardMap, TimeMicros};
use huntcore_projection::{Snapshots, Views};
use huntcore_wire::EventsQuery;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use self::reader::Reader;
use crate::recent::RecentBatches;

/// Readers at one time. Each is a thread and some hundred kilobytes.
const READERS_MAX: usize = 16;
/// Pieces that may wait for whoever reads, each of [`reader::PIECE_BYTES`] about.
const PIECES_WAITING: usize = 4;

/// See the module.
pub(crate) struct Trails {
    sources: Sources,
    places: Arc<Semaphore>,
    gauge: Arc<TrailGauge>,
    stop: watch::Sender<bool>,
}

/// What readers read from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) shards: ShardMap,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) recent: Arc<RecentBatches>,
    pub(crate) views: Arc<Views>,
    pub(crate) snapshots: Snapshots,
}

/// What was read, by all readers together.
#[derive(Debug, Default)]
pub(crate) struct TrailGauge {
    pub(crate) events_total: AtomicU64,
    pub(crate) bytes_total: AtomicU64,
}

/// What a reader is asked for.
pub(crate) struct Asked {
    pub(crate) filter: Filter,
    pub(crate) hunt: Arc<HuntEntry>,
    pub(crate) from: Option<Position>,
    pub(crate) limit: u64,
    pub(crate) follow: bool,
}

impl Trails {
    pub(crate) fn new(sources: Sources) -> Self {
        Self {
            sources,
            places: Arc::new(Semaphore::new(READERS_MAX)),
            gauge: Arc::default(),
            stop: watch::Sender::new(false),
        }
    }

    /// How many read.
    pub(crate) fn readers(&self) -> usize {
        READERS_MAX - self.places.available_permits()
    }

    pub(crate) fn events_total(&self) -> u64 {
        self.gauge.events_total.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes_total(&self) -> u64 {
        self.gauge.bytes_total.load(Ordering::Relaxed)
    }

    /// Ends all readers, in the middle of what they send.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn begin(&self, asked: Asked) -> Result<Begun, TrailFault> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| TrailFault::Busy {
            places_max: READERS_MAX,
        })?;
        let (pieces, sent) = mpsc::channel(PIECES_WAITING);
        let (begun, has_begun) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let reader = Reader::new(
            self.sources.clone(),
            asked,
            pieces,
            self.stop.subscribe(),
            self.gauge.clone(),
        );
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name("trail".to_owned());
        let spawned = thread.spawn(move || {
            let _place = place;
            crate::checkpointer::give_way();
            reader.run(&runtime, begun, ended);
        });
        match spawned {
            Ok(_) => Ok(Begun {
                has_begun,
                sent,
                has_ended,
            }),
            Err(error) => Err(TrailFault::Unavailable {
                reason: format!("the system gave no thread: {error}"),
            }),
        }
    }
}

/// What a reader lets others hear.
struct Begun {
    /// Resolves when the reader has found its place in the log, or none.
    has_begun: oneshot::Receiver<Result<(), TrailFault>>,
    sent: mpsc::Receiver<Bytes>,
    /// Whether all was sent that was asked for; a reader that panics says nothing.
    has_ended: oneshot::Receiver<io::Result<()>>,
}

impl TrailSource for Trails {
    fn events(
        &self,
        hunt: Arc<HuntEntry>,
        query: EventsQuery,
    ) -> BoxFuture<'static, Result<LogBytes, TrailFault>> {
        let begun = asked(hunt, query).and_then(|asked| self.begin(asked));
        async move {
            let begun = begun?;
            let stopping = |_| TrailFault::Unavailable {
                reason: "the server is stopping".to_owned(),
            };
            begun.has_begun.await.map_err(stopping)??;
            Ok(pieces_to_end(begun.sent, begun.has_ended))
        }
        .boxed()
    }
}

/// What is sent, and an error after it unless the reader says that this was all.
fn pieces_to_end(
    sent: mpsc::Receiver<Bytes>,
    has_ended: oneshot::Receiver<io::Result<()>>,
) -> LogBytes {
    let pieces = stream::unfold(sent, |mut sent| async {
        let piece = sent.recv().await?;
        Some((Ok(piece), sent))
    });
    let error = stream::once(async {
        let ending = has_ended.await;
        let ending = ending.unwrap_or_else(|_| Err(io::Error::other("the reader panicked")));
        ending.err().map(Err)
    });
    let error = error.filter_map(std::future::ready);
    pieces.chain(error).boxed()
}

fn asked(hunt: Arc<HuntEntry>, query: EventsQuery) -> Result<Asked, TrailFault> {
    let from = query.from.map(|from| from.parse());
    let from = from.transpose();
    Ok(Asked {
        filter: Filter {
            hunt: hunt.number,
            types: query.types.map(|types| types.as_slice().to_vec()),
            player: query.player,
            since: query
                .since
                .map_or(TimeMicros::ZERO, huntcore_wire::Timestamp::micros),
        },
        hunt,
        from: from.map_err(
            |error: huntcore_model::PositionError| TrailFault::Malformed {
                reason: error.to_string(),
            },
        )?,
        limit: query.limit.unwrap_or(u64::MAX),
        follow: query.follow,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader says, if it says anything.
    type Ending = fn() -> Option<io::Result<()>>;

    #[tokio::test]
    async fn only_a_reader_that_says_so_has_come_to_the_end() {
        let endings: [(_, Ending); 3] = [
            (None, || Some(Ok(()))),
            (Some(io::ErrorKind::NotFound), || {
                Some(Err(io::ErrorKind::NotFound.into()))
            }),
            // As when its thread panics.
            (Some(io::ErrorKind::Other), || None),
        ];
        for (expected, ending) in endings {
            let (pieces, sent) = mpsc::channel(1);
            let (ended, has_ended) = oneshot::channel();
            pieces.try_send(Bytes::from_static(b"{}\n")).expect("room");
            match ending() {
                Some(ending) => ended.send(ending).expect("heard"),
                None => drop(ended),
            }
            drop(pieces);
            let told: Vec<_> = pieces_to_end(sent, has_ended).collect().await;
            let (first, rest) = told.split_first().expect("a piece");
            assert!(first.is_ok(), "what was sent comes first");
            let rest: Vec<_> = rest
                .iter()
                .map(|end| end.as_ref().unwrap_err().kind())
                .collect();
            assert_eq!(rest, Vec::from_iter(expected));
        }
    }
}
