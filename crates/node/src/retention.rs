//! How much of the log is kept, and when there is no space for more.
//!
//! A stream is cut where it is both older than the retention and behind the older of two good
//! checkpoints, whose every byte has been read back; for a sink that lacks it, it is kept for a
//! while longer, if there is space. Neither a full disk nor a cap on the log's size cuts anything
//! more: then new work is refused, until the retention has freed enough.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use huntcore_checkpoint::Checkpoints;
use huntcore_log::{Log, LogUsage, StreamUsage};
use huntcore_model::{Position, Sequence, ShardId, TimeMicros};

use crate::checkpointer::CheckpointGauge;
use crate::sinks::Holds;

/// How often the space left for the log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Cuts off what need not be kept.
pub(crate) struct Retention {
    log: Arc<dyn Log>,
    retention_ms: u64,
    gauge: Arc<CheckpointGauge>,
    holds: Holds,
    /// Checkpoints of which every byte has been read back.
    verified: BTreeSet<u64>,
}

impl Retention {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        retention: Duration,
        gauge: Arc<CheckpointGauge>,
        holds: Holds,
    ) -> Self {
        Self {
            log,
            gauge,
            holds,
            retention_ms: u64::try_from(retention.as_millis()).unwrap_or(u64::MAX),
            verified: BTreeSet::new(),
        }
    }

    /// Trims every stream, as far as may be. Whatever fails is told and tried again the next
    /// time.
    pub(crate) fn trim(&mut self, checkpoints: &mut Checkpoints, now: TimeMicros) {
        let usage = match self.log.usage() {
            Ok(usage) => usage,
            Err(error) => {
                tracing::warn!("nothing of the log is trimmed: {error}");
                return;
            }
        };
        *self.gauge.needed_from.lock() = needed_from(&usage, checkpoints);
        let cuts = self.cuts(&usage, checkpoints, now);
        if cuts.is_empty() || !self.are_good(checkpoints) {
            return;
        }
        for (shard, before) in cuts {
            match self.log.trim(shard, before) {
                Ok(()) => tracing::info!(
                    stream = %huntcore_log::stream_name(shard),
                    before = before.get(),
                    "log trimmed to its retention"
                ),
                Err(error) => tracing::warn!("the log is not trimmed: {error}"),
            }
        }
    }

    /// Where each stream may be cut, for those that get shorter by it.
    fn cuts(
        &self,
        usage: &LogUsage,
        checkpoints: &Checkpoints,
        now: TimeMicros,
    ) -> Vec<(ShardId, Sequence)> {
        let [_, older, ..] = checkpoints.good() else {
            return Vec::new();
        };
        let keep_from = now.minus_millis(self.retention_ms);
        let cut = |stream: &StreamUsage| {
            let is_old = stream.oldest_time.is_some_and(|time| time < keep_from);
            let behind = older.reads_from(stream.shard);
            if !is_old || behind <= stream.oldest {
                return None;
            }
            match self.log.oldest_since(stream.shard, keep_from) {
                Ok(since) => {
                    let (log, before) = (self.log.as_ref(), since.min(behind));
                    let before = self.holds.limit(log, usage, stream, before, keep_from);
                    Some((stream.shard, before))
                }
                Err(error) => {
                    tracing::warn!("cannot tell how old the log is: {error}");
                    None
                }
            }
        };
        let cuts = usage.streams.iter().filter_map(cut);
        let is_further = |(shard, before): &(ShardId, Sequence)| {
            let mut streams = usage.streams.iter();
            streams.any(|stream| stream.shard == *shard && stream.oldest < *before)
        };
        cuts.filter(is_further).collect()
    }

    /// Whether both checkpoints can be read in full, as far as is known; one that cannot
    /// does not count any more.
    fn are_good(&mut self, checkpoints: &mut Checkpoints) -> bool {
        let kept: Vec<_> = checkpoints.good().iter().take(2).cloned().collect();
        self.verified
            .retain(|id| kept.iter().any(|kept| kept.id() == *id));
        for checkpoint in kept {
            let id = checkpoint.id();
            if self.verified.contains(&id) {
                continue;
            }
            if let Err(damage) = checkpoint.verify() {
                let reason = crate::text::with_causes(&damage);
                tracing::warn!("checkpoint {id} is passed over, and nothing trimmed: {reason}");
                checkpoints.pass_over(id);
                return false;
            }
            self.verified.insert(id);
        }
        true
    }
}

