//! One reader: a position in the log, and a thread that goes on from there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use huntcore_audit::Translator;
use huntcore_board::Roster;
use huntcore_edge::TrailFault;
use huntcore_log::{ReadError, stream_name};
use huntcore_model::{
    Batch, BatchError, Position, Record, Sequence, ShardId, StoredRecord, TimeMicros,
};
use huntcore_projection::{ByTime, by_time};
use huntcore_wire::PositionText;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::names::RosterNames;
use super::{Asked, Sources, TrailGauge};

/// Events that go out together take about as many bytes.
pub(super) const PIECE_BYTES: usize = 64 << 10;
/// From one look at what was committed to the next, so that many small batches cost one.
const GATHER: Duration = Duration::from_millis(5);
/// With nothing to tell for so long, whoever reads is told the time, and with it the position.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// For the projections to have come as far as whoever asks: they know the names up to there.
const NAMES_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Reader {
    sources: Sources,
    asked: Asked,
    pieces: mpsc::Sender<Bytes>,
    stop: watch::Receiver<bool>,
    gauge: Arc<TrailGauge>,
}

/// Why a reader ends.
enum End {
    /// All that was asked for was told, or nobody listens any more.
    Done,
    /// The server stops.
    Stopping,
    Failed(io::Error),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Failed(io::Error::other(error))
    }
}

impl From<BatchError> for End {
    fn from(error: BatchError) -> Self {
        Self::Failed(io::Error::other(error))
    }
}

impl Reader {
    pub(super) fn new(
        sources: Sources,
        asked: Asked,
        pieces: mpsc::Sender<Bytes>,
        stop: watch::Receiver<bool>,
        gauge: Arc<TrailGauge>,
    ) -> Self {
        Self {
            sources,
            asked,
            pieces,
            stop,
            gauge,
        }
    }

    /// Says whether there is anything to begin with, reads to the end of it, and says in
    /// `ended` whether that was the end: beside the pieces, where there may be no room.
    pub(super) fn run(
        self,
        runtime: &Handle,
        begun: oneshot::Sender<Result<(), TrailFault>>,
        ended: oneshot::Sender<io::Result<()>>,
    ) {
        let (position, ends, names) = match self.begin(runtime) {
            Ok(found) => found,
            // Whoever asked has gone if this reaches nobody.
            Err(fault) => return drop(begun.send(Err(fault))),
        };
        if begun.send(Ok(())).is_err() {
            return;
        }
        let limit = self.asked.limit;
        let mut reading = Reading {
            reader: self,
            runtime: runtime.clone(),
            translator: Translator::with_names(names),
            position,
            ends,
            left: limit,
            filling: BytesMut::new(),
            told_at: Instant::now(),
        };
        let end = match reading.read() {
            End::Done => reading.flush().err(),
            end => Some(end),
        };
        let ending = match end {
            None | Some(End::Done) => Ok(()),
            // A stop ends it like a lost connection: whoever reads asks again.
            Some(End::Stopping) => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(End::Failed(error)) => {
                tracing::warn!("events are read no further: {error}");
                Err(error)
            }
        };
        // Whoever asked has gone if this reaches nobody.
        drop(ended.send(ending));
    }

    /// Where to begin, where the log ends, and the names up to there.
    fn begin(&self, runtime: &Handle) -> Result<(Position, Position, RosterNames), TrailFault> {
        let sources = &self.sources;
        let ends = sources.recent.ends();
        let oldest = self.oldest()?;
        let mut position = oldest.clone();
        if let Some(from) = &self.asked.from {
            if let Some(reason) = sources.recent.beyond_ends(from) {
                return Err(TrailFault::Ahead { reason });
            }
            if let Some(reason) = trimmed(from, &oldest) {
                return Err(TrailFault::Trimmed { reason, oldest });
            }
            position.merge(from);
        }
        let since = self.asked.filter.since;
        if since > TimeMicros::ZERO {
            for shard in sources.shards.streams() {
                let first = sources.log.oldest_since(shard, since);
                position.advance(shard, first.map_err(unavailable)?);
            }
        }
        let roster = self.roster(runtime, &position)?;
        let names = RosterNames::new(self.asked.hunt.clone(), roster);
        Ok((position, ends, names))
    }

    /// Where the log begins.
    fn oldest(&self) -> Result<Position, TrailFault> {
        let usage = self.sources.log.usage().map_err(unavailable)?;
        let mut oldest = Position::start();
        for stream in usage.streams {
            oldest.advance(stream.shard, stream.oldest);
        }
        Ok(oldest)
    }

    /// The players up to `position`, once the projections have come so far.
    fn roster(&self, runtime: &Handle, position: &Position) -> Result<Roster, TrailFault> {
        let mut views = self.sources.views.watch();
        let given_up_at = tokio::time::Instant::now() + NAMES_WITHIN;
        loop {
            views.borrow_and_update();
            let snapshot = self.sources.snapshots.ask();
            let snapshot = snapshot.and_then(|asked| asked.recv().ok());
            let Some(snapshot) = snapshot else {
                return Err(TrailFault::Unavailable {
                    reason: "the server is stopping".to_owned(),
                });
            };
            let roster = snapshot.boards().roster();
            if roster.position().covers(position) {
                return Ok(roster);
            }
            let waiting = async {
                let next = tokio::time::timeout_at(given_up_at, views.changed()).await;
                matches!(next, Ok(Ok(())))
            };
            if !runtime.block_on(waiting) {
                return Err(TrailFault::Unavailable {
                    reason: "the projections have not yet come as far as that position".to_owned(),
                });
            }
        }
    }
}

