//! Batches that are refused, and what is left unchanged then.

use huntcore_board::{ApplyError, BoardLimits, Boards};
use huntcore_model::{
    BatchBuilder, BoardName, ClaimRecord, Epoch, Hash32, PlayerNumber, Record, RoundNumber, Salt,
    Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
};

use crate::batches::{HUNT, claim, player, score, shard};
use crate::history::Writer;

const SECOND: TimeMicros = TimeMicros::new(1_000_000);

fn one_shard() -> Boards {
    Boards::new(ShardMap::new(1).expect("one"), BoardLimits::default())
}

#[test]
fn a_gap_is_refused_and_a_repetition_skipped() {
    let mut writer = Writer::new(shard(0));
    let batches: Vec<_> = (0..4)
        .map(|number| writer.batch(SECOND, &[claim(number, 1)]).0)
        .collect();
    let mut boards = one_shard();
    boards.apply(&batches[0]).expect("first");
    let before = boards.publish();
    assert_eq!(
        boards.apply(&batches[2]),
        Err(ApplyError::Sequence {
            shard: shard(0),
            expected: Sequence::new(2),
            found: Sequence::new(4),
        })
    );
    boards.apply(&batches[0]).expect("skipped");
    assert_eq!(boards.publish(), before);
    for batch in &batches {
        boards.apply(batch).expect("in order, the first skipped");
    }
    boards.apply(&batches[1]).expect("skipped");
    let total = boards.publish();
    assert_eq!(total.board(HUNT, BoardName::TOTAL).expect("there").len(), 4);
}

#[test]
fn a_batch_that_is_partly_applied_is_refused() {
    let mut boards = one_shard();
    let (first, _) = Writer::new(shard(0)).batch(SECOND, &[claim(0, 1)]);
    let (longer, _) = Writer::new(shard(0)).batch(SECOND, &[claim(0, 1), claim(1, 1)]);
    boards.apply(&first).expect("first");
    assert_eq!(
        boards.apply(&longer),
        Err(ApplyError::Sequence {
            shard: shard(0),
            expected: Sequence::new(2),
            found: Sequence::ZERO,
        })
    );
}

#[test]
fn another_history_is_refused() {
    let mut boards = one_shard();
    let mut one = Writer::new(shard(0));
    let mut other = Writer::new(shard(0));
    boards
        .apply(&one.batch(SECOND, &[claim(0, 1)]).0)
        .expect("first");
    other.batch(SECOND, &[claim(0, 2)]);
    assert_eq!(
        boards.apply(&other.batch(SECOND, &[claim(0, 1)]).0),
        Err(ApplyError::Chain {
            shard: shard(0),
            sequence: Sequence::new(2),
        })
    );
}

#[test]
fn a_stream_that_does_not_exist_is_refused() {
    let (batch, _) = Writer::new(shard(1)).batch(SECOND, &[]);
    assert_eq!(
        one_shard().apply(&batch),
        Err(ApplyError::UnknownStream {
            shard: shard(1),
            shards: 1,
        })
    );
}

#[test]
fn time_that_goes_back_or_too_far_is_refused() {
    let mut boards = one_shard();
    let mut builder = BatchBuilder::new();
    let mut batch = |tail: &Tail, time| {
        builder.push(&Record::Time);
        builder.finish(shard(0), Epoch::new(1), tail, time, Sequence::ZERO)
    };
    let first = batch(&Tail::default(), SECOND);
    boards.apply(&first).expect("first");
    let earlier = Tail {
        time: TimeMicros::ZERO,
        ..first.tail()
    };
    for time in [TimeMicros::new(999_999), TimeMicros::MAX] {
        assert_eq!(
            boards.apply(&batch(&earlier, time)),
            Err(ApplyError::Time {
                shard: shard(0),
                sequence: Sequence::new(1),
                found: time,
                least: SECOND,
            })
        );
    }
}

#[test]
fn a_player_without_a_number_is_refused_before_anything_changes() {
    let mut boards = one_shard();
    let mut builder = BatchBuilder::new();
    let claim = |player| {
        Record::Claim(ClaimRecord {
            hunt: HUNT,
            round: RoundNumber::FIRST,
            tile: TileIndex::new(0),
            player: PlayerNumber::new(player),
            points: 1,
        })
    };
    let before = boards.publish();
    builder.push_player(PlayerNumber::new(0), "ada", Salt([1; 16]));
    builder.push(&claim(0));
    builder.push(&claim(1));
    let tail = Tail::default();
    let batch = builder.finish(shard(0), Epoch::new(1), &tail, SECOND, Sequence::ZERO);
    let refused = |sequence, number, given| {
        Err(ApplyError::PlayerNumber {
            shard: shard(0),
            sequence: Sequence::new(sequence),
            number: PlayerNumber::new(number),
            given,
        })
    };
    assert_eq!(boards.apply(&batch), refused(2, 1, 1));
    builder.push_player(PlayerNumber::new(u32::MAX), "bob", Salt([1; 16]));
    let batch = builder.finish(shard(0), Epoch::new(1), &tail, SECOND, Sequence::ZERO);
    assert_eq!(boards.apply(&batch), refused(0, u32::MAX, 0));
    assert_eq!(boards.publish(), before);
}

#[test]
fn a_record_that_cannot_be_read_is_refused_whole() {
    let (batch, _) = Writer::new(shard(0)).batch(SECOND, &[claim(0, 1), claim(1, 1)]);
    let mut bytes = batch.bytes().to_vec();
    let body = u32::from_le_bytes(bytes[44..48].try_into().expect("four")) as usize;
    // The last record's last byte now says that another one follows it.
    bytes[96 + body - 1] |= 0x80;
    let crc = crc32c::crc32c(&bytes[96..96 + body]);
    bytes[84..88].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    let damaged = huntcore_model::Batch::decode(bytes.into()).expect("checksums mended");
    let mut boards = one_shard();
    let before = boards.publish();
    let refused = boards.apply(&damaged);
    assert!(
        matches!(
            refused,
            Err(ApplyError::Batch {
                sequence: Sequence::ZERO,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(boards.publish(), before);
}

#[test]
fn the_control_stream_moves_the_position_and_no_time() {
    let mut boards = one_shard();
    let mut shard_0 = Writer::new(shard(0));
    let mut control = Writer::new(ShardId::CONTROL);
    boards
        .apply(&shard_0.batch(SECOND, &[score(0, 5)]).0)
        .expect("in order");
    boards
        .apply(&control.batch(TimeMicros::new(9_000_000), &[]).0)
        .expect("in order");
    let version = boards.publish();
    assert_eq!(version.position().next(ShardId::CONTROL), Sequence::new(1));
    assert_eq!(version.time(), SECOND);
    assert_eq!(version.latest_final(HUNT, BoardName::SECOND), None);
    // Nor does an old control batch hold the time back.
    let (batch, _) = shard_0.batch(TimeMicros::new(2_000_000), &[]);
    boards.apply(&batch).expect("in order");
    let version = boards.publish();
    let window = version
        .latest_final(HUNT, BoardName::SECOND)
        .expect("its end is reached");
    assert!(window.window().is_final && window.standing(&player(0)).is_some());
    let gap = Tail {
        sequence: Sequence::new(5),
        chain: Hash32::ZERO,
        time: SECOND,
    };
    let mut builder = BatchBuilder::new();
    builder.push(&Record::Time);
    let batch = builder.finish(
        ShardId::CONTROL,
        Epoch::new(1),
        &gap,
        SECOND,
        Sequence::ZERO,
    );
    assert!(matches!(
        boards.apply(&batch),
        Err(ApplyError::Sequence { .. })
    ));
}
