//! The checkpoints of one shard: snapshots, and increments that later ones build on.

use huntcore_engine::{Arbiter, ArbiterSnapshot, ClosedOrdinal, EngineLimits};

#[derive(Default)]
pub(crate) struct Checkpoints {
    taken: Vec<Checkpoint>,
}

struct Checkpoint {
    /// How many batches had been made by then.
    batches: usize,
    /// Not let go of, so that the arbiter goes on beside it.
    snapshot: ArbiterSnapshot,
    base: Vec<u8>,
    answers: Vec<u8>,
}

impl Checkpoints {
    pub(crate) fn take(&mut self, arbiter: &mut Arbiter, batches: usize) {
        let since = self.taken.last();
        let since = since.map_or(ClosedOrdinal::ZERO, |last| last.snapshot.closed().end);
        let snapshot = arbiter.snapshot(since);
        assert_eq!(snapshot.tail(), arbiter.tail());
        assert_eq!(snapshot.closed(), since..arbiter.closed_next());
        let (base, answers) = written(&snapshot);
        self.taken.push(Checkpoint {
            batches,
            snapshot,
            base,
            answers,
        });
    }

    /// Throws away those whose state is not stored.
    pub(crate) fn keep_stored(&mut self, stored: usize) {
        self.taken.retain(|checkpoint| checkpoint.batches <= stored);
    }

    /// Throws away those after the `back`-th newest; all if there are not so many.
    pub(crate) fn go_back_to(&mut self, back: usize) {
        self.taken.truncate(self.taken.len().saturating_sub(back));
    }

    /// The arbiter of the `back`-th newest, and how many batches it has seen.
    pub(crate) fn restore(
        &self,
        back: usize,
        limits: EngineLimits,
        secret: [u8; 32],
    ) -> Option<(Arbiter, usize)> {
        let last = self.taken.len().checked_sub(back + 1)?;
        let chosen = &self.taken[last];
        for checkpoint in &self.taken {
            let again = written(&checkpoint.snapshot);
            let first = (&checkpoint.base, &checkpoint.answers);
            assert_eq!((&again.0, &again.1), first, "a snapshot has changed since");
        }
        let kept_from = chosen.snapshot.closed_kept_from();
        let needed = self.taken[..=last].iter().filter(|checkpoint| {
            let empty = checkpoint.snapshot.has_no_answers();
            checkpoint.snapshot.closed().end > kept_from && !empty
        });
        let answers = needed.map(|checkpoint| checkpoint.answers.as_slice());
        let restored = Arbiter::restore(limits, secret, chosen.base.as_slice(), answers);
        let mut restored = restored.expect("own bytes");
        assert_eq!(restored.tail(), chosen.snapshot.tail());
        let (base, _) = state(&mut restored);
        assert_eq!(base, chosen.base, "a restored arbiter is another one");
        Some((restored, chosen.batches))
    }
}

/// All of an arbiter's state.
pub(crate) fn state(arbiter: &mut Arbiter) -> (Vec<u8>, Vec<u8>) {
    written(&arbiter.snapshot(ClosedOrdinal::ZERO))
}

fn written(snapshot: &ArbiterSnapshot) -> (Vec<u8>, Vec<u8>) {
    let (mut base, mut answers) = (Vec::new(), Vec::new());
    snapshot.write(&mut base).expect("memory");
    snapshot.write_answers(&mut answers).expect("memory");
    (base, answers)
}
