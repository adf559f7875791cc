//! Random histories, held against a list of what was acknowledged.

use huntcore_model::{Batch, Sequence, ShardId};

use super::owner::read_all;
use super::{Fixture, Owner};
use crate::{CommitResult, Refusal};

/// One step of a history.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Submits a batch and does not wait for it.
    Submit {
        /// How many records it has, besides the filler.
        records: u8,
        /// Bytes to make it longer.
        filler: u16,
    },
    /// Holds everything back that is submitted, until a step that waits for the home.
    Hold,
    /// Waits for everything in flight.
    Wait,
    /// Another owner takes over.
    Acquire,
    /// Gives up a part of what is acknowledged.
    Trim {
        /// How much of it.
        permille: u16,
    },
    /// Reads everything.
    Read,
    /// Closes the home in good order and opens it again.
    Reopen,
    /// Lets the home crash and opens it again.
    Crash {
        /// What is lost, see [`Fixture::crash`].
        choice: u64,
    },
}

/// Plays a history: everything acknowledged is there at any time, in order; what is not
/// acknowledged appears only after a crash, only at the end, without a gap.
///
/// # Panics
/// If that does not hold.
pub fn run(fixture: &mut dyn Fixture, steps: &[Step]) {
    let shard = ShardId::new(2);
    let mut log = fixture.open();
    let mut owner = Owner::next(&*log, shard);
    let mut history = History::default();
    for step in steps {
        match *step {
            Step::Submit { records, filler } => {
                let batch = owner.batch(u32::from(records) + 1, usize::from(filler));
                match owner.submit(&batch) {
                    Ok(_) => history.in_flight.push(batch),
                    Err(Refusal::Busy { .. }) => {
                        fixture.hold(false);
                        history.wait(&mut owner);
                    }
                    Err(Refusal::Closed) => panic!("closed before its end"),
                }
            }
            Step::Hold => {
                fixture.hold(true);
            }
            Step::Wait => {
                fixture.hold(false);
                history.wait(&mut owner);
            }
            Step::Acquire => {
                fixture.hold(false);
                let newer = Owner::next(&*log, shard);
                history.drain_to(&mut owner, newer.tail.sequence);
                owner = newer;
            }
            Step::Trim { permille } => {
                fixture.hold(false);
                let end = history.end();
                let before = Sequence::new(end.get() * u64::from(permille) / 1_000);
                log.trim(shard, before).expect("trimmed");
                history.trimmed = history.trimmed.max(before);
            }
            Step::Read => history.check(&read_all(&*log, shard, history.trimmed), false),
            Step::Reopen => {
                fixture.hold(false);
                history.wait(&mut owner);
                drop(owner);
                fixture.close(log);
                log = fixture.open();
                history.check(&read_all(&*log, shard, history.trimmed), true);
                owner = Owner::next(&*log, shard);
            }
            Step::Crash { choice } => {
                fixture.crash(log, choice);
                while let Some(completion) = owner.try_wait() {
                    // What fails while it dies is in doubt and stays in flight.
                    if let CommitResult::Committed { .. } = completion.result {
                        history.acknowledge_next();
                    }
                }
                drop(owner);
                fixture.hold(false);
                log = fixture.open();
                let there = read_all(&*log, shard, history.trimmed);
                history.recover(&there);
                owner = Owner::next(&*log, shard);
            }
        }
        assert!(
            owner.tail.sequence >= history.end(),
            "the log ends at {}, {} was acknowledged",
            owner.tail.sequence,
            history.end()
        );
    }
    fixture.hold(false);
    history.wait(&mut owner);
    history.check(&read_all(&*log, shard, history.trimmed), true);
    drop(owner);
    fixture.close(log);
}

#[derive(Default)]
struct History {
    acknowledged: Vec<Batch>,
    in_flight: Vec<Batch>,
    trimmed: Sequence,
}

impl History {
    fn end(&self) -> Sequence {
        self.acknowledged
            .last()
            .map_or(Sequence::ZERO, |batch| batch.tail().sequence)
    }

    fn acknowledge_next(&mut self) {
        let batch = self.in_flight.remove(0);
        self.acknowledged.push(batch);
    }

    fn wait(&mut self, owner: &mut Owner) {
        while let Some(batch) = self.in_flight.first() {
            let tail = batch.tail();
            assert_eq!(owner.wait().result, CommitResult::Committed { tail });
            self.acknowledge_next();
        }
    }

    /// After another acquired: what is below `tail` was committed, the rest is fenced.
    fn drain_to(&mut self, owner: &mut Owner, tail: Sequence) {
        while let Some(batch) = self.in_flight.first() {
            let result = owner.wait().result;
            if batch.tail().sequence <= tail {
                assert_eq!(result, CommitResult::Committed { tail: batch.tail() });
                self.acknowledge_next();
            } else {
                assert!(matches!(result, CommitResult::Fenced { .. }), "{result:?}");
                self.in_flight.remove(0);
            }
        }
    }

    fn check(&self, there: &[Batch], at_rest: bool) {
        let kept = self
            .acknowledged
            .partition_point(|batch| batch.header().next_sequence() <= self.trimmed);
        let acknowledged = &self.acknowledged[kept..];
        let (old, new) = there.split_at(acknowledged.len().min(there.len()));
        assert!(
            old == acknowledged,
            "something acknowledged is missing or changed"
        );
        assert!(
            new.len() <= self.in_flight.len() && new == &self.in_flight[..new.len()],
            "something appeared that was not submitted there"
        );
        assert!(
            !at_rest || new.is_empty(),
            "something unacknowledged is there"
        );
    }

    /// After a crash: what is there now counts, the rest of what was in flight is gone.
    fn recover(&mut self, there: &[Batch]) {
        self.check(there, false);
        let end = there
            .last()
            .map_or(self.end(), |batch| batch.tail().sequence);
        while self
            .in_flight
            .first()
            .is_some_and(|batch| batch.tail().sequence <= end)
        {
            self.acknowledge_next();
        }
        self.in_flight.clear();
    }
}