/// What the older of two good checkpoints needs of each stream, if there are two.
fn needed_from(usage: &LogUsage, checkpoints: &Checkpoints) -> Option<Position> {
    let [_, older, ..] = checkpoints.good() else {
        return None;
    };
    let mut needed = Position::start();
    for stream in &usage.streams {
        needed.advance(stream.shard, older.reads_from(stream.shard));
    }
    Some(needed)
}

/// Refuses new work before there is no space, and takes it again when there is.
pub(crate) struct SpaceWatch {
    pub(crate) log: Arc<dyn Log>,
    /// New claims and events are refused while this says so.
    pub(crate) full: Arc<AtomicBool>,
    pub(crate) free_bytes_min: u64,
    pub(crate) log_bytes_max: Option<u64>,
}

/// How much space there is for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Space {
    #[default]
    Enough,
    /// Nine tenths of what the log may take are taken.
    CapIsNear,
    /// The log takes all that it may.
    AtCap,
    /// The file system has less left than must stay free.
    DiskIsFull,
}

impl SpaceWatch {
    /// Looks until told to stop.
    pub(crate) fn run(&self, stop: &Receiver<()>) {
        let mut before = Space::Enough;
        loop {
            match self.log.usage() {
                Ok(usage) => {
                    let space = self.space(&usage);
                    self.full.store(space.is_none_left(), Ordering::Relaxed);
                    if space != before {
                        self.tell(space, before, &usage);
                        before = space;
                    }
                }
                Err(error) => tracing::warn!("cannot tell the space left for the log: {error}"),
            }
            match stop.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn space(&self, usage: &LogUsage) -> Space {
        let is_low = |free: u64| free < self.free_bytes_min;
        match self.log_bytes_max {
            _ if usage.free_bytes.is_some_and(is_low) => Space::DiskIsFull,
            Some(max) if usage.bytes >= max => Space::AtCap,
            Some(max) if usage.bytes >= max / 10 * 9 => Space::CapIsNear,
            _ => Space::Enough,
        }
    }

    fn tell(&self, space: Space, before: Space, usage: &LogUsage) {
        match space {
            Space::DiskIsFull => tracing::warn!(
                free_bytes = usage.free_bytes,
                free_bytes_min = self.free_bytes_min,
                "little space left for the log: new claims and events are refused"
            ),
            Space::AtCap => tracing::warn!(
                log_bytes = usage.bytes,
                log_bytes_max = self.log_bytes_max,
                "the log is as long as it may be: new claims and events are refused until \
                 records become older than the retention"
            ),
            Space::CapIsNear | Space::Enough if before.is_none_left() => {
                tracing::info!("space for the log again: new claims and events are taken");
            }
            Space::CapIsNear => tracing::warn!(
                log_bytes = usage.bytes,
                log_bytes_max = self.log_bytes_max,
                "the log is nearly as long as it may be: allow more, or keep less"
            ),
            Space::Enough => {}
        }
    }
}

impl Space {
    const fn is_none_left(self) -> bool {
        matches!(self, Self::AtCap | Self::DiskIsFull)
    }
}

#[cfg(test)]
mod tests {
    use huntcore_log::MemoryLog;

    use super::*;

    #[test]
    fn the_cap_and_the_disk_refuse_and_nine_tenths_of_the_cap_warn() {
        let watch = |log_bytes_max| SpaceWatch {
            log: Arc::new(MemoryLog::default()),
            full: Arc::default(),
            free_bytes_min: 100,
            log_bytes_max,
        };
        for (bytes, free_bytes, max, expected) in [
            (899, Some(100), Some(1_000), Space::Enough),
            (900, Some(100), Some(1_000), Space::CapIsNear),
            (1_000, None, Some(1_000), Space::AtCap),
            (1_000, Some(99), Some(1_000), Space::DiskIsFull),
            (10, Some(99), None, Space::DiskIsFull),
            (u64::MAX, None, None, Space::Enough),
        ] {
            let usage = LogUsage {
                bytes,
                free_bytes,
                ..LogUsage::default()
            };
            assert_eq!(watch(max).space(&usage), expected, "{usage:?}");
        }
    }
}
