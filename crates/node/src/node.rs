//! A running node: its threads, and how they start and stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use huntcore_lane::{Entrance, EntranceLimits};
use huntcore_log::Log;
use huntcore_model::{Sequence, ShardId};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::control::{Control, ControlEvent, ShardTimes};
use crate::door::{Doors, ShardDoor};
use crate::failure::Failure;
use crate::gauge::Gauge;
use crate::maps::Maps;
use crate::projector::{Projector, Views};
use crate::recent::RecentBatches;
use crate::recovery::{self, RecoveredShard, StartError};
use crate::shard::{Inbox, Shard, ShardEvent};

/// Commands that may be on their way at one time; each may hold an area and its cells.
const COMMANDS_MAX: usize = 32;
/// How often the space left for the log is looked at.
const SPACE_LOOK_EVERY: Duration = Duration::from_millis(500);

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
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) storage_full: Arc<AtomicBool>,
    /// Room for commands that are on their way.
    pub(crate) commands: Arc<Semaphore>,
    failure: Failure,
    deciders: Mutex<Vec<JoinHandle<()>>>,
    watchers: Mutex<Vec<JoinHandle<()>>>,
    stop_watchers: Mutex<Vec<Sender<()>>>,
}

impl Node {
    /// Takes over every stream of `log`, folds it, and starts deciding.
    ///
    /// Returns when every projection shows all that the log holds, so that nobody is ever
    /// shown less than before a restart (I6). May take long for a long log.
    pub fn start(
        config: NodeConfig,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StartError> {
        recovery::check_shards(log.as_ref(), config.shards)?;
        let failure = Failure::new();
        let gauge = Arc::new(Gauge::new());
        let maps = Arc::new(Maps::new(config.fairness_key.clone()));
        let storage_full = Arc::new(AtomicBool::new(false));

        let (entrance, ports) = huntcore_lane::exchange(config.shards, EntranceLimits::default());
        let mut recovered = Vec::new();
        for port in ports {
            let (sender, events) = crossbeam_channel::unbounded();
            let door = ShardDoor::new(sender, port.bell());
            let mut shard = recovery::recover_shard(
                log.as_ref(),
                port.shard(),
                config.limits,
                door.completions(),
            )?;
            recovery::provide_values(&mut shard.arbiter, &maps)?;
            recovered.push((shard, door, Inbox { port, events }));
        }
        let (control, control_events) = crossbeam_channel::unbounded();
        let completions = {
            let control = control.clone();
            // Gone only when the control thread has ended.
            move |completion| drop(control.send(ControlEvent::Completed(completion)))
        };
        let recovered_control = recovery::recover_control(log.as_ref(), Box::new(completions))?;

        let ends = recovered
            .iter()
            .map(|(shard, ..)| (shard.arbiter.shard(), shard.arbiter.tail().sequence));
        let control_end = (
            ShardId::CONTROL,
            recovered_control.controller.tail().sequence,
        );
        recovery::check_key(&recovered_control.controller, &maps)?;
        let (recent, bell) = RecentBatches::new(ends.chain([control_end]), log.clone());
        let recent = Arc::new(recent);
        let times = recovered
            .iter()
            .map(|(shard, ..)| shard.arbiter.tail().time);
        let times = Arc::new(ShardTimes::new(times));
        // Whatever this machine's clock says, time has come this far.
        let control_time = recovered_control.controller.tail().time;
        clock.advance_to(times.greatest().max(control_time));
        let copied: Vec<Sequence> = recovered
            .iter()
            .map(|(shard, ..)| shard.arbiter.catalog().next())
            .collect();
        let oldest_copied = copied.iter().copied().min().unwrap_or_default();
        let missed = recovery::missed_copies(
            log.as_ref(),
            &recovered_control.controller,
            &maps,
            oldest_copied,
        )?;
        let missed_end = missed.last().map(|copy| copy.at.advanced(1));
        let last_concerning = copied.iter().copied().chain(missed_end).max();
        let doors: Vec<ShardDoor> = recovered.iter().map(|(_, door, _)| door.clone()).collect();
        for copy in missed {
            for door in &doors {
                door.tell(ShardEvent::Control(copy.clone()));
            }
        }

        let (projector, views) =
            Projector::catch_up(&config, recent.clone(), clock.clone(), log.as_ref())?;
        let views = Arc::new(views);

        let mut deciders = Vec::new();
        for (recovered, _, inbox) in recovered {
            let RecoveredShard { arbiter, writer } = recovered;
            let name = huntcore_log::stream_name(arbiter.shard()).into_owned();
            let shard = Shard {
                arbiter,
                writer,
                inbox,
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
        let controlling = Control {
            controller: recovered_control.controller,
            writer: recovered_control.writer,
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
        let mut watchers = Vec::new();
        let projecting = {
            let (views, failure) = (views.clone(), failure.clone());
            move || projector.run(&views, &bell, &projector_stopped, &failure)
        };
        watchers.push(spawn("projector".to_owned(), &failure, projecting)?);
        let watching_space = {
            let (log, full, minimum) = (log.clone(), storage_full.clone(), config.free_bytes_min);
            move || watch_space(log.as_ref(), &full, minimum, &space_stopped)
        };
        watchers.push(spawn("space".to_owned(), &failure, watching_space)?);

        Ok(Arc::new(Self {
            entrance,
            doors: Doors::new(config.shards, doors),
            config,
            clock,
            log,
            control,
            maps,
            views,
            recent,
            gauge,
            storage_full,
            commands: Arc::new(Semaphore::new(COMMANDS_MAX)),
            failure,
            deciders: Mutex::new(deciders),
            watchers: Mutex::new(watchers),
            stop_watchers: Mutex::new(vec![stop_projector, stop_space]),
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
            door.tell(ShardEvent::Stop);
        }
        join(&self.deciders);
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

/// Refuses new work before the disk is full, and takes it again when there is space.
fn watch_space(log: &dyn Log, full: &AtomicBool, free_bytes_min: u64, stop: &Receiver<()>) {
    loop {
        match log.usage() {
            Ok(usage) => {
                let is_full = usage.free_bytes.is_some_and(|free| free < free_bytes_min);
                let was_full = full.swap(is_full, Ordering::Relaxed);
                if is_full && !was_full {
                    tracing::warn!(
                        free_bytes = usage.free_bytes,
                        free_bytes_min,
                        "little space left for the log: new claims and events are refused"
                    );
                } else if was_full && !is_full {
                    tracing::info!("space for the log again: new claims and events are taken");
                }
            }
            Err(error) => tracing::warn!("cannot tell the space left for the log: {error}"),
        }
        match stop.recv_timeout(SPACE_LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
