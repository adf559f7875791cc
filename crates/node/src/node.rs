//! A running node: its threads, and how they start and stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use huntcore_checkpoint::{CheckpointOptions, Checkpoints};
use huntcore_event_keys::{EventKeys, KeysOptions, PublishedRuns};
use huntcore_lane::{Entrance, EntranceLimits};
use huntcore_log::Log;
use huntcore_model::{Sequence, ShardId};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::checkpointer::{CheckpointGauge, Checkpointer};
use crate::clock::Clock;
use crate::closer::Closer;
use crate::config::NodeConfig;
use crate::control::{Control, ControlEvent, ShardTimes};
use crate::door::{Doors, ShardDoor};
use crate::failure::Failure;
use crate::followers::Followers;
use crate::gauge::Gauge;
use crate::keeper::{Keeper, KeeperDoor};
use crate::looker::{EventGauge, Looker, Shelf};
use crate::maps::Maps;
use crate::parallel;
use crate::projector::Views;
use crate::recent::RecentBatches;
use crate::recovery::{self, Folded, Source, StartError};
use crate::retention::{Retention, SpaceWatch};
use crate::shard::{Inbox, Shard, ShardEvent};
use crate::sinks::Sinks;
use crate::trail::{Sources, Trails};

/// Commands that may be on their way at one time; each may hold an area and its cells.
const COMMANDS_MAX: usize = 32;
/// A checkpoint leaves this much more of the file system free than the log has to.
const CHECKPOINT_MARGIN_BYTES: u64 = 64 << 20;

/// A node, running. The edge's backend.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) entrance: Entrance,
    pub(crate) doors: Doors,
    pub(crate) control: Sender<ControlEvent>,
    pub(crate) maps: Arc<Maps>,
    pub(crate) views: Arc<Views>,
    pub(crate) recent: Arc<RecentBatches>,
    pub(crate) followers: Arc<Followers>,
    pub(crate) trails: Arc<Trails>,
    pub(crate) sinks: Sinks,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) event_gauge: Arc<EventGauge>,
    /// The events that stand on disk, by shard.
    pub(crate) runs: Vec<PublishedRuns>,
    pub(crate) checkpoint_gauge: Arc<CheckpointGauge>,
    pub(crate) storage_full: Arc<AtomicBool>,
    /// Room for commands that are on their way.
    pub(crate) commands: Arc<Semaphore>,
    failure: Failure,
    deciders: Mutex<Vec<JoinHandle<()>>>,
    watchers: Mutex<Vec<JoinHandle<()>>>,
    stop_watchers: Mutex<Vec<Sender<()>>>,
}

