//! Folding logs: erased players, and logs that no arbiter wrote.

use huntcore_engine::{ApplyError, Arbiter, Controller, EngineLimits, EventVerdict, Term};
use huntcore_model::{
    Batch, BatchBuilder, ClaimRecord, ControlRecord, Epoch, EventDigest, HuntNumber, Outcome,
    OutcomeKind, PlayerNumber, Record, RoundNumber, Salt, ScoreRecord, Sequence, ShardId, Tail,
    TileIndex,
};

use crate::desk::{Desk, HUNT, at};

/// Makes the personal part of a batch zero but for the lengths, as the format says of erasure;
/// `id` alone, or everybody.
fn erased(batch: &Batch, id: Option<&str>) -> Batch {
    let mut bytes = batch.bytes().to_vec();
    let number = |bytes: &[u8], offset: usize| {
        let field = bytes[offset..offset + 4].try_into().expect("four bytes");
        u32::from_le_bytes(field) as usize
    };
    let start = 96 + number(&bytes, 44);
    let end = start + number(&bytes, 80);
    let mut offset = start;
    while offset < end {
        let length = usize::from(bytes[offset + 16]);
        let text = offset + 17..offset + 17 + length;
        if id.is_none_or(|id| bytes[text.clone()] == *id.as_bytes()) {
            bytes[offset..offset + 16].fill(0);
            bytes[text.clone()].fill(0);
        }
        offset = text.end;
    }
    let personal_crc = crc32c::crc32c(&bytes[start..end]);
    bytes[88..92].copy_from_slice(&personal_crc.to_le_bytes());
    let header_crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&header_crc.to_le_bytes());
    let erased = Batch::decode(bytes.into()).expect("checksums mended");
    assert_eq!(
        erased.chain(),
        batch.chain(),
        "erasing leaves the chain as it was"
    );
    erased
}

#[test]
fn an_erased_player_s_claims_stand_and_nobody_else_s_number_moves() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    desk.attempt(10, 1, 0, "ada");
    let bo = desk.attempt(11, 1, 1, "bo");
    desk.restart_with(|batch| erased(batch, Some("ada")));
    desk.provide();
    for player in ["ada", "bo", "cy"] {
        assert_eq!(
            desk.attempt(12, 1, 0, player).kind(),
            OutcomeKind::Taken,
            "{player}"
        );
    }
    assert_eq!(desk.attempt(12, 1, 1, "bo"), bo);
    // Whoever has the id now is somebody new.
    assert_eq!(desk.attempt(13, 1, 2, "ada").kind(), OutcomeKind::Won);
    desk.restart();
    assert_eq!(desk.attempt(14, 1, 2, "ada").kind(), OutcomeKind::Won);
    let numbers: Vec<u32> = desk
        .log
        .iter()
        .flat_map(|batch| batch.records().collect::<Vec<_>>())
        .filter_map(|item| match item.expect("a good record").1 {
            Record::Player(player) => Some(player.number.get()),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[test]
fn an_erased_player_s_events_are_not_known_any_more() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.score(10, "ada", "1", 5);
    let bo = desk.score(11, "bo", "1", 5);
    desk.restart_with(|batch| erased(batch, Some("ada")));
    let EventVerdict::Accepted(sequence) = bo else {
        panic!("{bo:?}")
    };
    assert_eq!(
        desk.score(12, "bo", "1", 5),
        EventVerdict::Duplicate(sequence)
    );
    assert!(matches!(
        desk.score(12, "ada", "1", 5),
        EventVerdict::Accepted(_)
    ));
}

#[test]
fn a_log_without_any_player_s_id_folds() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    for (tile, player) in (0..).zip(["ada", "bo", "Ünï 🐙", "\0\0"]) {
        desk.attempt(10, 1, tile, player);
    }
    let before = desk.arbiter.tail();
    desk.restart_with(|batch| erased(batch, None));
    assert_eq!(desk.arbiter.tail(), before);
    assert_eq!(desk.attempt(11, 1, 0, "ada").kind(), OutcomeKind::Taken);
}

/// The next batch of a desk's log, with these records.
fn forged(desk: &Desk, shard: u16, records: &[Record<'_>]) -> Batch {
    let mut builder = BatchBuilder::new();
    for record in records {
        builder.push(record);
    }
    let (tail, durable) = (desk.arbiter.tail(), Sequence::ZERO);
    builder.finish(
        ShardId::new(shard),
        Epoch::new(9),
        &tail,
        tail.time,
        durable,
    )
}

fn claim(hunt: u32, round: u64, tile: u32, player: u32) -> Record<'static> {
    Record::Claim(ClaimRecord {
        hunt: HuntNumber::new(hunt),
        round: RoundNumber::new(round),
        tile: TileIndex::new(tile),
        player: PlayerNumber::new(player),
        points: 1,
    })
}

