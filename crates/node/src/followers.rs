//! The log as edge processes get it: what is committed goes out at once, what they have missed
//! is read from the log, and nobody here waits for them (I8).

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use huntcore_edge::{LogBytes, LogFault, LogSource};
use huntcore_log::ReadError;
use huntcore_model::{Batch, Position};
use huntcore_projection::log_stream::{Note, pieces, put_note};
use huntcore_projection::{Snapshots, by_time};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::recent::RecentBatches;

/// Processes that may follow at one time.
const FOLLOWERS_MAX: usize = 256;
/// Checkpoints that may be on their way at one time: each holds memory that the projections
/// have gone on from.
const CHECKPOINTS_MAX: usize = 4;
/// A follower is told at least this often how far the log has come.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// From one delivery to the next, so that many small batches go out together. The first after
/// a pause goes at once.
const GATHER: Duration = Duration::from_millis(2);
/// Bytes of a checkpoint that travel together, and how many of these may wait.
const CHUNK_BYTES: usize = 64 << 10;
const CHUNKS_WAITING: usize = 4;

/// See the module.
pub(crate) struct Followers {
    recent: Arc<RecentBatches>,
    clock: Arc<dyn Clock>,
    snapshots: Snapshots,
    places: Arc<Semaphore>,
    /// Up to where each who follows was sent all.
    sent: Arc<Mutex<BTreeMap<u64, Position>>>,
    begun_total: AtomicU64,
    checkpoints: Arc<Semaphore>,
}

impl Followers {
    pub(crate) fn new(
        recent: Arc<RecentBatches>,
        clock: Arc<dyn Clock>,
        snapshots: Snapshots,
    ) -> Self {
        Self {
            recent,
            clock,
            snapshots,
            places: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            sent: Arc::default(),
            begun_total: AtomicU64::new(0),
            checkpoints: Arc::new(Semaphore::new(CHECKPOINTS_MAX)),
        }
    }

    /// How many follow.
    pub(crate) fn count(&self) -> usize {
        FOLLOWERS_MAX - self.places.available_permits()
    }

    /// Up to where each who follows was sent all.
    pub(crate) fn sent(&self) -> Vec<Position> {
        self.sent.lock().values().cloned().collect()
    }

    /// Refuses a position that cannot be one of this log.
    fn check(&self, from: &Position) -> Result<(), LogFault> {
        match self.recent.beyond_ends(from) {
            Some(reason) => Err(LogFault::Ahead { reason }),
            None => Ok(()),
        }
    }
}

impl LogSource for Followers {
    fn ends(&self) -> Position {
        self.recent.ends()
    }

    fn batches(&self, from: Position) -> BoxFuture<'static, Result<LogBytes, LogFault>> {
        let following = self.check(&from).and_then(|()| {
            let place = self.places.clone().try_acquire_owned();
            Ok(Following {
                recent: self.recent.clone(),
                clock: self.clock.clone(),
                grown: self.recent.grown(),
                sent: Sent::new(&self.sent, &self.begun_total, from.clone()),
                position: from,
                waiting: VecDeque::new(),
                gather_until: Instant::now(),
                // The first thing that is said.
                note_at: Instant::now(),
                over: false,
                _place: place.map_err(|_| LogFault::Busy)?,
            })
        });
        async move {
            let mut following = following?;
            // What was trimmed is said before anything else.
            if let Err(error) = following.look().await {
                return Err(fault(&error));
            }
            Ok(futures_util::stream::unfold(following, Following::next).boxed())
        }
        .boxed()
    }

    fn checkpoint(&self) -> BoxFuture<'static, Result<LogBytes, LogFault>> {
        let place = self.checkpoints.clone().try_acquire_owned();
        let snapshots = self.snapshots.clone();
        async move {
            let place = place.map_err(|_| LogFault::Busy)?;
            let asked = tokio::task::spawn_blocking(move || snapshots.ask()?.recv().ok());
            let snapshot = asked.await.ok().flatten();
            let snapshot = snapshot.ok_or_else(|| LogFault::Unavailable {
                reason: "the server is stopping".to_owned(),
            })?;
            let (chunks, written) = mpsc::channel(CHUNKS_WAITING);
            tokio::task::spawn_blocking(move || {
                let _place = place;
                let mut out = Chunks {
                    chunks,
                    filling: BytesMut::new(),
                };
                // Whoever reads has gone if this fails: nothing else can.
                if let Err(error) = snapshot.write(&mut out).and_then(|()| out.flush()) {
                    tracing::debug!(%error, "a follower left its checkpoint unread");
                }
            });
            Ok(receive(written).boxed())
        }
        .boxed()
    }
}