impl Node {
    /// Takes over every stream of `log`, folds what the newest good checkpoint lacks of it, or
    /// all of it, and starts deciding.
    ///
    /// Returns when every projection shows all that the log holds, so that nobody is ever
    /// shown less than before a restart (I6).
    pub fn start(
        config: NodeConfig,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        recovery::check_shards(log.as_ref(), config.shards)?;
        let mut checkpoints = open_checkpoints(&config)?;
        let mut keys = open_event_keys(&config)?;
        let failure = Failure::new();
        let gauge = Arc::new(Gauge::new());
        let maps = Arc::new(Maps::new(config.fairness_key.clone()));
        let storage_full = Arc::new(AtomicBool::new(false));

        let (entrance, ports) = huntcore_lane::exchange(config.shards, EntranceLimits::default());
        let mut inboxes = Vec::new();
        let mut doors = Vec::new();
        let mut asks = Vec::new();
        let mut writers = Vec::new();
        let mut terms = Vec::new();
        for port in ports {
            let shard = port.shard();
            let (sender, events) = crossbeam_channel::unbounded();
            let (look_ups, asked) = crossbeam_channel::unbounded();
            let door = ShardDoor::new(sender, look_ups, port.bell());
            asks.push(asked);
            let owned = recovery::acquire(log.as_ref(), shard, door.completions())?;
            terms.push((shard, owned.term));
            writers.push(owned.writer);
            doors.push(door);
            inboxes.push(Inbox { port, events });
        }
        let (control, control_events) = crossbeam_channel::unbounded();
        let completions = {
            let control = control.clone();
            // Gone only when the control thread has ended.
            move |completion| drop(control.send(ControlEvent::Completed(completion)))
        };
        let owned = recovery::acquire(log.as_ref(), ShardId::CONTROL, Box::new(completions))?;
        terms.push((ShardId::CONTROL, owned.term));
        let control_writer = owned.writer;

        // Whatever this machine's clock says, time has come this far.
        let times = terms.iter().map(|(_, term)| term.tail.time);
        clock.advance_to(times.max().unwrap_or_default());
        let ends = terms
            .iter()
            .map(|(shard, term)| (*shard, term.tail.sequence));
        let (recent, bell) = RecentBatches::new(ends, log.clone());
        let recent = Arc::new(recent);
        let Folded {
            mut arbiters,
            controller,
            projector,
            snapshots,
            views,
            base,
        } = Source {
            log: log.as_ref(),
            config: &config,
            terms: &terms,
            recent: &recent,
            clock: &clock,
            keys: &keys,
        }
        .fold(checkpoints.as_mut())?;
        for arbiter in &mut arbiters {
            recovery::provide_values(arbiter, &maps)?;
        }
        recovery::check_key(&controller, &maps)?;
        let times = arbiters.iter().map(|arbiter| arbiter.tail().time);
        let times = Arc::new(ShardTimes::new(times));
        let copied: Vec<Sequence> = arbiters
            .iter()
            .map(|arbiter| arbiter.catalog().next())
            .collect();
        let oldest_copied = copied.iter().copied().min().unwrap_or_default();
        let missed = recovery::missed_copies(log.as_ref(), &controller, &maps, oldest_copied)?;
        let missed_end = missed.last().map(|copy| copy.at.advanced(1));
        let last_concerning = copied.iter().copied().chain(missed_end).max();
        for copy in missed {
            for door in &doors {
                door.tell(ShardEvent::Control(copy.clone()));
            }
        }
        let views = Arc::new(views);

        let event_gauge = Arc::new(EventGauge::default());
        let runs: Vec<PublishedRuns> = keys
            .iter_mut()
            .map(|keys| keys.get_mut().published())
            .collect();
        let mut deciders = Vec::new();
        for (index, asks) in asks.into_iter().enumerate() {
            let shelf = config.event_keys.as_ref().zip(runs.get(index));
            let looker = Looker {
                shard: inboxes[index].port.shard(),
                asks,
                door: doors[index].clone(),
                shelf: shelf.map(|(home, runs)| Shelf {
                    disk: home.disk.clone(),
                    runs: runs.clone(),
                }),
                gauge: event_gauge.clone(),
                failure: failure.clone(),
            };
            let name = format!("looker-{}", looker.shard);
            deciders.push(spawn(name, &failure, move || looker.run())?);
        }
        let (handing_in, handed_in) = crossbeam_channel::unbounded();
        let keeper = config.event_keys.as_ref().map(|_| KeeperDoor(handing_in));
        for ((arbiter, writer), inbox) in arbiters.into_iter().zip(writers).zip(inboxes) {
            let name = huntcore_log::stream_name(arbiter.shard()).into_owned();
            let shard = Shard {
                door: doors[usize::from(arbiter.shard().get())].clone(),
                arbiter,
                writer,
                inbox,
                keeper: keeper.clone(),
                control: control.clone(),
                recent: recent.clone(),
                times: times.clone(),
                clock: clock.clone(),
                gauge: gauge.clone(),
                storage_full: storage_full.clone(),
                failure: failure.clone(),
            };
            deciders.push(spawn(name, &failure, move || shard.run())?);
        }
        let shard_times = times.clone();
        let controlling = Control {
            controller,
            writer: control_writer,
            events: control_events,
            shards: doors.clone(),
            copied,
            last_concerning: last_concerning.unwrap_or_default(),
            times,
            maps: maps.clone(),
            recent: recent.clone(),
            clock: clock.clone(),
            failure: failure.clone(),
        };
        deciders.push(spawn("control".to_owned(), &failure, move || {
            controlling.run();
        })?);

        let (stop_projector, projector_stopped) = crossbeam_channel::bounded(1);
        let (stop_space, space_stopped) = crossbeam_channel::bounded(1);
        let (stop_closer, closer_stopped) = crossbeam_channel::bounded(1);
        let mut watchers = Vec::new();
        let projecting = {
            let (views, failure) = (views.clone(), failure.clone());
            move || projector.run(&views, &bell, &projector_stopped, &failure)
        };
        watchers.push(spawn("projector".to_owned(), &failure, projecting)?);
        let space = SpaceWatch {
            log: log.clone(),
            full: storage_full.clone(),
            free_bytes_min: config.free_bytes_min,
            log_bytes_max: config.log_bytes_max,
        };
        let watching_space = move || space.run(&space_stopped);
        watchers.push(spawn("space".to_owned(), &failure, watching_space)?);
        let doors = Doors::new(config.shards, doors);
        let closer = Closer {
            views: views.clone(),
            doors: doors.clone(),
            stop: closer_stopped,
        };
        watchers.push(spawn("closer".to_owned(), &failure, || closer.run())?);
        let mut stop_watchers = vec![stop_projector, stop_space, stop_closer];
        if let Some(home) = &config.event_keys {
            let (stop, stopped) = crossbeam_channel::bounded(1);
            stop_watchers.push(stop);
            let keeper = Keeper {
                disk: home.disk.clone(),
                keys: keys.into_iter().map(Mutex::into_inner).collect(),
                doors: doors.shards().to_vec(),
                handed_in,
                stop: stopped,
                times: shard_times,
                gauge: event_gauge.clone(),
                failure: failure.clone(),
            };
            let keeping = move || keeper.run();
            watchers.push(spawn("event-keys".to_owned(), &failure, keeping)?);
        }
        let trails = Trails::new(Sources {
            shards: config.shards,
            log: log.clone(),
            recent: recent.clone(),
            views: views.clone(),
            snapshots: snapshots.clone(),
        });
        let followers = Followers::new(recent.clone(), clock.clone(), snapshots.clone());
        let sinks = Sinks::start(&config, &recent, &views, &snapshots)?;
        let checkpoint_gauge = Arc::new(CheckpointGauge::default());
        if let Some(checkpoints) = checkpoints {
            let (stop, stopped) = crossbeam_channel::bounded(1);
            stop_watchers.push(stop);
            let checkpointer = Checkpointer {
                checkpoints,
                base,
                retention: Retention::new(
                    log.clone(),
                    config.retention,
                    checkpoint_gauge.clone(),
                    sinks.holds(&config),
                ),
                shards: config
                    .shards
                    .shards()
                    .zip(doors.shards().iter().cloned())
                    .collect(),
                control: control.clone(),
                projector: snapshots,
                recent: recent.clone(),
                clock: clock.clone(),
                gauge: checkpoint_gauge.clone(),
                every: config.checkpoint_every,
                log_bytes: config.checkpoint_log_bytes,
                stop: stopped,
            };
            let taking = move || checkpointer.run();
            watchers.push(spawn("checkpoints".to_owned(), &failure, taking)?);
        }

        Ok(Arc::new(Self {
            entrance,
            doors,
            config,
            clock,
            log,
            control,
            maps,
            views,
            recent,
            followers: Arc::new(followers),
            trails: Arc::new(trails),
            sinks,
            gauge,
            event_gauge,
            runs,
            checkpoint_gauge,
            storage_full,
            commands: Arc::new(Semaphore::new(COMMANDS_MAX)),
            failure,
            deciders: Mutex::new(deciders),
            watchers: Mutex::new(watchers),
            stop_watchers: Mutex::new(stop_watchers),
        }))
    }

