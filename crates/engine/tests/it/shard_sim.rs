//! One shard: its arbiter, the naive model beside it, its log and its owner's clock.

use std::collections::VecDeque;
use std::sync::Arc;

use huntcore_engine::{
    Arbiter, CloseVerdict, CorrectionRef, CorrectionVerdict, Decided, EngineLimits, EventVerdict,
    Looked, Term, WindowResults,
};
use huntcore_model::{
    AttemptList, Batch, ControlRecord, Epoch, Outcome, Sequence, ShardId, Tail, TimeMicros,
};

use crate::checkpoints::{Checkpoints, state};

use crate::naive::{Naive, RoundKey, Written, points};
use crate::naive_hunts::Micros;
use crate::world::{Ask, Asked, Told, event};

const SECRET: [u8; 32] = [0x5e; 32];
/// More tiles than any hunt of these tests has.
const TILES: u32 = 16;

pub(crate) struct ShardSim {
    shard: ShardId,
    limits: EngineLimits,
    pub(crate) arbiter: Arbiter,
    /// Folded from the log at some time; has since been told the same and must say the same.
    twin: Option<Arbiter>,
    pub(crate) naive: Naive,
    /// The naive model as the stored part of the log has it, and after each batch that follows.
    stored_naive: Naive,
    pending: VecDeque<(Batch, Naive)>,
    pub(crate) stored: Vec<Batch>,
    checkpoints: Checkpoints,
    waiting: Vec<Waiting>,
    copied: usize,
    epoch: Epoch,
    offset_ms: i64,
}

struct Waiting {
    needs: Sequence,
    now: Micros,
    what: What,
}

enum What {
    Outcome(Asked, Outcome),
    Verdict(Ask, EventVerdict),
    /// Something was written at this sequence.
    Written(Sequence),
}

impl ShardSim {
    pub(crate) fn new(shard: ShardId, limits: EngineLimits) -> Self {
        let naive = Naive::new(shard, limits);
        let mut sim = Self {
            shard,
            limits,
            arbiter: Arbiter::new(shard, limits, SECRET),
            twin: None,
            stored_naive: naive.clone(),
            naive,
            pending: VecDeque::new(),
            stored: Vec::new(),
            checkpoints: Checkpoints::default(),
            waiting: Vec::new(),
            copied: 0,
            epoch: Epoch::new(0),
            offset_ms: 0,
        };
        sim.begin_term();
        sim
    }

    /// The time that the stored log has got to.
    pub(crate) fn stored_time(&self) -> Micros {
        self.stored_naive.time
    }

    pub(crate) fn nobody_waits(&self) -> bool {
        self.waiting.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn set_clock(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms;
    }

    pub(crate) fn decide<'a>(
        &mut self,
        clock: Micros,
        asks: impl Iterator<Item = &'a Ask>,
        told: &mut Told,
    ) {
        self.begin(clock);
        let mut block = Vec::new();
        for ask in asks {
            match ask {
                Ask::Attempt(asked) => block.push(asked),
                other => {
                    self.decide_block(std::mem::take(&mut block));
                    self.ask(other);
                }
            }
        }
        self.decide_block(block);
        self.finish(told);
    }

    /// Copies up to `count` entries of the stored control stream.
    pub(crate) fn copy(
        &mut self,
        clock: Micros,
        entries: &[ControlRecord],
        count: usize,
        told: &mut Told,
    ) {
        self.begin(clock);
        let due = entries.iter().enumerate().skip(self.copied).take(count);
        for (at, entry) in due {
            self.copied = at + 1;
            self.naive.copy(at as u64, entry);
            let at = Sequence::new(at as u64);
            for arbiter in [Some(&mut self.arbiter), self.twin.as_mut()]
                .into_iter()
                .flatten()
            {
                arbiter.copy_control(at, entry).expect("a good entry");
            }
        }
        self.finish(told);
    }

