//! A shard's thread: one explicit loop over everything that can happen to a shard.
//!
//! Gathers what has come in, lets the arbiter decide, hands the batch to the log, and
//! goes on deciding while the log syncs. Answers go out when what they need is durable
//! (I2). One attempt alone is committed at once; under load batches grow, because what
//! comes in while the log is busy is decided together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use huntcore_engine::{Arbiter, AttemptRef, EventRef, EventVerdict};
use huntcore_log::{CommitResult, Completion, LogWriter};
use huntcore_model::{
    Attempt, Batch, ControlRecord, HuntNumber, Outcome, RoundNumber, ScoreEvent, Sequence, ShardId,
};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::control::{ControlEvent, ShardTimes};
use crate::door::{AttemptsPart, EventsPart, PART_MAX};
use crate::failure::Failure;
use crate::gauge::Gauge;
use crate::recent::RecentBatches;

/// Batches submitted and not yet durable. More would only wait in the log's queue.
const IN_FLIGHT_MAX: usize = 3;
/// A decision takes no further part once its batch has this many bytes.
const BATCH_BYTES_AIM: usize = 1 << 20;
/// The longest a shard sleeps.
const IDLE: Duration = Duration::from_secs(1);

/// Everything that can happen to a shard.
pub(crate) enum ShardEvent {
    /// Players ask for tiles.
    Attempts(AttemptsPart),
    /// Game servers report scores.
    ScoreEvents(EventsPart),
    /// The control stream has a committed entry.
    Control(ControlCopy),
    /// The log is done with a batch.
    Completed(Completion),
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

/// What a shard's thread is given.
pub(crate) struct Shard {
    pub(crate) arbiter: Arbiter,
    pub(crate) writer: Box<dyn LogWriter>,
    pub(crate) events: Receiver<ShardEvent>,
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
            events,
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
            control,
            copied,
            copies_in_flight: VecDeque::new(),
            recent,
            times,
            gauge,
            durable,
            backlog: VecDeque::new(),
            copies: VecDeque::new(),
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            stopping: false,
        };
        while !(state.stopping && state.is_idle()) {
            let timeout = state.time_to_next(clock.as_ref());
            match events.recv_timeout(timeout) {
                Ok(first) => {
                    let rest = events.try_iter().take(PART_MAX);
                    if let Err(reason) = std::iter::once(first)
                        .chain(rest)
                        .try_for_each(|event| state.take(event))
                    {
                        failure.report(&reason);
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => state.stopping = true,
            }
            state
                .arbiter
                .set_storage_full(storage_full.load(Ordering::Relaxed));
            if let Err(reason) = state.decide(clock.as_ref()) {
                failure.report(&reason);
                return;
            }
        }
    }
}

/// The loop's state. Dropping it leaves every waiting part unanswered.
struct Running {
    arbiter: Arbiter,
    writer: Box<dyn LogWriter>,
    control: Sender<ControlEvent>,
    copied: Sequence,
    // Up to where copies are durable once the stream is.
    copies_in_flight: VecDeque<(Sequence, Sequence)>,
    recent: Arc<RecentBatches>,
    times: Arc<ShardTimes>,
    gauge: Arc<Gauge>,
    durable: Sequence,
    backlog: VecDeque<Work>,
    copies: VecDeque<ControlCopy>,
    in_flight: VecDeque<Batch>,
    // In the order of decision.
    waiting: VecDeque<Waiting>,
    stopping: bool,
}

enum Work {
    Attempts(AttemptsPart),
    Events(EventsPart),
}

/// Answers and what they wait for.
struct Waiting {
    needs: Sequence,
    answers: Answers,
}

enum Answers {
    Attempts {
        part: Settled<Attempt, Outcome>,
    },
    Events {
        part: Settled<ScoreEvent, EventVerdict>,
    },
}

struct Settled<T, A> {
    part: crate::door::Part<T, A>,
    answers: Vec<A>,
}

impl Running {
    fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.in_flight.is_empty() && self.waiting.is_empty()
    }

    fn time_to_next(&self, clock: &dyn Clock) -> Duration {
        let may_decide = self.in_flight.len() < IN_FLIGHT_MAX;
        let may_copy = !self.copies.is_empty() && !self.stopping;
        if may_decide && (may_copy || !self.backlog.is_empty()) {
            return Duration::ZERO;
        }
        match self.arbiter.next_time_record() {
            Some(due) if may_decide && !self.stopping => {
                Duration::from_micros(due.micros_since(clock.now())).min(IDLE)
            }
            _ => IDLE,
        }
    }