    /// Tells when the node cannot go on, and why. The program should exit with the message.
    #[must_use]
    pub fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.watch()
    }

    /// Whether the node cannot go on.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failure.has_failed()
    }

    /// Decides what was accepted, makes it durable, answers it, and ends all threads.
    ///
    /// To be called when no edge sends anything any more; what comes later is answered
    /// `outcome-unknown`. Stopping again does nothing.
    pub fn stop(&self) {
        drop(self.control.send(ControlEvent::Stop));
        for door in self.doors.shards() {
            door.stop();
        }
        join(&self.deciders);
        self.trails.stop();
        // They may ask the projections, which end after them.
        self.sinks.stop();
        for stop in self.stop_watchers.lock().drain(..) {
            // Gone if its thread has ended already.
            let _ = stop.send(());
        }
        self.recent.ring();
        join(&self.watchers);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Node")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Starts a named thread whose panic ends the node.
fn spawn(
    name: String,
    failure: &Failure,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let failure = failure.clone();
    let thread_name = name.clone();
    let guarded = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err() {
            failure.report(&format!(
                "thread {name} panicked: this is a bug; restart to recover"
            ));
        }
    };
    std::thread::Builder::new()
        .name(thread_name)
        .spawn(guarded)
        .map_err(|error| StartError::System {
            what: "thread",
            reason: error.to_string(),
        })
}

fn join(threads: &Mutex<Vec<JoinHandle<()>>>) {
    let threads = std::mem::take(&mut *threads.lock());
    for thread in threads {
        // A panic has been reported by the thread itself.
        drop(thread.join());
    }
}

/// The runs of every shard, if there is a place for them; they leave as much space alone as
/// checkpoints do.
fn open_event_keys(config: &NodeConfig) -> Result<Vec<Mutex<EventKeys>>, StartError> {
    let Some(home) = &config.event_keys else {
        return Ok(Vec::new());
    };
    let options = KeysOptions {
        free_bytes_min: config
            .free_bytes_min
            .saturating_add(CHECKPOINT_MARGIN_BYTES),
        ..KeysOptions::new(config.limits.event_horizon_ms)
    };
    let shards: Vec<ShardId> = config.shards.shards().collect();
    let opened = parallel::map(&shards, |&shard| {
        let opened = EventKeys::open(home.disk.clone(), &home.directory, shard, options);
        Mutex::new(Some(opened))
    });
    opened
        .into_iter()
        .filter_map(Mutex::into_inner)
        .map(|opened| Ok(Mutex::new(opened?)))
        .collect()
}

/// Checkpoints leave the space alone that the log is to have, and some more, so that they do
/// not bring it down to where new work is refused.
fn open_checkpoints(config: &NodeConfig) -> Result<Option<Checkpoints>, StartError> {
    let Some(home) = &config.checkpoints else {
        return Ok(None);
    };
    let options = CheckpointOptions {
        free_bytes_min: config
            .free_bytes_min
            .saturating_add(CHECKPOINT_MARGIN_BYTES),
        ..CheckpointOptions::default()
    };
    let checkpoints = Checkpoints::open(home.disk.clone(), &home.directory, options)?;
    Ok(Some(checkpoints))
}
