//! The owner of a shard's runs: writes, merges and drops them, and publishes what there is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use huntcore_disk::{Disk, make_directory};
use huntcore_engine::{Coverage, EventFact, EventSpan, SealedEvents};
use huntcore_model::{Hash32, Sequence, ShardId, TimeMicros};

use crate::error::{Damage, KeysError, OpenError};
use crate::merge::{self, Merge};
use crate::run::Run;
use crate::runs::{PublishedRuns, Runs};
use crate::writer::{RunPlan, RunWriter};

/// How runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysOptions {
    /// Runs are dropped when all of their events are older than this.
    pub horizon_ms: u64,
    /// So much of the file system is left to others.
    pub free_bytes_min: u64,
    /// Events of all of a shard's runs; each takes 17 bits of memory, and 42 bytes of disk.
    pub events_max: u64,
    /// Runs are not merged into one that would hold more.
    pub merged_events_max: u64,
}

impl KeysOptions {
    /// The horizon has so many parts, each of which comes to one run.
    pub(crate) const PARTS: u64 = 8;

    /// 400 million events at most, 850 MB of memory.
    #[must_use]
    pub const fn new(horizon_ms: u64) -> Self {
        Self {
            horizon_ms,
            free_bytes_min: 0,
            events_max: 400_000_000,
            merged_events_max: 64_000_000,
        }
    }
}

