//! Through bytes and back.

use huntcore_board::{BoardLimits, Boards, RestoreError};
use huntcore_model::ShardMap;
use proptest::prelude::*;

use crate::batches::{Bench, claim, score};
use crate::history::{any_choices, any_history};
use crate::streams::any_limits;

proptest! {
    #[test]
    fn restored_boards_are_equal_and_go_on_alike(
        history in any_history(),
        choices in any_choices(),
        limits in any_limits(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let batches = history.interleaved(&choices);
        let cut = cut.index(batches.len() + 1);
        let mut boards = Boards::new(history.shards, limits);
        for batch in &batches[..cut] {
            boards.apply(batch).expect("in order");
        }
        let checkpoint = boards.checkpoint();
        let mut restored = Boards::restore(history.shards, limits, &checkpoint).expect("own");
        prop_assert_eq!(restored.position(), boards.position());
        prop_assert_eq!(restored.publish(), boards.publish());
        prop_assert_eq!(restored.checkpoint(), checkpoint);
        for batch in &batches[cut..] {
            boards.apply(batch).expect("in order");
            restored.apply(batch).expect("in order");
            prop_assert_eq!(restored.publish(), boards.publish());
        }
        prop_assert_eq!(restored.checkpoint(), boards.checkpoint());
    }

    #[test]
    fn impossible_content_is_refused_or_harmless(
        history in any_history(),
        choices in any_choices(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let batches = history.interleaved(&choices);
        let half = batches.len() / 2;
        let limits = BoardLimits { windows_max: 2, window_entries_max: 3, ..BoardLimits::default() };
        let mut boards = Boards::new(history.shards, limits);
        for batch in &batches[..half] {
            boards.apply(batch).expect("in order");
        }
        let mut checkpoint = boards.checkpoint();
        let fields = checkpoint.len() - 32;
        for (at, value) in changes {
            checkpoint[6 + at.index(fields - 6)] = value;
        }
        let hash = blake3::hash(&checkpoint[..fields]);
        checkpoint[fields..].copy_from_slice(hash.as_bytes());
        if let Ok(mut restored) = Boards::restore(history.shards, limits, &checkpoint) {
            for batch in &batches[half..] {
                // Refused or not: the checkpoint may tell of another place in the streams.
                let _: Result<(), _> = restored.apply(batch);
            }
            let version = restored.publish();
            prop_assert_eq!(&version, &version);
            prop_assert!(restored.checkpoint().len() > 32);
        }
    }
}

fn sample() -> (ShardMap, Vec<u8>) {
    let mut bench = Bench::new(2, BoardLimits::default());
    bench.apply(0, 1_000, &[claim(1, 5), score(1, 3), score(2, 3)]);
    bench.apply(1, 2_500, &[claim(2, 5), score(3, -3)]);
    bench.apply(0, 2_000, &[score(1, 4)]);
    (ShardMap::new(2).expect("two"), bench.boards.checkpoint())
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let (shards, checkpoint) = sample();
    let restore = |bytes: &[u8]| Boards::restore(shards, BoardLimits::default(), bytes);
    restore(&checkpoint).expect("own");
    for index in 0..checkpoint.len() * 8 {
        let mut bytes = checkpoint.clone();
        bytes[index / 8] ^= 1 << (index % 8);
        assert!(restore(&bytes).is_err(), "bit {index}");
    }
    for length in 0..checkpoint.len() {
        assert!(restore(&checkpoint[..length]).is_err(), "length {length}");
    }
}

#[test]
fn each_fault_of_a_checkpoint_has_its_own_error() {
    let (shards, checkpoint) = sample();
    let refused = |shards, bytes: &[u8]| {
        Boards::restore(shards, BoardLimits::default(), bytes).expect_err("refused")
    };
    assert_eq!(refused(shards, b""), RestoreError::NoCheckpoint);
    assert_eq!(refused(shards, &[b'x'; 100]), RestoreError::NoCheckpoint);
    let mut later = checkpoint.clone();
    later[4] = 2;
    assert_eq!(refused(shards, &later), RestoreError::Version { found: 2 });
    let mut damaged = checkpoint.clone();
    damaged[40] ^= 1;
    let bytes = damaged.len();
    assert_eq!(refused(shards, &damaged), RestoreError::Checksum { bytes });
    let three = ShardMap::new(3).expect("three");
    assert_eq!(
        refused(three, &checkpoint),
        RestoreError::Shards {
            found: 2,
            expected: 3,
        }
    );
}
