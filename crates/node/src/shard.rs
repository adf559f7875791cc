//! A shard's thread: one explicit loop over everything that can happen to a shard.
//!
//! Gathers what has come in, lets the arbiter decide, hands the batch to the log, and
//! goes on deciding while the log syncs. Answers go out when what they need is durable
//! (I2). One attempt alone is committed at once; under load batches grow, because what
//! comes in while the log is busy is decided together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use huntcore_engine::{Arbiter, ClosedOrdinal, Coverage, EventRef, EventVerdict};
use huntcore_lane::{Listen, PendingBlock, ShardPort};
use huntcore_log::{CommitResult, Completion, LogWriter};
use huntcore_model::{Batch, ControlRecord, HuntNumber, PlayerId, RoundNumber, Sequence, ShardId};
use tokio::sync::oneshot;

use crate::checkpointer::ShardSnapshot;
use crate::clock::Clock;
use crate::control::{ControlEvent, ShardTimes};
use crate::door::{Answered, EventsPart, ShardDoor};
use crate::failure::Failure;
use crate::gauge::Gauge;
use crate::keeper::KeeperDoor;
use crate::operations::{Decision, Operation};
use crate::recent::RecentBatches;
use crate::snapshots::Held;

/// Batches submitted and not yet durable. More would only wait in the log's queue.
const IN_FLIGHT_MAX: usize = 3;
/// A decision takes no further part once its batch has this many bytes,
const BATCH_BYTES_AIM: usize = 1 << 20;
/// or once it is about this many attempts, some tenths of a millisecond's work: outcomes that
/// have become durable meanwhile are told after it, and losers fill no batch.
const ATTEMPTS_AIM: usize = 4_096;
/// The longest a shard sleeps.
const IDLE: Duration = Duration::from_secs(1);

/// Notices taken in one turn, so that attempts get theirs.
const EVENTS_AT_ONCE: usize = 4_096;

/// Everything that can happen to a shard, besides attempts: those come by lanes.
pub(crate) enum ShardEvent {
    /// Game servers report scores.
    ScoreEvents(EventsPart),
    /// Something else is to be written.
    Operation(Operation),
    /// Somebody asks whether this shard has ever heard of a player.
    Knows {
        player: PlayerId,
        reply: oneshot::Sender<bool>,
    },
    /// The control stream has a committed entry.
    Control(ControlCopy),
    /// The log is done with a batch.
    Completed(Completion),
    /// A checkpoint is taken.
    Snapshot {
        closed_since: ClosedOrdinal,
        reply: Sender<ShardSnapshot>,
    },
    /// Buckets of events up to this one stand on disk, where look-ups that cover so much see
    /// them.
    EventsStand {
        last: ClosedOrdinal,
        covers: Coverage,
    },
    /// Finish what was accepted and end.
    Stop,
}

/// A committed entry of the control stream, with what the arbiter needs besides.
#[derive(Clone)]
pub(crate) struct ControlCopy {
    pub(crate) at: Sequence,
    pub(crate) record: Arc<ControlRecord>,
    /// For an announced round: what its tiles are worth.
    pub(crate) values: Option<RoundPoints>,
}

/// What a round's tiles are worth.
#[derive(Clone)]
pub(crate) struct RoundPoints {
    pub(crate) hunt: HuntNumber,
    pub(crate) round: RoundNumber,
    pub(crate) points: Arc<[u32]>,
}

/// Where everything comes in; the port's bell rings for both.
pub(crate) struct Inbox {
    pub(crate) port: ShardPort,
    pub(crate) events: Receiver<ShardEvent>,
}

/// What a shard's thread is given.
pub(crate) struct Shard {
    pub(crate) arbiter: Arbiter,
    pub(crate) writer: Box<dyn LogWriter>,
    pub(crate) inbox: Inbox,
    /// Back to where events are looked up.
    pub(crate) door: ShardDoor,
    /// Who writes down what is sealed; without anybody all of it stays in memory.
    pub(crate) keeper: Option<KeeperDoor>,
    pub(crate) control: Sender<ControlEvent>,
    pub(crate) recent: Arc<RecentBatches>,
    pub(crate) times: Arc<ShardTimes>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) storage_full: Arc<AtomicBool>,
    pub(crate) failure: Failure,
}