/// A reader on its way.
struct Reading {
    reader: Reader,
    runtime: Handle,
    translator: Translator<RosterNames>,
    position: Position,
    /// Where the log ended when it was asked for.
    ends: Position,
    /// How many events may still be told.
    left: u64,
    filling: BytesMut,
    told_at: Instant,
}

impl Reading {
    fn read(&mut self) -> End {
        loop {
            if let Err(end) = self.read_on() {
                return end;
            }
            if !self.reader.asked.follow && self.position.covers(&self.ends) {
                return End::Done;
            }
        }
    }

    /// Reads what there is; waits for more if there is nothing.
    fn read_on(&mut self) -> Result<(), End> {
        let mut grown = self.reader.sources.recent.grown();
        let Some(kept) = self.reader.sources.recent.kept_after(&self.position) else {
            return self.read_log();
        };
        let batches = by_time(kept);
        for batch in &batches {
            self.take(batch)?;
        }
        self.flush()?;
        if !batches.is_empty() {
            Self::gather();
            return Ok(());
        }
        if !self.reader.asked.follow {
            return Ok(());
        }
        let (pieces, stop) = (&self.reader.pieces, &mut self.reader.stop);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stops| *stops) => Err(End::Stopping),
                () = pieces.closed() => Err(End::Done),
                more = grown.changed() => more.map_err(|_| End::Stopping),
            }
        })
    }

    /// Waits a little, so that many small batches do not cost a look each.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread is the reader's own, and its pace is meant to be slower"
    )]
    fn gather() {
        std::thread::sleep(GATHER);
    }

    /// Reads what memory does not hold, to where the log ends now.
    fn read_log(&mut self) -> Result<(), End> {
        let sources = self.reader.sources.clone();
        let open = |shard| {
            let from = self.position.next(shard);
            Ok(sources.log.read(shard, from)?.peekable())
        };
        let streams: Result<Vec<_>, ReadError> = sources.shards.streams().map(open).collect();
        for batch in ByTime::new(streams?) {
            self.take(&batch?)?;
        }
        self.flush()
    }

    fn take(&mut self, batch: &Batch) -> Result<(), End> {
        if *self.reader.stop.borrow() {
            return Err(End::Stopping);
        }
        if self.reader.pieces.is_closed() {
            return Err(End::Done);
        }
        let header = *batch.header();
        for item in batch.stored_records() {
            let stored = item?;
            if stored.sequence < self.position.next(header.shard) {
                continue;
            }
            self.translator.learn(header.shard, &stored.record);
            self.position
                .advance(header.shard, stored.sequence.advanced(1));
            if self.is_wanted(header.shard, header.time, &stored.record) {
                self.tell(header.shard, header.time, &stored)?;
                self.left -= 1;
                if self.left == 0 {
                    return Err(End::Done);
                }
            } else if matches!(stored.record, Record::Time) && self.is_silent() {
                self.tell(header.shard, header.time, &stored)?;
                self.flush()?;
            }
        }
        if self.translator.names().is_full() {
            self.renew_names()?;
        }
        Ok(())
    }

    fn is_wanted(&self, shard: ShardId, time: TimeMicros, record: &Record<'_>) -> bool {
        let filter = &self.reader.asked.filter;
        filter.wants(shard, time, record, self.translator.names())
    }

    fn is_silent(&self) -> bool {
        self.filling.is_empty() && self.told_at.elapsed() >= SILENCE_MAX
    }

    fn renew_names(&mut self) -> Result<(), End> {
        let roster = self.reader.roster(&self.runtime, &self.position);
        let roster = roster.map_err(|fault| End::Failed(io::Error::other(fault)))?;
        self.translator.names_mut().renew(roster);
        Ok(())
    }

    fn tell(
        &mut self,
        shard: ShardId,
        time: TimeMicros,
        stored: &StoredRecord<'_>,
    ) -> Result<(), End> {
        let mut event = self.translator.event(shard, time, stored);
        event.position = Some(PositionText::from(&self.position));
        let line = serde_json::to_writer((&mut self.filling).writer(), &event);
        line.map_err(|error| End::Failed(error.into()))?;
        self.filling.put_u8(b'\n');
        let events_total = &self.reader.gauge.events_total;
        events_total.fetch_add(1, Ordering::Relaxed);
        match self.filling.len() >= PIECE_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Sends what is ready, as soon as whoever reads has taken enough of what was sent before.
    fn flush(&mut self) -> Result<(), End> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let piece = self.filling.split().freeze();
        let bytes_total = &self.reader.gauge.bytes_total;
        bytes_total.fetch_add(piece.len() as u64, Ordering::Relaxed);
        let (pieces, stop) = (&self.reader.pieces, &mut self.reader.stop);
        let sent = self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stops| *stops) => Err(End::Stopping),
                sent = pieces.send(piece) => sent.map_err(|_| End::Done),
            }
        });
        self.told_at = Instant::now();
        sent
    }
}

/// Which stream lacks what follows `from`, in words.
fn trimmed(from: &Position, oldest: &Position) -> Option<String> {
    let mut streams = oldest.streams();
    let (shard, first) = streams.find(|&(shard, first)| from.next(shard) < first)?;
    let (name, next): (_, Sequence) = (stream_name(shard), from.next(shard));
    Some(format!(
        "{name} begins at {first}, after {next}, which is next"
    ))
}

fn unavailable(error: impl std::fmt::Display) -> TrailFault {
    TrailFault::Unavailable {
        reason: error.to_string(),
    }
}