fn score(hunt: u32, player: u32) -> Record<'static> {
    Record::Score(ScoreRecord {
        hunt: HuntNumber::new(hunt),
        player: PlayerNumber::new(player),
        event_id: "1",
        event_type: "run",
        score: 1,
        sent_at: None,
        payload: "",
        digest: EventDigest([0; 16]),
    })
}

#[test]
fn what_no_arbiter_writes_is_refused() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.open(-500, 1);
    let Outcome::Won {
        sequence: first, ..
    } = desk.attempt(10, 1, 0, "ada")
    else {
        panic!("the tile is free");
    };
    let at = desk.records();
    let unknown = |what| Err(ApplyError::Unknown { at, what });
    let (round, tile) = (RoundNumber::new(1), TileIndex::new(0));
    let twice = ApplyError::ClaimedTwice {
        at,
        first,
        round,
        tile,
    };
    let paused = ControlRecord::HuntPaused {
        hunt: HuntNumber::new(7),
    };
    let rows = [
        (claim(0, 1, 1, 0), Ok(())),
        (claim(0, 1, 0, 0), Err(twice)),
        (claim(1, 1, 0, 0), unknown("a hunt")),
        (claim(0, 0, 0, 0), unknown("an open round")),
        (claim(0, u64::MAX, 0, 0), unknown("an open round")),
        (claim(0, 1, 4, 0), unknown("a tile")),
        (claim(0, 1, 1, 1), unknown("a player number")),
        (score(0, 0), Ok(())),
        (score(1, 0), unknown("a hunt")),
        (score(0, 1), unknown("a player number")),
    ];
    for (record, expected) in rows {
        let batch = forged(&desk, 0, std::slice::from_ref(&record));
        assert_eq!(desk.arbiter.apply(&batch), expected, "{record:?}");
        desk.restart();
    }
    let control = Record::Control {
        at: Sequence::new(99),
        record: Box::new(paused),
    };
    let result = desk.arbiter.apply(&forged(&desk, 0, &[control]));
    assert!(matches!(result, Err(ApplyError::Catalog(_))), "{result:?}");
}

#[test]
fn a_player_number_out_of_turn_is_refused() {
    let mut desk = Desk::new(EngineLimits::default());
    let mut builder = BatchBuilder::new();
    builder.push_player(PlayerNumber::new(1), "ada", Salt([1; 16]));
    let tail = desk.arbiter.tail();
    let batch = builder.finish(
        ShardId::new(0),
        Epoch::new(1),
        &tail,
        tail.time,
        Sequence::ZERO,
    );
    let what = "a player number out of turn";
    let at = tail.sequence;
    assert_eq!(
        desk.arbiter.apply(&batch),
        Err(ApplyError::Unknown { at, what })
    );
}

#[test]
fn a_batch_that_does_not_follow_is_refused() {
    let mut desk = Desk::new(EngineLimits::default());
    desk.attempt(10, 1, 0, "ada");
    let out_of_order = |result| matches!(result, Err(ApplyError::OutOfOrder { .. }));
    let mut other = Arbiter::new(ShardId::new(0), EngineLimits::default(), [0; 32]);
    assert!(
        out_of_order(other.apply(&desk.log[1].clone())),
        "a batch is missing"
    );
    assert_eq!(other.apply(&desk.log[0]), Ok(()));
    assert!(
        out_of_order(other.apply(&desk.log[0])),
        "a batch comes twice"
    );
    let strange = forged(&desk, 1, &[Record::Time]);
    assert!(
        out_of_order(desk.arbiter.apply(&strange)),
        "another shard's"
    );
    assert!(
        out_of_order(Controller::new().apply(&desk.log[0])),
        "not the control stream's"
    );
}

#[test]
#[should_panic(expected = "the fold must have reached the tail of the log")]
fn a_term_begins_only_where_the_log_ends() {
    let mut desk = Desk::new(EngineLimits::default());
    let (epoch, tail) = (Epoch::new(3), Tail::default());
    desk.arbiter.begin_term(Term { epoch, tail });
}

#[test]
fn an_entry_is_copied_once() {
    let mut desk = Desk::new(EngineLimits::default());
    let before = desk.records();
    let (hunt, seed) = (HUNT, huntcore_model::Hash32::ZERO);
    let round = RoundNumber::new(1);
    desk.arbiter.begin(at(0));
    let paused = ControlRecord::HuntPaused { hunt };
    let published = ControlRecord::SeedPublished { hunt, round, seed };
    for _ in 0..2 {
        desk.arbiter
            .copy_control(Sequence::new(4), &paused)
            .expect("a known hunt");
        desk.arbiter
            .copy_control(Sequence::new(9), &published)
            .expect("of no concern");
    }
    desk.finish().expect("one copy");
    assert_eq!(desk.records(), before.advanced(1));
    assert_eq!(desk.arbiter.catalog().next(), Sequence::new(5));
}