impl Shard {
    /// Runs until told to stop, or until the log refuses to go on.
    pub(crate) fn run(self) {
        let Self {
            arbiter,
            writer,
            inbox: Inbox { port, events },
            door,
            keeper,
            control,
            recent,
            times,
            clock,
            gauge,
            storage_full,
            failure,
        } = self;
        let durable = arbiter.tail().sequence;
        let copied = arbiter.catalog().next();
        let mut state = Running {
            arbiter,
            writer,
            port,
            door,
            keeper,
            handed_in: ClosedOrdinal::ZERO,
            control,
            copied,
            copies_in_flight: VecDeque::new(),
            recent,
            times,
            gauge,
            durable,
            backlog: VecDeque::new(),
            operations: VecDeque::new(),
            copies: VecDeque::new(),
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            snapshots: Held::new(),
            stopping: false,
        };
        while !(state.stopping && state.is_idle()) {
            state.wait(clock.as_ref(), &events);
            state
                .arbiter
                .set_storage_full(storage_full.load(Ordering::Relaxed));
            let done = state
                .take_all(&events)
                .and_then(|()| state.decide(clock.as_ref()));
            if let Err(reason) = done {
                failure.report(&reason);
                return;
            }
        }
    }
}

/// The loop's state. Dropped, it sends every waiting block back as `outcome-unknown`.
struct Running {
    arbiter: Arbiter,
    writer: Box<dyn LogWriter>,
    port: ShardPort,
    door: ShardDoor,
    keeper: Option<KeeperDoor>,
    // The first bucket of events that the keeper has not got.
    handed_in: ClosedOrdinal,
    control: Sender<ControlEvent>,
    copied: Sequence,
    // Up to where copies are durable once the stream is.
    copies_in_flight: VecDeque<(Sequence, Sequence)>,
    recent: Arc<RecentBatches>,
    times: Arc<ShardTimes>,
    gauge: Arc<Gauge>,
    durable: Sequence,
    backlog: VecDeque<EventsPart>,
    operations: VecDeque<Operation>,
    copies: VecDeque<ControlCopy>,
    in_flight: VecDeque<Batch>,
    // In the order of decision.
    waiting: VecDeque<Waiting>,
    snapshots: Held<ShardSnapshot>,
    stopping: bool,
}

/// Answers and what they wait for.
struct Waiting {
    needs: Sequence,
    answers: Answers,
}

enum Answers {
    Attempts(PendingBlock),
    Operation(Decision),
    Events(EventsPart, Vec<EventVerdict>),
}

impl Waiting {
    fn len(&self) -> usize {
        match &self.answers {
            Answers::Attempts(block) => block.attempts().len(),
            Answers::Operation(_) => 1,
            Answers::Events(part, _) => part.items.len(),
        }
    }
}

impl Running {
    fn is_idle(&self) -> bool {
        self.has_no_work() && self.in_flight.is_empty() && self.waiting.is_empty()
    }

    /// Sleeps until there is something to do.
    fn wait(&self, clock: &dyn Clock, events: &Receiver<ShardEvent>) {
        let may_decide = self.in_flight.len() < IN_FLIGHT_MAX;
        let has_backlog = !self.backlog.is_empty()
            || !self.operations.is_empty()
            || (!self.copies.is_empty() && !self.stopping);
        if may_decide && (has_backlog || !self.port.is_empty()) {
            return;
        }
        let timeout = match self.arbiter.next_time_record() {
            Some(due) if may_decide && !self.stopping => {
                Duration::from_micros(due.micros_since(clock.now())).min(IDLE)
            }
            _ => IDLE,
        };
        let listen = if may_decide {
            Listen::All
        } else {
            Listen::Urgent
        };
        let has_work = || !events.is_empty() || (may_decide && !self.port.is_empty());
        self.port.wait(timeout, listen, has_work);
    }

