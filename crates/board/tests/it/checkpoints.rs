//! Through bytes and back.

use huntcore_board::{BoardLimits, Boards, RestoreError};
use huntcore_model::{
    BoardClock, BoardDefinition, BoardOperator, BoardOrder, BoardSource, ShardMap, SnapshotError,
    SnapshotReader, SnapshotWriter, TimeMicros,
};
use proptest::prelude::*;

use crate::batches::{Bench, claim, score};
use crate::deployment::{Act, Deployment, Step, any_deployment, board_name};
use crate::history::{ERASED, any_choices, any_history};
use crate::streams::any_limits;

pub(crate) fn written(boards: &Boards) -> Vec<u8> {
    let mut bytes = Vec::new();
    boards.checkpoint(&mut bytes).expect("memory");
    bytes
}

pub(crate) fn restored(
    shards: ShardMap,
    limits: BoardLimits,
    bytes: &[u8],
) -> Result<Boards, RestoreError> {
    Boards::restore(shards, limits, &mut &*bytes)
}

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
        let checkpoint = written(&boards);
        let mut restored = restored(history.shards, limits, &checkpoint).expect("own");
        prop_assert_eq!(restored.position(), boards.position());
        prop_assert_eq!(restored.publish(), boards.publish());
        prop_assert_eq!(written(&restored), checkpoint);
        for batch in &batches[cut..] {
            boards.apply(batch).expect("in order");
            restored.apply(batch).expect("in order");
            prop_assert_eq!(restored.publish(), boards.publish());
        }
        prop_assert_eq!(written(&restored), written(&boards));
    }

    #[test]
    fn impossible_content_is_refused_or_harmless(
        history in any_deployment(),
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
        let mut fields = fields(&written(&boards));
        for (at, value) in changes {
            let at = at.index(fields.len());
            fields[at] = value;
        }
        if let Ok(mut restored) = restored(history.shards, limits, &sealed(&fields)) {
            for batch in &batches[half..] {
                // Refused or not: the checkpoint may tell of another place in the streams.
                let _: Result<(), _> = restored.apply(batch);
            }
            let version = restored.publish();
            prop_assert_eq!(&version, &version);
            prop_assert!(written(&restored).len() > 32);
        }
    }

    #[test]
    fn garbage_is_refused(garbage: Vec<u8>, in_blocks: bool) {
        let bytes = if in_blocks { sealed(&garbage) } else { garbage };
        let shards = ShardMap::new(1).expect("one");
        prop_assert!(restored(shards, BoardLimits::default(), &bytes).is_err());
    }
}

const MAGIC: [u8; 4] = *b"HCBC";

/// What stands in the checked blocks.
fn fields(checkpoint: &[u8]) -> Vec<u8> {
    let mut reader = SnapshotReader::new(checkpoint, MAGIC, 3).expect("own");
    std::iter::from_fn(|| reader.array::<1>().ok())
        .flatten()
        .collect()
}

/// Fields in blocks whose checksums fit.
fn sealed(fields: &[u8]) -> Vec<u8> {
    let mut writer = SnapshotWriter::new(Vec::new(), MAGIC, 3).expect("memory");
    writer.raw(fields).expect("memory");
    writer.finish().expect("memory")
}

fn sample() -> (ShardMap, Vec<u8>) {
    let mut bench = Bench::new(2, BoardLimits::default());
    bench.apply(0, 1_000, &[claim(1, 5), score(1, 3), score(2, 3)]);
    bench.apply(1, 2_500, &[claim(2, 5), score(3, -3)]);
    bench.apply(0, 2_000, &[score(1, 4)]);
    (ShardMap::new(2).expect("two"), written(&bench.boards))
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let (shards, checkpoint) = rich();
    let restore = |bytes: &[u8]| restored(shards, BoardLimits::default(), bytes);
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
        restored(shards, BoardLimits::default(), bytes).expect_err("refused")
    };
    let faults = |error: &RestoreError| match error {
        RestoreError::Snapshot(SnapshotError::CutShort { .. }) => "cut short",
        RestoreError::Snapshot(SnapshotError::Magic { .. }) => "magic",
        RestoreError::Snapshot(SnapshotError::Version { found: 4, .. }) => "version",
        RestoreError::Snapshot(SnapshotError::Checksum { .. }) => "checksum",
        RestoreError::Snapshot(SnapshotError::Invalid { field: "end", .. }) => "end",
        RestoreError::Shards {
            found: 2,
            expected: 3,
        } => "shards",
        _ => "another",
    };
    assert_eq!(faults(&refused(shards, b"")), "cut short");
    assert_eq!(faults(&refused(shards, &[b'x'; 100])), "magic");
    let mut later = checkpoint.clone();
    later[4] = 4;
    assert_eq!(faults(&refused(shards, &later)), "version");
    let mut damaged = checkpoint.clone();
    damaged[40] ^= 1;
    assert_eq!(faults(&refused(shards, &damaged)), "checksum");
    let three = ShardMap::new(3).expect("three");
    assert_eq!(faults(&refused(three, &checkpoint)), "shards");
    let mut more = fields(&checkpoint);
    more.push(0);
    assert_eq!(faults(&refused(shards, &sealed(&more))), "end");
}