    fn take(&mut self, event: ShardEvent) -> Result<(), String> {
        match event {
            ShardEvent::Attempts(part) => self.backlog.push_back(Work::Attempts(part)),
            ShardEvent::ScoreEvents(part) => self.backlog.push_back(Work::Events(part)),
            ShardEvent::Control(copy) => self.copies.push_back(copy),
            ShardEvent::Completed(completion) => self.complete(&completion.result)?,
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
        self.recent.push(batch);
        self.times.set(self.arbiter.shard(), tail.time);
        self.report_copies(tail.sequence);
        self.release();
        Ok(())
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
        while self.in_flight.len() < IN_FLIGHT_MAX && !(self.stopping && self.backlog.is_empty()) {
            self.arbiter.begin(clock.now());
            while let Some(copy) = self.copies.pop_front() {
                self.copy(&copy)?;
                if self.arbiter.batch_bytes() > BATCH_BYTES_AIM {
                    break;
                }
            }
            while self.arbiter.batch_bytes() <= BATCH_BYTES_AIM
                && let Some(work) = self.backlog.pop_front()
            {
                let settled = self.settle(work);
                self.waiting.push_back(settled);
            }
            let before = self.arbiter.tail();
            let copied_before = self.copied;
            self.copied = self.arbiter.catalog().next();
            let Some(batch) = self.arbiter.finish() else {
                break;
            };
            if let Err(refusal) = self.writer.submit(before, &batch) {
                return Err(format!("log takes no more batches: {refusal}"));
            }
            if self.copied > copied_before {
                self.copies_in_flight
                    .push_back((batch.tail().sequence, self.copied));
            }
            self.in_flight.push_back(batch);
            if self.backlog.is_empty() && self.copies.is_empty() {
                break;
            }
        }
        self.release();
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

    fn settle(&mut self, work: Work) -> Waiting {
        let mut needs = Sequence::ZERO;
        let answers = match work {
            Work::Attempts(part) => {
                let decided = part.items.iter().map(|attempt| {
                    let decided = self.arbiter.attempt(&AttemptRef {
                        hunt: attempt.hunt,
                        round: attempt.round,
                        tile: attempt.tile,
                        player: attempt.player.as_str(),
                    });
                    needs = needs.max(decided.needs);
                    decided.answer
                });
                let answers = decided.collect();
                Answers::Attempts {
                    part: Settled { part, answers },
                }
            }
            Work::Events(part) => {
                let decided = part.items.iter().map(|event| {
                    let decided = self.arbiter.score_event(&EventRef {
                        hunt: event.hunt,
                        player: event.player.as_str(),
                        event_id: event.event_id.as_str(),
                        event_type: event.event_type.as_str(),
                        score: event.score,
                        sent_at: event.sent_at,
                        payload: &event.payload,
                        digest: event.digest(),
                    });
                    needs = needs.max(decided.needs);
                    decided.answer
                });
                let answers = decided.collect();
                Answers::Events {
                    part: Settled { part, answers },
                }
            }
        };
        Waiting { needs, answers }
    }

    /// Tells what may be told. Parts wait in the order of decision: one that needs less
    /// than the part before it waits no longer than that part's batch.
    fn release(&mut self) {
        while let Some(first) = self.waiting.front()
            && first.needs <= self.durable
            && let Some(ready) = self.waiting.pop_front()
        {
            match ready.answers {
                Answers::Attempts {
                    part: Settled { part, answers },
                } => {
                    self.gauge
                        .record_latency(part.arrived.elapsed(), answers.len() as u64);
                    answer(part.reply, answers);
                }
                Answers::Events {
                    part: Settled { part, answers },
                } => {
                    let accepted = answers
                        .iter()
                        .filter(|verdict| matches!(verdict, EventVerdict::Accepted(_)))
                        .count();
                    self.gauge.count_events(accepted as u64);
                    answer(part.reply, answers);
                }
            }
        }
    }
}

fn answer<A>(reply: oneshot::Sender<Vec<A>>, answers: Vec<A>) {
    // Whoever asked may have gone; the decision stands.
    drop(reply.send(answers));
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