    fn take_all(&mut self, events: &Receiver<ShardEvent>) -> Result<(), String> {
        for _ in 0..EVENTS_AT_ONCE {
            match events.try_recv() {
                Ok(event) => self.take(event)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    break;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, event: ShardEvent) -> Result<(), String> {
        match event {
            ShardEvent::ScoreEvents(part) => self.backlog.push_back(part),
            ShardEvent::Operation(operation) => self.operations.push_back(operation),
            ShardEvent::Knows { player, reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.arbiter.knows_player(player.as_str()));
            }
            ShardEvent::Control(copy) => self.copies.push_back(copy),
            ShardEvent::Completed(completion) => self.complete(&completion.result)?,
            ShardEvent::Snapshot {
                closed_since,
                reply,
            } => {
                let snapshot = ShardSnapshot {
                    arbiter: self.arbiter.snapshot(closed_since),
                    copied: self.arbiter.catalog().next(),
                };
                let stands_at = snapshot.arbiter.tail().sequence;
                self.snapshots.hold(stands_at, snapshot, reply);
                self.snapshots.release(self.durable);
            }
            ShardEvent::EventsStand { last, covers } => {
                self.arbiter.drop_sealed_events(last, covers);
            }
            ShardEvent::Stop => self.stopping = true,
        }
        Ok(())
    }

    fn complete(&mut self, result: &CommitResult) -> Result<(), String> {
        let Some(tail) = result.durable() else {
            return Err(not_stored(self.arbiter.shard(), result));
        };
        let Some(batch) = self.in_flight.pop_front() else {
            return Err("the log completed a batch that was not submitted".to_owned());
        };
        debug_assert_eq!(batch.tail(), tail, "batches complete in order");
        self.durable = tail.sequence;
        self.arbiter.committed(self.durable);
        self.gauge.stored(batch.header().count);
        self.recent.push(batch);
        self.times.set(self.arbiter.shard(), tail.time);
        self.report_copies(tail.sequence);
        self.hand_in_events();
        self.snapshots.release(self.durable);
        self.release();
        Ok(())
    }

    /// Hands over buckets of events that the log holds all of.
    fn hand_in_events(&mut self) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        while let Some(sealed) = self.arbiter.sealed_events(self.handed_in).next()
            && sealed.span().end <= self.durable
        {
            self.handed_in = sealed.ordinal().next();
            keeper.hand_in(self.arbiter.shard(), sealed.clone());
        }
    }

    /// Tells the control thread which copies are durable.
    fn report_copies(&mut self, durable: Sequence) {
        while let Some(&(needs, next)) = self.copies_in_flight.front()
            && needs <= durable
        {
            self.copies_in_flight.pop_front();
            let shard = self.arbiter.shard();
            // Gone only when the node stops.
            drop(self.control.send(ControlEvent::Copied { shard, next }));
        }
    }

    /// Decides what has come in, in one batch, if the log has room for one more.
    ///
    /// A shard that stops says no more that time passes: with a log that takes longer to
    /// sync than the next time record takes to be due, it would never be done.
    fn decide(&mut self, clock: &dyn Clock) -> Result<(), String> {
        let has_room = self.in_flight.len() < IN_FLIGHT_MAX;
        if has_room && !(self.stopping && self.has_no_work()) {
            self.decide_batch(clock)?;
        }
        self.release();
        Ok(())
    }

    fn decide_batch(&mut self, clock: &dyn Clock) -> Result<(), String> {
        self.arbiter.begin(clock.now());
        while self.arbiter.batch_bytes() <= BATCH_BYTES_AIM
            && let Some(copy) = self.copies.pop_front()
        {
            self.copy(&copy)?;
        }
        while self.arbiter.batch_bytes() <= BATCH_BYTES_AIM
            && let Some(operation) = self.operations.pop_front()
        {
            let (needs, decision) = operation.decide(&mut self.arbiter);
            let answers = Answers::Operation(decision);
            self.waiting.push_back(Waiting { needs, answers });
        }
        let mut attempts = 0;
        while self.arbiter.batch_bytes() <= BATCH_BYTES_AIM && attempts < ATTEMPTS_AIM {
            match self.decide_some() {
                Some(decided) => attempts += decided,
                None => break,
            }
        }
        let before = self.arbiter.tail();
        let copied_before = self.copied;
        self.copied = self.arbiter.catalog().next();
        let Some(batch) = self.arbiter.finish() else {
            return Ok(());
        };
        if let Err(refusal) = self.writer.submit(before, &batch) {
            return Err(format!("log takes no more batches: {refusal}"));
        }
        self.gauge.submitted(batch.header().count);
        if self.copied > copied_before {
            self.copies_in_flight
                .push_back((batch.tail().sequence, self.copied));
        }
        self.in_flight.push_back(batch);
        Ok(())
    }

