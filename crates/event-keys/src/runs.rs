//! All runs of a shard as they are at one time, for whoever looks up.

use std::sync::Arc;

use arc_swap::ArcSwap;
use huntcore_engine::{AHEAD_MS_MAX, Coverage, EventKey, EventSeen};
use huntcore_model::{ShardId, TimeMicros};

use crate::error::Damage;
use crate::run::Run;

/// An event that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its key.
    pub key: EventKey,
    /// The time that its id bears, if it bears one: runs that end before it need not be asked.
    pub id_time: Option<TimeMicros>,
}

impl Asked {
    /// It was not taken before this.
    fn since(&self) -> TimeMicros {
        let since = |made_at: TimeMicros| made_at.minus_millis(AHEAD_MS_MAX);
        self.id_time.map_or(TimeMicros::ZERO, since)
    }
}

/// A shard's runs. Immutable: look-ups take no lock, and wait for nobody who writes.
#[derive(Debug)]
pub struct Runs {
    pub(crate) shard: ShardId,
    pub(crate) covers: Coverage,
    /// In the order of their stretches.
    pub(crate) runs: Vec<Arc<Run>>,
}

impl Runs {
    /// Whose they are.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// How far a look-up here reaches: see
    /// [`Arbiter::drop_sealed_events`](huntcore_engine::Arbiter::drop_sealed_events).
    #[must_use]
    pub const fn covers(&self) -> Coverage {
        self.covers
    }

    /// All runs, in the order of their stretches.
    #[must_use]
    pub fn all(&self) -> &[Arc<Run>] {
        &self.runs
    }

    /// How many events they hold.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.runs.iter().map(|run| run.events()).sum()
    }

    /// What is held of them in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.memory_bytes()).sum()
    }

    /// What their files take.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.file_bytes()).sum()
    }

    /// Looks for many events at once: appends to `found` those that stand here, by their index
    /// in `asked`, in no order; returns how many pages it read.
    pub fn look_up(
        &self,
        asked: &[Asked],
        found: &mut Vec<(usize, EventSeen)>,
    ) -> Result<u64, Damage> {
        let mut pages = 0;
        // Run by run: the next event's place in a filter is fetched while one's is looked at.
        for run in self.runs.iter().rev() {
            let newest = run.span().newest;
            for (index, asked) in asked.iter().enumerate() {
                if run.may_have(&asked.key) && asked.since() <= newest {
                    pages += 1;
                    found.extend(run.find(&asked.key)?.map(|seen| (index, seen)));
                }
            }
        }
        Ok(pages)
    }

    /// Looks for one event.
    pub fn get(&self, asked: &Asked) -> Result<Option<EventSeen>, Damage> {
        let mut found = Vec::new();
        self.look_up(std::slice::from_ref(asked), &mut found)?;
        Ok(found.first().map(|(_, seen)| *seen))
    }
}

/// What the owner of a shard's runs has published last.
#[derive(Clone, Debug)]
pub struct PublishedRuns(pub(crate) Arc<ArcSwap<Runs>>);

impl PublishedRuns {
    /// The runs as they are now.
    #[must_use]
    pub fn now(&self) -> Arc<Runs> {
        self.0.load_full()
    }
}