    pub(crate) fn provide_values(&mut self, count: usize) {
        let lacking = self.arbiter.rounds_without_values();
        assert_eq!(lacking, self.naive.rounds_without_values());
        for &round in lacking.iter().take(count) {
            self.naive.provide_values(round);
            self.provide(round);
        }
    }

    fn provide(&mut self, (hunt, round): RoundKey) {
        let values: Arc<[u32]> = (0..TILES).map(|tile| points(hunt, round, tile)).collect();
        for arbiter in [Some(&mut self.arbiter), self.twin.as_mut()]
            .into_iter()
            .flatten()
        {
            arbiter.provide_values(hunt, round, values.clone());
        }
    }

    /// The log stores the next batches, and what waited for them is told.
    pub(crate) fn commit(&mut self, count: usize, told: &mut Told) {
        for _ in 0..count {
            let Some((batch, naive)) = self.pending.pop_front() else {
                break;
            };
            let batch = Batch::decode(batch.bytes().clone()).expect("what was written can be read");
            for item in batch.records() {
                let (at, record) = item.expect("a good record");
                told.stored(self.shard, at, &record);
            }
            self.arbiter.committed(batch.tail().sequence);
            if let Some(twin) = &mut self.twin {
                twin.committed(batch.tail().sequence);
            }
            self.stored.push(batch);
            self.stored_naive = naive;
            self.release(told);
        }
    }

    pub(crate) fn set_storage_full(&mut self, full: bool) {
        self.naive.storage_full = full;
        for arbiter in [Some(&mut self.arbiter), self.twin.as_mut()]
            .into_iter()
            .flatten()
        {
            arbiter.set_storage_full(full);
        }
    }

    /// Takes a checkpoint of all that is decided, stored or not.
    pub(crate) fn snapshot(&mut self) {
        let batches = self.stored.len() + self.pending.len();
        self.checkpoints.take(&mut self.arbiter, batches);
    }

    /// The owner dies with what the log has not stored; another one takes the `checkpoint`-th
    /// newest checkpoint, or none if there are fewer, and folds what the log has on top.
    pub(crate) fn crash(&mut self, offset_ms: i64, checkpoint: usize) {
        self.check_replay();
        self.pending.clear();
        self.waiting.clear();
        self.twin = None;
        self.arbiter = self.recovered(checkpoint);
        // Later checkpoints are of the owner who died.
        self.checkpoints.go_back_to(checkpoint);
        self.naive = self.stored_naive.clone().without_values();
        self.copied = usize::try_from(self.naive.hunts.next).expect("few entries");
        self.offset_ms = offset_ms;
        self.begin_term();
    }

    /// From here on an arbiter that was made from the log decides beside the one that made it.
    pub(crate) fn fork(&mut self, checkpoint: usize, told: &mut Told) {
        self.commit(usize::MAX, told);
        let mut twin = self.recovered(checkpoint);
        twin.set_storage_full(self.naive.storage_full);
        self.twin = Some(twin);
        self.begin_term();
        // The log does not hold values, so both get all of them anew.
        let lacking = self
            .twin
            .as_ref()
            .expect("just made")
            .rounds_without_values();
        for round in lacking {
            self.naive.provide_values(round);
            self.provide(round);
        }
    }

    /// An arbiter from a checkpoint and what is stored after it, or from all that is stored.
    fn recovered(&mut self, checkpoint: usize) -> Arbiter {
        self.checkpoints.keep_stored(self.stored.len());
        let mut folded = self.folded(self.stored.iter());
        let restored = self.checkpoints.restore(checkpoint, self.limits, SECRET);
        let Some((mut restored, batches)) = restored else {
            return folded;
        };
        for batch in &self.stored[batches..] {
            restored.apply(batch).expect("what follows the checkpoint");
        }
        assert_eq!(
            state(&mut restored),
            state(&mut folded),
            "I5: a restored arbiter differs from a replayed one"
        );
        assert_eq!(restored.next_time_record(), folded.next_time_record());
        assert_eq!(
            restored.rounds_without_values(),
            folded.rounds_without_values()
        );
        restored
    }