fn receive(written: mpsc::Receiver<Bytes>) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold(written, |mut written| async {
        let chunk = written.recv().await?;
        Some((Ok(chunk), written))
    })
}

/// Hands on what is written, in pieces, as fast as they are taken.
struct Chunks {
    chunks: mpsc::Sender<Bytes>,
    filling: BytesMut,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.filling.extend_from_slice(bytes);
        if self.filling.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = self.filling.split().freeze();
        let sent = chunk.is_empty() || self.chunks.blocking_send(chunk).is_ok();
        match sent {
            true => Ok(()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// What is noted down of a follower for as long as there is one.
struct Sent {
    all: Arc<Mutex<BTreeMap<u64, Position>>>,
    key: u64,
}

impl Sent {
    fn new(
        all: &Arc<Mutex<BTreeMap<u64, Position>>>,
        begun_total: &AtomicU64,
        from: Position,
    ) -> Self {
        let key = begun_total.fetch_add(1, Ordering::Relaxed);
        all.lock().insert(key, from);
        Self {
            all: all.clone(),
            key,
        }
    }

    fn advance(&self, position: &Position) {
        if let Some(sent) = self.all.lock().get_mut(&self.key) {
            sent.merge(position);
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
    }
}

/// One follower: a position in the log, and what is to be sent next.
struct Following {
    recent: Arc<RecentBatches>,
    clock: Arc<dyn Clock>,
    grown: watch::Receiver<()>,
    position: Position,
    sent: Sent,
    waiting: VecDeque<Bytes>,
    gather_until: Instant,
    note_at: Instant,
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next piece; after an error there is none.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        while !self.over {
            // Ahead of what waits: it is the first thing that is said, and a long way to the
            // end must not hold it up.
            if Instant::now() >= self.note_at {
                let note = self.note();
                return Some((Ok(note), self));
            }
            if let Some(piece) = self.waiting.pop_front() {
                return Some((Ok(piece), self));
            }
            self.sent.advance(&self.position);
            tokio::time::sleep_until(self.gather_until).await;
            if let Err(error) = self.look().await {
                tracing::warn!("a follower is not served any more: {error}");
                self.over = true;
                return Some((Err(io::Error::other(error)), self));
            }
            if self.waiting.is_empty() {
                tokio::select! {
                    grown = self.grown.changed() => grown.ok()?,
                    () = tokio::time::sleep_until(self.note_at) => {}
                }
            }
        }
        None
    }

    /// Takes what has been committed since the last time.
    async fn look(&mut self) -> Result<(), ReadError> {
        self.grown.borrow_and_update();
        let stretches = match self.recent.kept_after(&self.position) {
            Some(kept) => kept,
            None => {
                let (recent, from) = (self.recent.clone(), self.position.clone());
                let reading = tokio::task::spawn_blocking(move || recent.after(&from));
                // A runtime that is shutting down reads no more.
                reading.await.unwrap_or_else(|_| Ok(Vec::new()))?
            }
        };
        let batches = by_time(stretches);
        if let Some(pieces) = self.send(&batches) {
            self.waiting.extend(pieces);
            self.gather_until = Instant::now() + GATHER;
        }
        Ok(())
    }

    fn send(&mut self, batches: &[Batch]) -> Option<Vec<Bytes>> {
        for batch in batches {
            let header = batch.header();
            self.position.advance(header.shard, header.next_sequence());
        }
        (!batches.is_empty()).then(|| pieces(batches))
    }

    fn note(&mut self) -> Bytes {
        self.note_at = Instant::now() + NOTE_EVERY;
        let note = Note {
            time: self.clock.now(),
            ends: self.recent.ends(),
        };
        let mut bytes = BytesMut::new();
        put_note(&mut bytes, &note);
        bytes.freeze()
    }
}

fn fault(error: &ReadError) -> LogFault {
    let reason = error.to_string();
    match error {
        ReadError::Trimmed { .. } => LogFault::Trimmed { reason },
        ReadError::Ahead { .. } => LogFault::Ahead { reason },
        ReadError::Corrupt { .. } | ReadError::Home { .. } => LogFault::Unavailable { reason },
    }
}