    fn copy(&mut self, copy: &ControlCopy) -> Result<(), String> {
        let shard = self.arbiter.shard();
        self.arbiter
            .copy_control(copy.at, &copy.record)
            .map_err(|error| format!("shard {shard} cannot follow the control stream: {error}"))?;
        if let Some(values) = &copy.values {
            self.arbiter
                .provide_values(values.hunt, values.round, values.points.clone());
        }
        Ok(())
    }

    fn has_no_work(&self) -> bool {
        self.backlog.is_empty() && self.operations.is_empty() && self.port.is_empty()
    }

    /// Decides the next block and the next part of score events, and says how many attempts
    /// and events that were; `None` if there was neither.
    fn decide_some(&mut self) -> Option<usize> {
        let block = self.port.pop().map(|mut block| {
            let (attempts, outcomes) = block.parts_mut();
            let needs = self.arbiter.decide(attempts, outcomes);
            Waiting {
                needs,
                answers: Answers::Attempts(block),
            }
        });
        let part = self.backlog.pop_front();
        let part = part.and_then(|part| self.take_events(part));
        let decided = block
            .iter()
            .chain(&part)
            .map(Waiting::len)
            .reduce(|a, b| a + b);
        self.waiting.extend(block.into_iter().chain(part));
        decided
    }

    /// Decides on events, unless some have left memory since these were looked up.
    fn take_events(&mut self, part: EventsPart) -> Option<Waiting> {
        if !self.arbiter.is_covered_by(part.found.covers) {
            self.door.look_up(part);
            return None;
        }
        let mut needs = Sequence::ZERO;
        let identified = part.found.identified.iter().zip(part.found.looked());
        let decided = part
            .items
            .iter()
            .zip(identified)
            .map(|(event, (is, looked))| {
                let event = EventRef {
                    hunt: event.hunt,
                    player: event.player.as_str(),
                    event_id: event.event_id.as_str(),
                    event_type: event.event_type.as_str(),
                    score: event.score,
                    sent_at: event.sent_at,
                    payload: &event.payload,
                    digest: is.digest,
                    key: is.key,
                    id_time: is.id_time,
                };
                let decided = self.arbiter.score_event(&event, &looked);
                let decided = decided.expect("nothing leaves memory within a decision");
                needs = needs.max(decided.needs);
                decided.answer
            });
        let verdicts = decided.collect();
        Some(Waiting {
            needs,
            answers: Answers::Events(part, verdicts),
        })
    }

    /// Tells what may be told. Parts wait in the order of decision: one that needs less
    /// than the part before it waits no longer than that part's batch.
    fn release(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(ready) = self
            .waiting
            .pop_front_if(|first| first.needs <= self.durable)
        {
            match ready.answers {
                Answers::Attempts(block) => {
                    let latency = now.duration_since(block.arrived());
                    self.gauge
                        .record_latency(latency, block.attempts().len() as u64);
                    block.answer();
                }
                Answers::Operation(decision) => decision.tell(),
                Answers::Events(part, verdicts) => {
                    let accepted = verdicts
                        .iter()
                        .filter(|verdict| matches!(verdict, EventVerdict::Accepted(_)))
                        .count();
                    self.gauge.count_events(accepted as u64);
                    // Whoever asked may have gone; the decision stands.
                    let items = part.items;
                    drop(part.reply.send(Answered { verdicts, items }));
                }
            }
        }
    }
}

/// Why a writer cannot go on, as an operator should read it.
pub(crate) fn not_stored(shard: ShardId, result: &CommitResult) -> String {
    let stream = huntcore_log::stream_name(shard);
    match result {
        CommitResult::Committed { .. } | CommitResult::AlreadyCommitted { .. } => {
            format!("{stream} was stored")
        }
        CommitResult::Fenced { epoch } => {
            format!("{stream} is owned by another process now, epoch {epoch}: this one stops")
        }
        CommitResult::Mismatch { tail } => {
            format!(
                "{stream} ends at {}, which is not where this owner left it",
                tail.sequence
            )
        }
        CommitResult::Unknown { reason } => format!(
            "{stream} may have lost its last writes: {reason}; nothing more is accepted, restart \
             to recover everything that was acknowledged"
        ),
        CommitResult::Full { reason } => format!(
            "{stream} has no space left: {reason}; free some and restart, nothing acknowledged is \
             lost"
        ),
    }
}