    /// A replay of all that was decided ends where the deciding arbiter is.
    pub(crate) fn check_replay(&mut self) {
        let all = self
            .stored
            .iter()
            .chain(self.pending.iter().map(|(batch, _)| batch));
        let mut again = self.folded(all);
        assert_eq!(again.tail(), self.arbiter.tail());
        assert_eq!(again.catalog(), self.arbiter.catalog());
        assert_eq!(again.next_time_record(), self.arbiter.next_time_record());
        assert_eq!(state(&mut again), state(&mut self.arbiter));
    }

    fn folded<'a>(&self, batches: impl Iterator<Item = &'a Batch>) -> Arbiter {
        let mut arbiter = Arbiter::new(self.shard, self.limits, SECRET);
        for batch in batches {
            arbiter
                .apply(batch)
                .expect("what an arbiter wrote can be folded");
        }
        arbiter
    }

    fn begin_term(&mut self) {
        self.epoch = self.epoch.next();
        let tail = self.stored.last().map_or_else(Tail::default, Batch::tail);
        let term = Term {
            epoch: self.epoch,
            tail,
        };
        for arbiter in [Some(&mut self.arbiter), self.twin.as_mut()]
            .into_iter()
            .flatten()
        {
            arbiter.begin_term(term);
        }
    }

    fn begin(&mut self, clock: Micros) {
        let now = clock.saturating_add_signed(self.offset_ms * 1_000);
        self.naive.begin(now);
        for arbiter in [Some(&mut self.arbiter), self.twin.as_mut()]
            .into_iter()
            .flatten()
        {
            arbiter.begin(TimeMicros::new(now));
        }
    }

    /// Lets the arbiters decide a block at once, and the naive model one after another.
    fn decide_block(&mut self, block: Vec<&Asked>) {
        let mut attempts = AttemptList::new();
        attempts.extend(block.iter().map(|asked| asked.as_ref()));
        let expected: Vec<_> = attempts
            .iter()
            .map(|one| self.naive.attempt(&one))
            .collect();
        let needs = expected.iter().map(|(_, needs)| *needs).max();
        let needs = needs.unwrap_or(Sequence::ZERO);
        let expected: Vec<_> = expected.into_iter().map(|(outcome, _)| outcome).collect();
        for arbiter in [Some(&mut self.arbiter), self.twin.as_mut()]
            .into_iter()
            .flatten()
        {
            // Outcomes are appended to whatever is there.
            let mut outcomes = vec![Outcome::OutcomeUnknown];
            assert_eq!(arbiter.decide(&attempts, &mut outcomes), needs);
            assert_eq!(
                outcomes[1..],
                expected,
                "an arbiter and the naive model differ"
            );
        }
        let now = self.naive.now;
        self.waiting.extend(
            block
                .into_iter()
                .zip(expected)
                .map(|(asked, outcome)| Waiting {
                    needs,
                    now,
                    what: What::Outcome(asked.clone(), outcome),
                }),
        );
    }

    fn ask(&mut self, ask: &Ask) {
        let now = self.naive.now;
        match ask {
            Ask::Attempt(asked) => self.decide_block(vec![asked]),
            Ask::Event {
                hunt,
                player,
                event_id,
                score,
            } => {
                let event = event(*hunt, player, event_id, *score);
                let expected = self.naive.score_event(&event);
                let decided = self.same(expected, |arbiter| {
                    let decided = arbiter.score_event(&event, &Looked::default());
                    decided.expect("nothing leaves memory here")
                });
                let what = What::Verdict(ask.clone(), decided.answer);
                let needs = decided.needs;
                self.waiting.push(Waiting { needs, now, what });
            }
            Ask::Correct(hunt, fix) => {
                let correction = CorrectionRef {
                    hunt: *hunt,
                    what: fix.as_ask(),
                    reason: "because",
                };
                let expected = self.naive.correct(&correction);
                let decided = self.same(expected, |arbiter| arbiter.correct(&correction));
                if let CorrectionVerdict::Corrected(at) = decided.answer {
                    self.wait_for(decided.needs, at);
                }
            }
            Ask::Close {
                hunt,
                board,
                end,
                entries,
            } => {
                let results = WindowResults {
                    hunt: *hunt,
                    board: *board,
                    start: end.minus_millis(1_000),
                    end: *end,
                    players: entries.len() as u64,
                    entries,
                };
                let expected = self.naive.close_board(&results);
                let decided = self.same(expected, |arbiter| arbiter.close_board(&results));
                if let CloseVerdict::Closed(at) = decided.answer {
                    self.wait_for(decided.needs, at);
                }
            }
        }
    }

    fn wait_for(&mut self, needs: Sequence, at: Sequence) {
        let (now, what) = (self.naive.now, What::Written(at));
        self.waiting.push(Waiting { needs, now, what });
    }

    /// Asks the arbiter and its twin; both must say what the naive model says.
    fn same<T: Copy + PartialEq + std::fmt::Debug>(
        &mut self,
        (answer, needs): (T, Sequence),
        mut ask: impl FnMut(&mut Arbiter) -> Decided<T>,
    ) -> Decided<T> {
        let expected = Decided { answer, needs };
        assert_eq!(
            ask(&mut self.arbiter),
            expected,
            "the arbiter and the naive model differ"
        );
        if let Some(twin) = &mut self.twin {
            assert_eq!(
                ask(twin),
                expected,
                "a replayed arbiter and the naive model differ"
            );
        }
        expected
    }

    fn finish(&mut self, told: &mut Told) {
        let before = self.arbiter.tail();
        let due = self.arbiter.next_time_record();
        assert_eq!(due.map(TimeMicros::get), self.naive.next_time_record());
        let batch = self.arbiter.finish();
        let written = self.naive.finish();
        assert_eq!(batch.as_ref().map(Written::of), written, "the log differs");
        if let Some(twin) = &mut self.twin {
            assert_eq!(
                twin.finish(),
                batch,
                "a replayed arbiter writes other bytes"
            );
        }
        if let Some(batch) = batch {
            let header = batch.header();
            assert!(batch.follows(&before) && header.time >= before.time);
            assert_eq!((header.shard, header.epoch), (self.shard, self.epoch));
            let stored = self
                .stored
                .last()
                .map_or(Sequence::ZERO, |last| last.tail().sequence);
            assert_eq!(
                header.durable, stored,
                "durable is what is known to be stored"
            );
            assert_eq!(batch.tail().time.get(), self.naive.time);
            self.pending.push_back((batch, self.naive.clone()));
        }
        self.release(told);
    }

    fn release(&mut self, told: &mut Told) {
        let durable = Sequence::new(self.stored_naive.sequence);
        let ready = self
            .waiting
            .extract_if(.., |waiting| waiting.needs <= durable);
        for Waiting { now, what, .. } in ready {
            match what {
                What::Outcome(asked, outcome) => {
                    let round = (asked.hunt, asked.round);
                    if outcome == Outcome::Expired {
                        let proven = self.stored_naive.proves_expired(round);
                        assert!(
                            proven,
                            "I2: {asked:?} was told expired, the log does not show it"
                        );
                    }
                    told.tell(&asked, outcome, !self.stored_naive.keeps_answers(round));
                }
                What::Written(at) => told.tell_result(self.shard, at),
                What::Verdict(ask, verdict) => {
                    let Ask::Event {
                        hunt,
                        player,
                        event_id,
                        score,
                    } = &ask
                    else {
                        continue;
                    };
                    let event = event(*hunt, player, event_id, *score);
                    told.tell_event(&event, verdict, now, &self.limits);
                }
            }
        }
    }
}