/// A file that does not count as a run, and why.
#[derive(Debug)]
pub struct PassedOver {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// A shard's runs, and the right to change them.
pub struct EventKeys {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    shard: ShardId,
    options: KeysOptions,
    published: PublishedRuns,
    passed_over: Vec<PassedOver>,
}

impl EventKeys {
    /// Opens the runs of a shard below `directory`, which is made if it is not there, and removes
    /// what a crash has left. Runs that are damaged do not count; see [`Self::passed_over`].
    ///
    /// Nobody else may write there: the log's lock sees to that.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        shard: ShardId,
        options: KeysOptions,
    ) -> Result<Self, OpenError> {
        let directory = directory.join(format!("shard-{shard}"));
        let failed = |what: &'static str| {
            let directory = directory.clone();
            move |source| OpenError {
                what,
                directory,
                source,
            }
        };
        make_directory(&*disk, &directory).map_err(failed("create"))?;
        let mut runs = Vec::new();
        let mut passed_over = Vec::new();
        for name in disk.list(&directory).map_err(failed("list"))? {
            let file = directory.join(&name);
            if name.ends_with(".run") {
                match Run::open(&*disk, file.clone(), shard) {
                    Ok(run) => runs.push(Arc::new(run)),
                    Err(damage) => passed_over.push(PassedOver {
                        file,
                        reason: damage.to_string(),
                    }),
                }
            } else if name.ends_with(DAMAGED) {
                let reason = format!("{} was found damaged when it was read", file.display());
                passed_over.push(PassedOver { file, reason });
            } else if name.ends_with(".run.tmp") {
                disk.remove(&file).map_err(failed("remove a draft from"))?;
            } else {
                tracing::warn!(file = %file.display(), "is no run of events: left alone");
            }
        }
        runs.sort_unstable_by_key(|run| {
            let span = run.span();
            (span.first, std::cmp::Reverse(span.end))
        });
        let keys = Self {
            disk,
            directory,
            shard,
            options,
            published: PublishedRuns(Arc::new(ArcSwap::from_pointee(Runs {
                shard,
                covers: Coverage::START,
                runs: Vec::new(),
            }))),
            passed_over,
        };
        // What was merged stands in a run that begins no later and ends no earlier.
        let mut reached = Sequence::ZERO;
        let (merged, kept): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| {
            let is_merged = run.span().end <= reached;
            reached = reached.max(run.span().end);
            is_merged
        });
        keys.publish(kept, Coverage::START);
        keys.remove(&merged);
        Ok(keys)
    }

    /// What others look up in.
    #[must_use]
    pub fn published(&self) -> PublishedRuns {
        self.published.clone()
    }

    /// The runs as they are now.
    #[must_use]
    pub fn runs(&self) -> Arc<Runs> {
        self.published.now()
    }

    /// Whose runs they are.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// Files that were found damaged, or that do not fit the log.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// Removes the files that were passed over: what was in them has been written anew, or is
    /// not needed any more.
    pub fn remove_passed_over(&mut self) {
        for passed in self.passed_over.drain(..) {
            if let Err(error) = self.disk.remove(&passed.file) {
                let file = passed.file.display();
                tracing::warn!(%file, %error, "damaged run stays until the next start");
            }
        }
    }

    /// Passes over the runs for which `reason` gives one.
    pub fn pass_over(&mut self, reason: impl Fn(&Run) -> Option<String>) {
        let now = self.runs();
        let mut kept = Vec::new();
        for run in now.all() {
            match reason(run) {
                None => kept.push(run.clone()),
                Some(reason) => self.passed_over.push(PassedOver {
                    file: run.path().to_owned(),
                    reason: format!("{}: {reason}", run.path().display()),
                }),
            }
        }
        self.publish(kept, now.covers);
    }

    /// The stretches of `needed` that no run holds.
    #[must_use]
    pub fn gaps(&self, needed: impl IntoIterator<Item = EventSpan>) -> Vec<EventSpan> {
        let runs = self.runs();
        let mut gaps = Vec::new();
        for mut span in needed {
            for run in runs.all().iter().map(|run| run.span()) {
                if run.end <= span.first || span.end <= run.first {
                    continue;
                }
                if span.first < run.first {
                    gaps.push(EventSpan {
                        end: run.first,
                        ..span
                    });
                }
                span.first = run.end;
                if span.end <= span.first {
                    break;
                }
            }
            if span.first < span.end {
                gaps.push(span);
            }
        }
        gaps
    }

    /// Writes down a bucket: once this returns, it stands, and look-ups that cover what is
    /// returned see it.
    pub fn write(&mut self, sealed: &SealedEvents) -> Result<Coverage, KeysError> {
        let facts = sealed.facts().copied().collect();
        self.write_facts(sealed.span(), sealed.chain(), facts)
    }

    /// Writes down all events of a stretch, which are in no order.
    pub fn write_facts(
        &mut self,
        span: EventSpan,
        chain: Hash32,
        mut facts: Vec<EventFact>,
    ) -> Result<Coverage, KeysError> {
        let more = facts.len() as u64;
        let events = self.runs().events();
        if events + more > self.options.events_max {
            return Err(KeysError::Limit {
                events,
                more,
                events_max: self.options.events_max,
            });
        }
        facts.sort_unstable_by_key(|fact| (fact.key, fact.seen.sequence));
        // The first record of an event is the one that counts.
        facts.dedup_by_key(|fact| fact.key);
        let disk = self.disk.clone();
        let mut writer = RunWriter::create(&*disk, &self.directory, self.plan(span, chain, more))?;
        facts.into_iter().try_for_each(|fact| writer.push(fact))?;
        let run = Arc::new(writer.finish()?);
        let now = self.runs();
        let mut runs: Vec<_> = now.all().to_vec();
        runs.retain(|other| other.path() != run.path());
        let place = runs.partition_point(|other| other.span().first < run.span().first);
        runs.insert(place, run);
        let covers = now.covers.next();
        self.publish(runs, covers);
        Ok(covers)
    }

    /// Drops the runs that the horizon has passed, the log having durably got to `now`.
    pub fn expire(&mut self, now: TimeMicros) {
        let horizon_ms = self.options.horizon_ms;
        let runs = self.runs();
        let is_past = |run: &&Arc<Run>| run.span().newest.plus_millis(horizon_ms) <= now;
        let (past, kept): (Vec<_>, Vec<_>) = runs.all().iter().partition(is_past);
        if past.is_empty() {
            return;
        }
        let past: Vec<_> = past.into_iter().cloned().collect();
        self.publish(kept.into_iter().cloned().collect(), runs.covers);
        self.remove(&past);
    }

    /// Merges what is due to be merged, if anything is; says whether it did. Between some
    /// thousand events each it asks `go_on`, and leaves everything as it was if that says no.
    pub fn merge(&mut self, mut go_on: impl FnMut() -> bool) -> Result<bool, KeysError> {
        const STEP_EVENTS: usize = 4_096;
        let now = self.runs();
        let Some(due) = merge::due(now.all(), &self.options) else {
            return Ok(false);
        };
        let inputs = now.all()[due.clone()].to_vec();
        let events = inputs.iter().map(|run| run.events()).sum();
        // Of the run that reaches furthest, which with overlaps need not be the last.
        let furthest = inputs.iter().max_by_key(|run| run.span().end);
        let chain = furthest.map_or(Hash32::ZERO, |run| run.chain());
        let disk = self.disk.clone();
        let plan = self.plan(merge::union(&inputs), chain, events);
        let mut writer = RunWriter::create(&*disk, &self.directory, plan)?;
        let mut merging = Merge::new(inputs);
        while merging.step(&mut writer, STEP_EVENTS)? {
            if !go_on() {
                return Ok(false);
            }
        }
        let merged = Arc::new(writer.finish()?);
        let inputs: Vec<_> = merging.inputs().cloned().collect();
        let mut runs = now.all().to_vec();
        runs.splice(due, [merged]);
        self.publish(runs, now.covers);
        self.remove(&inputs);
        Ok(true)
    }

    fn plan(&self, span: EventSpan, chain: Hash32, events_max: u64) -> RunPlan {
        RunPlan {
            shard: self.shard,
            span,
            chain,
            events_max,
            free_bytes_min: self.options.free_bytes_min,
        }
    }

    fn publish(&self, runs: Vec<Arc<Run>>, covers: Coverage) {
        let shard = self.shard;
        self.published.0.store(Arc::new(Runs {
            shard,
            covers,
            runs,
        }));
    }

    /// Removes files that are not needed any more; that this is durable does not matter.
    fn remove(&self, runs: &[Arc<Run>]) {
        for run in runs {
            if let Err(error) = self.disk.remove(run.path()) {
                let file = run.path().display();
                tracing::warn!(%file, %error, "a run that is not needed any more stays");
            }
        }
    }
}

const DAMAGED: &str = ".run.damaged";

/// Marks a run that was found damaged while it was read, so that the next start writes its
/// events anew. It goes on being read where it can be.
pub fn set_aside(disk: &dyn Disk, damage: &Damage) {
    let file = damage.file();
    let mut name = file.as_os_str().to_owned();
    name.push(".damaged");
    if let Err(error) = disk.rename(file, Path::new(&name)) {
        tracing::warn!(file = %file.display(), %error, "damaged run keeps its name");
    }
}

impl std::fmt::Debug for EventKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EventKeys")
            .field("directory", &self.directory)
            .field("runs", &self.runs())
            .finish_non_exhaustive()
    }
}
