//! The keeper of events: writes down what arbiters have sealed, and keeps the runs few.
//!
//! One thread for all shards, each with a queue of its own: one that cannot be written down holds
//! up no other. A bucket is handed in once the log holds all of it, and stays in
//! its arbiter's memory until it stands on disk. If it cannot be written, for lack of space say,
//! that is told and tried again; meanwhile events go on being taken, up to what memory may hold.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, Sender, select};
use huntcore_disk::Disk;
use huntcore_engine::SealedEvents;
use huntcore_event_keys::{EventKeys, KeysError};
use huntcore_model::ShardId;

use crate::control::ShardTimes;
use crate::door::ShardDoor;
use crate::failure::Failure;
use crate::looker::EventGauge;
use crate::shard::ShardEvent;

/// How often the thread looks whether runs have passed the horizon, or are to be merged.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The least time from a failure to the next try.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Merging in one go, and the rest after it.
const STINT: Duration = Duration::from_millis(2);

/// A bucket that the log holds all of.
pub(crate) struct HandedIn {
    shard: ShardId,
    sealed: Arc<SealedEvents>,
}

/// What the thread is given.
pub(crate) struct Keeper {
    pub(crate) disk: Arc<dyn Disk>,
    /// By shard.
    pub(crate) keys: Vec<EventKeys>,
    pub(crate) doors: Vec<ShardDoor>,
    pub(crate) handed_in: Receiver<HandedIn>,
    pub(crate) stop: Receiver<()>,
    pub(crate) times: Arc<ShardTimes>,
    pub(crate) gauge: Arc<EventGauge>,
    pub(crate) failure: Failure,
}

/// A shard's way to the keeper.
#[derive(Clone)]
pub(crate) struct KeeperDoor(pub(crate) Sender<HandedIn>);

impl KeeperDoor {
    pub(crate) fn hand_in(&self, shard: ShardId, sealed: Arc<SealedEvents>) {
        // Gone only when the node stops.
        drop(self.0.send(HandedIn { shard, sealed }));
    }
}

impl Keeper {
    /// Runs until told to stop. What has not been written by then stands in the log, and is
    /// sealed again after the next start.
    pub(crate) fn run(mut self) {
        let mut waiting: Vec<VecDeque<Arc<SealedEvents>>> =
            self.keys.iter().map(|_| VecDeque::new()).collect();
        let mut failed_at: Option<Instant> = None;
        loop {
            select! {
                recv(self.handed_in) -> handed_in => {
                    for HandedIn { shard, sealed } in handed_in.into_iter().chain(self.handed_in.try_iter()) {
                        waiting[usize::from(shard.get())].push_back(sealed);
                    }
                }
                recv(self.stop) -> _ => return,
                default(LOOK_EVERY) => {}
            }
            if failed_at.is_some_and(|failed| failed.elapsed() < RETRY_AFTER) {
                continue;
            }
            let was_failing = failed_at.take().is_some();
            let now = self.times.least();
            self.keys.iter_mut().for_each(|keys| keys.expire(now));
            let written = self.write_all(&mut waiting);
            // What is merged needs no more room than it had, once it is done.
            let merged = self.merge();
            match merged.and(written) {
                Ok(()) if was_failing => tracing::info!("events are written down again"),
                Ok(()) => {}
                Err(KeysError::Damage(damage)) => {
                    huntcore_event_keys::set_aside(&*self.disk, &damage);
                    self.failure.report(&format!(
                        "events cannot be merged: {damage}; restart to write them anew from the log"
                    ));
                    return;
                }
                Err(error) => {
                    self.gauge.failures_total.fetch_add(1, Ordering::Relaxed);
                    if !was_failing {
                        let error = crate::text::with_causes(&error);
                        tracing::warn!("events stay in memory for now: {error}");
                    }
                    failed_at = Some(Instant::now());
                }
            }
        }
    }

    /// Writes what each shard has handed in, as far as it can; the first failure is told.
    fn write_all(&mut self, waiting: &mut [VecDeque<Arc<SealedEvents>>]) -> Result<(), KeysError> {
        let mut done = Ok(());
        for ((keys, door), waiting) in self.keys.iter_mut().zip(&self.doors).zip(waiting) {
            while let Some(sealed) = waiting.front() {
                match keys.write(sealed) {
                    Ok(covers) => {
                        self.gauge.written_total.fetch_add(1, Ordering::Relaxed);
                        let last = sealed.ordinal();
                        door.tell(ShardEvent::EventsStand { last, covers });
                        waiting.pop_front();
                    }
                    Err(error) => {
                        done = done.and(Err(error));
                        break;
                    }
                }
            }
        }
        done
    }

    /// One merge, if one is due; rests as long as it works while nobody waits.
    fn merge(&mut self) -> Result<(), KeysError> {
        let (handed_in, stop) = (&self.handed_in, &self.stop);
        let mut since = Instant::now();
        for keys in &mut self.keys {
            let go_on = || {
                let worked = since.elapsed();
                if worked >= STINT {
                    let mut next = Select::new();
                    next.recv(handed_in);
                    next.recv(stop);
                    let _ = next.ready_timeout(worked);
                    since = Instant::now();
                }
                stop.is_empty()
            };
            if keys.merge(go_on)? {
                self.gauge.merged_total.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
        Ok(())
    }
}
