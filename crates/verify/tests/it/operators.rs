//! Corrections and results: honest ones are followed by the boards, others are named.

use std::collections::BTreeSet;

use huntcore_model::{
    BoardClosedRecord, BoardName, ClaimRecord, Correction, CorrectionRecord, PlayerNumber, Record,
    Sequence, TileIndex, TimeMicros,
};

use crate::deployment::Deployment;
use crate::logs::Log;

/// The history of one shard with records right after its first claim that is worth something.
fn after_a_claim<'a>(make: impl Fn(ClaimRecord, Sequence) -> Vec<Record<'a>>) -> Log {
    let mut made = None;
    let log = Deployment::history(1);
    // Found first, so that what is made lives long enough for every batch.
    for batch in log.merged() {
        for item in batch.records() {
            if let (sequence, Record::Claim(claim)) = item.expect("own records")
                && claim.points > 0
                && made.is_none()
            {
                made = Some((sequence, make(claim, sequence)));
            }
        }
    }
    let (place, made) = made.expect("somebody won something");
    log.rewrite(|header, (time, mut records)| {
        let shard_has_it = !header.shard.is_control()
            && (header.first_sequence..header.next_sequence()).contains(&place);
        if shard_has_it {
            let index = place.get() - header.first_sequence.get() + 1;
            let index = usize::try_from(index).expect("small");
            for record in made.iter().rev() {
                records.insert(index, owned(record));
            }
        }
        Some((time, records))
    })
}

/// The same record, bound to nothing.
fn owned<'b>(record: &Record<'_>) -> Record<'b> {
    match record {
        Record::Correction(correction) => Record::Correction(correction.clone()),
        Record::BoardClosed(results) => Record::BoardClosed(results.clone()),
        other => unreachable!("not made here: {other:?}"),
    }
}

fn correction<'a>(claim: ClaimRecord, what: Correction) -> Record<'a> {
    Record::Correction(Box::new(CorrectionRecord {
        hunt: claim.hunt,
        player: claim.player,
        what,
        reason: "a bot".to_owned(),
    }))
}

fn voided<'a>(claim: ClaimRecord, claimed: Sequence) -> Record<'a> {
    let what = Correction::ClaimVoided {
        round: claim.round,
        tile: claim.tile,
        points: claim.points,
        claimed,
    };
    correction(claim, what)
}

#[test]
fn boards_follow_honest_corrections() {
    type Make = fn(ClaimRecord, Sequence) -> Vec<Record<'static>>;
    let honest: [Make; 3] = [
        |claim, at| vec![voided(claim, at)],
        |claim, _| vec![correction(claim, Correction::Disqualified)],
        |claim, at| {
            vec![
                correction(claim, Correction::Disqualified),
                voided(claim, at),
                correction(claim, Correction::Reinstated),
            ]
        },
    ];
    for make in honest {
        let log = after_a_claim(make);
        assert_eq!(log.faults(), BTreeSet::new());
    }
}

#[test]
fn a_correction_of_what_is_not_there_or_was_corrected_before_is_named() {
    type Make = fn(ClaimRecord, Sequence) -> Vec<Record<'static>>;
    let dishonest: [Make; 6] = [
        |claim, at| vec![voided(claim, at), voided(claim, at)],
        |claim, at| vec![voided(claim, at.advanced(1))],
        |claim, at| {
            let points = claim.points + 1;
            vec![voided(ClaimRecord { points, ..claim }, at)]
        },
        |claim, at| {
            let tile = TileIndex::new(claim.tile.get() ^ 1);
            vec![voided(ClaimRecord { tile, ..claim }, at)]
        },
        |claim, _| vec![correction(claim, Correction::Reinstated)],
        |claim, _| {
            let again = || correction(claim, Correction::Disqualified);
            vec![again(), again()]
        },
    ];
    for make in dishonest {
        after_a_claim(make).must_have("bad-correction");
    }
}

#[test]
fn a_correction_of_nobody_is_named() {
    let log = after_a_claim(|claim, _| {
        let player = PlayerNumber::new(1_000);
        vec![correction(
            ClaimRecord { player, ..claim },
            Correction::Disqualified,
        )]
    });
    log.must_have("player-unknown");
}

#[test]
fn results_of_a_board_that_the_hunt_has_not_are_named() {
    let log = after_a_claim(|claim, _| {
        vec![Record::BoardClosed(Box::new(BoardClosedRecord {
            hunt: claim.hunt,
            board: BoardName::new("nightly").expect("a name"),
            start: TimeMicros::from_millis(1_000),
            end: TimeMicros::from_millis(2_000),
            players: 1,
            entries: vec![(claim.player, 5)],
        }))]
    });
    log.must_only_have("bad-results");
}