#[test]
fn what_follows_a_checkpoint_is_left_to_others() {
    let (shards, mut checkpoint) = sample();
    checkpoint.extend_from_slice(b"more");
    let mut input = checkpoint.as_slice();
    Boards::restore(shards, BoardLimits::default(), &mut input).expect("own");
    assert_eq!(input, b"more");
}

#[test]
fn a_checkpoint_holds_what_was_not_published_yet() {
    let mut bench = Bench::new(1, BoardLimits::default());
    bench.apply(0, 1_000, &[claim(1, 5)]);
    bench.boards.publish();
    bench.apply(0, 1_000, &[claim(1, 5), claim(2, 7), score(3, 1)]);
    let before = written(&bench.boards);
    let shards = ShardMap::new(1).expect("one");
    let mut restored = restored(shards, BoardLimits::default(), &before).expect("own");
    assert_eq!(restored.publish(), bench.boards.publish());
    assert_eq!(written(&bench.boards), before);
}

#[test]
fn checkpoints_of_older_formats_are_read_and_go_on() {
    let shards = ShardMap::new(2).expect("two");
    for bytes in [
        &include_bytes!("../fixtures/version-2.checkpoint")[..],
        &include_bytes!("../fixtures/version-3.checkpoint")[..],
    ] {
        let mut old = restored(shards, BoardLimits::default(), bytes).expect("is read");
        // What its streams held.
        let mut bench = as_in_fixtures();
        assert_eq!(old.publish(), bench.boards.publish());
        assert_eq!(written(&old), written(&bench.boards));
        let (next, _) = bench.writers[1].batch(
            TimeMicros::from_millis(9_000),
            &[claim(3, 1), claim(2, 0), score(2, 3)],
        );
        old.apply(&next).expect("it follows");
        bench.boards.apply(&next).expect("it follows");
        assert_eq!(old.publish(), bench.boards.publish());
    }
    let newest = include_bytes!("../fixtures/version-3.checkpoint");
    assert_eq!(
        written(&as_in_fixtures().boards),
        newest,
        "the format has changed"
    );
}

fn as_in_fixtures() -> Bench {
    let mut bench = Bench::new(2, BoardLimits::default());
    bench.apply(
        0,
        1_000,
        &[claim(1, 5), score(1, 3), score(2, 3), claim(3, 0)],
    );
    bench.apply(1, 2_500, &[claim(2, 5), score(3, -3), claim(ERASED, 2)]);
    bench.apply(0, 2_600, &[score(1, 4), claim(2, 1)]);
    bench.apply(0, 4_200, &[score(4, 1)]);
    bench
}

/// A checkpoint in which everything is that may be in one.
fn rich() -> (ShardMap, Vec<u8>) {
    let score = |player, score, before| Act::Score {
        player,
        score,
        sent_before: Some(before),
        kind: true,
    };
    let claim = |player, points| Act::Claim { player, points };
    let [total, _, second] = BoardDefinition::built_in();
    let lists = vec![
        vec![
            BoardDefinition {
                name: board_name(0),
                from: BoardSource::Both,
                operator: BoardOperator::Max,
                clock: BoardClock::Event { lateness_ms: 0 },
                results: 2,
                ..second
            },
            BoardDefinition {
                name: board_name(1),
                from: BoardSource::Both,
                ..total.clone()
            },
        ],
        vec![BoardDefinition {
            name: board_name(1),
            order: BoardOrder::Ascending,
            ..total
        }],
    ];
    let step = |stream, acts: &[Act]| Step {
        stream,
        micros: 700_000,
        acts: acts.to_vec(),
    };
    let most = (1 << 53) - 1;
    let steps = [
        step(
            0,
            &[
                Act::Redefine,
                claim(1, 5),
                claim(2, 6),
                score(1, most, 900_000),
                score(1, most, 0),
            ],
        ),
        step(
            1,
            &[
                Act::Redefine,
                claim(1, 9),
                Act::Void { claim: 0 },
                claim(3, 2),
            ],
        ),
        step(
            0,
            &[
                claim(4, 1),
                score(2, 4, 5_000_000),
                Act::Disqualify { player: 4 },
            ],
        ),
        step(1, &[Act::Disqualify { player: 1 }, claim(3, 3)]),
        step(
            0,
            &[
                Act::Close {
                    board: 0,
                    before: 0,
                },
                Act::Void { claim: 2 },
                score(2, 4, 0),
            ],
        ),
        step(0, &[Act::Redefine, claim(2, 1)]),
    ];
    let deployment = Deployment::new(2, lists, &steps);
    let mut boards = Boards::new(deployment.shards, BoardLimits::default());
    for batch in deployment.interleaved(&[0]) {
        boards.apply(batch).expect("in order");
    }
    (deployment.shards, written(&boards))
}
