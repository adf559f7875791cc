//! A shard's look-ups: what events are, and whether they stand on disk.
//!
//! Between the door and the shard's thread, so that the thread that decides hashes nothing and
//! never waits for a disk. What a look-up says goes with the events, as one more input; if
//! events have left the arbiter's memory meanwhile, they come back here to be looked up again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::Receiver;
use huntcore_disk::Disk;
use huntcore_engine::{Coverage, EventKey, EventSeen, Looked, id_time};
use huntcore_event_keys::{Asked, Damage, PublishedRuns};
use huntcore_model::{EventDigest, ShardId, TimeMicros};

use crate::door::{EventsPart, ShardDoor};
use crate::failure::Failure;
use crate::shard::ShardEvent;

/// What a looker is asked.
pub(crate) enum Ask {
    /// Look these up, and hand them to the shard.
    LookUp(EventsPart),
    /// Hand on what came before, tell the shard to stop, and end.
    Stop,
}

/// What an event is, and what was found of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identified {
    pub(crate) key: EventKey,
    pub(crate) digest: EventDigest,
    pub(crate) id_time: Option<TimeMicros>,
}

/// What was found of a part's events.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) identified: Vec<Identified>,
    /// By index, in order; most events are found nowhere.
    known: Vec<(usize, EventSeen)>,
    pub(crate) covers: Coverage,
}

impl Found {
    /// What was found of each event, in their order.
    pub(crate) fn looked(&self) -> impl Iterator<Item = Looked> + '_ {
        let covers = self.covers;
        let mut known = self.known.iter().peekable();
        (0..self.identified.len()).map(move |index| {
            let found = known.next_if(|(at, _)| *at == index);
            Looked {
                known: found.map(|(_, seen)| *seen),
                covers,
            }
        })
    }
}

/// What is known of looking events up and of writing them down, for metrics.
#[derive(Debug, Default)]
pub(crate) struct EventGauge {
    pub(crate) events_total: AtomicU64,
    pub(crate) pages_read_total: AtomicU64,
    pub(crate) repeated_total: AtomicU64,
    pub(crate) written_total: AtomicU64,
    pub(crate) merged_total: AtomicU64,
    pub(crate) failures_total: AtomicU64,
}

/// Where events that have left memory are looked up.
pub(crate) struct Shelf {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) runs: PublishedRuns,
}

/// What a shard's looker is given.
pub(crate) struct Looker {
    pub(crate) shard: ShardId,
    pub(crate) asks: Receiver<Ask>,
    pub(crate) door: ShardDoor,
    /// Without it all events stay in the arbiter's memory.
    pub(crate) shelf: Option<Shelf>,
    pub(crate) gauge: Arc<EventGauge>,
    pub(crate) failure: Failure,
}

impl Looker {
    /// Runs until told to stop.
    pub(crate) fn run(self) {
        let mut asked = Vec::new();
        while let Ok(Ask::LookUp(mut part)) = self.asks.recv() {
            match self.look_up(&mut part, &mut asked) {
                Ok(()) => self.door.tell(ShardEvent::ScoreEvents(part)),
                Err(damage) => {
                    if let Some(shelf) = &self.shelf {
                        huntcore_event_keys::set_aside(&*shelf.disk, &damage);
                    }
                    // Nobody can tell whether these were taken before: they go unanswered.
                    let shard = self.shard;
                    self.failure.report(&format!(
                        "events of shard {shard} cannot be looked up: {damage}; restart to write \
                         them anew from the log"
                    ));
                }
            }
        }
        self.door.tell(ShardEvent::Stop);
    }

    fn look_up(&self, part: &mut EventsPart, asked: &mut Vec<Asked>) -> Result<(), Damage> {
        let EventsPart { items, found, .. } = part;
        if found.identified.is_empty() {
            let identified = items.iter().map(|event| {
                let event_id = event.event_id.as_str();
                Identified {
                    key: EventKey::new(event.hunt, event.player.as_str(), event_id),
                    digest: event.digest(),
                    id_time: id_time(event_id),
                }
            });
            found.identified = identified.collect();
        } else {
            self.gauge.repeated_total.fetch_add(1, Ordering::Relaxed);
        }
        found.known.clear();
        let events = items.len() as u64;
        self.gauge.events_total.fetch_add(events, Ordering::Relaxed);
        let Some(shelf) = &self.shelf else {
            return Ok(());
        };
        let runs = shelf.runs.now();
        found.covers = runs.covers();
        if runs.all().is_empty() {
            return Ok(());
        }
        asked.clear();
        asked.extend(found.identified.iter().map(|event| Asked {
            key: event.key,
            id_time: event.id_time,
        }));
        let pages = runs.look_up(asked, &mut found.known)?;
        self.gauge
            .pages_read_total
            .fetch_add(pages, Ordering::Relaxed);
        // Where two runs overlap, an event stands in both.
        found.known.sort_unstable_by_key(|(index, _)| *index);
        found.known.dedup_by_key(|(index, _)| *index);
        Ok(())
    }
}
