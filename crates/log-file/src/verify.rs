//! Verifying whole streams, segment by segment on several threads.
//!
//! A segment's header tells the tail before it, so each is verified by itself and must end as
//! the next one's header says.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use huntcore_model::{Epoch, Sequence, ShardId, Tail};

use crate::error::OpenError;
use crate::files::stream_directory;
use crate::inspect::Inspection;
use crate::outline::Outline;
use crate::parallel;
use crate::scan::{Damage, Scanned, scan};
use crate::state::State;

/// What [`Inspection::verify`] found in one stream, all of it sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReport {
    /// Which stream.
    pub shard: ShardId,
    /// Its last term of ownership.
    pub epoch: Epoch,
    /// The oldest sequence that can be read.
    pub oldest: Sequence,
    /// Where it ends.
    pub tail: Tail,
    /// Files.
    pub segments: u64,
    /// Length of those files.
    pub bytes: u64,
    /// Batches.
    pub batches: u64,
    /// An unfinished end that a crash left; the next start cuts it off. Beside a running
    /// server, a batch that is just being written.
    pub torn: Option<Damage>,
}

/// How far a long piece of work has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// So much is done; never less than was told before.
    pub bytes: u64,
    /// Of so much. Beside a running server it may turn out to be more or less.
    pub bytes_total: u64,
}

impl Inspection {
    /// Reads and verifies a stream whole: checksums, chain, sequences, times, terms, and
    /// that no file is missing.
    pub fn verify(&self, shard: ShardId) -> Result<StreamReport, OpenError> {
        let mut reports = self.verify_streams(&[shard], parallel::threads(), &|_| ());
        reports.pop().expect("one for each stream")
    }

    /// The same for several streams, on so many threads; one result for each stream, in
    /// order. `progress` is called from those threads, by one at a time, about once for each
    /// MiB.
    pub fn verify_streams(
        &self,
        shards: &[ShardId],
        threads: NonZeroUsize,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Vec<Result<StreamReport, OpenError>> {
        let outlines: Vec<_> = shards.iter().map(|&shard| self.outline(shard)).collect();
        let jobs: Vec<_> = outlines
            .iter()
            .flatten()
            .flat_map(|outline| outline.links.iter().map(move |link| (outline, link)))
            .collect();
        let meter = Meter::new(jobs.iter().map(|(_, link)| link.file_bytes).sum(), progress);
        let mut scanned = parallel::map(&jobs, threads, |(outline, link)| {
            let counted = Cell::new(0);
            let result = scan(&*self.disk, outline, link, &|bytes| {
                counted.set(counted.get() + bytes);
                meter.add(bytes);
            });
            // The header, and what is set aside at the end.
            meter.add(link.file_bytes.saturating_sub(counted.get()));
            result
        })
        .into_iter();
        let mut results = Vec::new();
        for (&shard, outline) in shards.iter().zip(outlines) {
            results.push(outline.and_then(|outline| {
                let of_stream = scanned.by_ref().take(outline.links.len()).collect();
                report(&outline, of_stream).or_else(|error| {
                    // Files went missing because a server has trimmed meanwhile.
                    if self.oldest(shard)? == outline.state.oldest {
                        Err(error)
                    } else {
                        self.verify(shard)
                    }
                })
            }));
        }
        results
    }

    pub(crate) fn outline(&self, shard: ShardId) -> Result<Outline, OpenError> {
        let directory = stream_directory(&self.directory, shard);
        Outline::read(&*self.disk, &directory, shard)
    }

    fn oldest(&self, shard: ShardId) -> Result<Sequence, OpenError> {
        let directory = stream_directory(&self.directory, shard);
        State::read(&*self.disk, &directory, shard).map(|state| state.oldest)
    }
}

fn report(
    outline: &Outline,
    scanned: Vec<Result<Scanned, OpenError>>,
) -> Result<StreamReport, OpenError> {
    let mut report = StreamReport {
        shard: outline.shard,
        epoch: outline.state.epoch,
        oldest: outline.state.oldest,
        tail: Tail::default(),
        segments: 0,
        bytes: 0,
        batches: 0,
        torn: None,
    };
    for scanned in scanned {
        let scanned = scanned?;
        report.tail = scanned.tail;
        report.segments += 1;
        report.bytes += scanned.segment.file_bytes;
        report.batches += scanned.batches;
        report.torn = scanned.torn;
    }
    Ok(report)
}

/// Adds up what several threads have done.
pub(crate) struct Meter<'m> {
    /// Held while telling, so that what is told never goes back.
    bytes: Mutex<u64>,
    bytes_total: u64,
    progress: &'m (dyn Fn(Progress) + Sync),
}

impl<'m> Meter<'m> {
    pub(crate) fn new(bytes_total: u64, progress: &'m (dyn Fn(Progress) + Sync)) -> Self {
        Self {
            bytes: Mutex::new(0),
            bytes_total,
            progress,
        }
    }

    pub(crate) fn add(&self, bytes: u64) {
        let mut done = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *done += bytes;
        (self.progress)(Progress {
            bytes: *done,
            bytes_total: self.bytes_total.max(*done),
        });
    }
}
