//! Claims that no arbiter takes.

use huntcore_model::{
    ClaimRecord, ControlRecord, PlayerNumber, Record, RoundNumber, ShardId, TileIndex,
};
use huntcore_verify::{End, Fault};

use crate::deployment::{Deployment, TILES};
use crate::logs::Log;

/// The history with the first claim for which `falsify` gives others replaced by those.
fn falsified(shards: u16, falsify: impl Fn(ClaimRecord) -> Option<Vec<ClaimRecord>>) -> Log {
    Deployment::history(shards).replace_first(|_, record| match record {
        Record::Claim(claim) => {
            let claims = falsify(*claim)?;
            Some(claims.into_iter().map(Record::Claim).collect())
        }
        _ => None,
    })
}

#[test]
fn a_second_claim_on_a_tile_is_named_with_both_places() {
    for shards in [1, 3] {
        let log = falsified(shards, |claim| {
            let mut second = claim;
            second.player = PlayerNumber::new(claim.player.get() ^ 1);
            (claim.player.get() == 1).then(|| vec![claim, second])
        });
        log.must_only_have("claimed-twice");
        let report = log.verify(None, End::OfLog);
        let [
            Fault::ClaimedTwice {
                at,
                first: Some(first),
                ..
            },
        ] = &report.faults[..]
        else {
            panic!("{:?}", report.faults);
        };
        assert_eq!(
            (at.stream, at.sequence),
            (first.stream, first.sequence.advanced(1))
        );
    }
}

#[test]
fn a_second_claim_in_another_shard_is_found_across_shards() {
    let log = Deployment::history(3);
    let mut stolen = None;
    let log = log.replace_first(|header, record| match (record, stolen) {
        (Record::Claim(claim), None) if header.shard == ShardId::new(0) => {
            stolen = Some(*claim);
            None
        }
        (Record::Claim(claim), Some(stolen)) if header.shard != ShardId::new(0) => {
            let player = claim.player;
            Some(vec![
                record.clone(),
                Record::Claim(ClaimRecord { player, ..stolen }),
            ])
        }
        _ => None,
    });
    log.must_have("claimed-twice");
    log.must_have("wrong-shard");
}

#[test]
fn a_claim_in_a_shard_that_does_not_own_it_is_named() {
    let log = falsified(3, |claim| {
        let owner = |tile| {
            let slot = huntcore_model::Slot::of_tile(claim.hunt, claim.round, tile);
            huntcore_model::ShardMap::new(3)
                .expect("three")
                .shard_of(slot)
        };
        let other = (0..TILES)
            .map(TileIndex::new)
            .find(|&tile| owner(tile) != owner(claim.tile))?;
        Some(vec![ClaimRecord {
            tile: other,
            ..claim
        }])
    });
    log.must_have("wrong-shard");
}

#[test]
fn a_claim_before_its_round_opens_or_after_it_closed_is_named() {
    for early in [true, false] {
        let mut announced = Vec::new();
        let log = Deployment::history(1).replace_first(|header, record| match record {
            Record::Control { record, .. } if !header.shard.is_control() => {
                if let ControlRecord::RoundOpened(opened) = &**record {
                    announced.push((opened.round, opened.schedule));
                }
                None
            }
            Record::Claim(claim) => {
                let (round, _) = announced.iter().find(|(_, schedule)| match early {
                    true => header.time < schedule.opens_at,
                    false => header.time >= schedule.closes_at,
                })?;
                let round = *round;
                Some(vec![Record::Claim(ClaimRecord { round, ..*claim })])
            }
            _ => None,
        });
        log.must_have("outside-window");
    }
}

#[test]
fn a_batch_of_claims_that_comes_too_late_is_named() {
    // The last batch with claims, at a time when all its rounds are over.
    let log = Deployment::history(1);
    let late = log.streams[0].last().expect("batches").header().time;
    let has_claim = |records: &[Record<'_>]| records.iter().any(|r| matches!(r, Record::Claim(_)));
    let mut last = None;
    log.rewrite(|header, draft| {
        if has_claim(&draft.1) {
            last = Some(header.first_sequence);
        }
        Some(draft)
    });
    let log = log.rewrite(|header, (time, records)| {
        let is_shard = !header.shard.is_control();
        let is_late = is_shard && Some(header.first_sequence) >= last;
        Some((if is_late { late } else { time }, records))
    });
    log.must_have("outside-window");
}

#[test]
fn wrong_points_are_named_with_the_key_and_without() {
    let log = falsified(3, |mut claim| {
        claim.points += 1;
        Some(vec![claim])
    });
    log.must_only_have("wrong-points");
    let report = log.verify(None, End::OfLog);
    assert!(matches!(
        report.faults[..],
        [Fault::WrongPoints { expected, found, .. }] if found == expected + 1
    ));
}

#[test]
fn a_claim_on_a_tile_or_round_that_is_not_there_is_named() {
    falsified(1, |claim| {
        let tile = TileIndex::new(TILES + 5);
        Some(vec![ClaimRecord { tile, ..claim }])
    })
    .must_only_have("no-such-tile");
    falsified(1, |claim| {
        let round = RoundNumber::new(9_999);
        Some(vec![ClaimRecord { round, ..claim }])
    })
    .must_only_have("round-not-announced");
    falsified(1, |claim| {
        let hunt = huntcore_model::HuntNumber::new(7);
        Some(vec![ClaimRecord { hunt, ..claim }])
    })
    .must_have("unknown-hunt");
}

#[test]
fn a_claim_during_a_pause_or_after_the_close_is_named() {
    for (kind, state) in [("hunt-paused", "paused"), ("hunt-closed", "closed")] {
        let log = Deployment::history(1);
        let mut seen = None;
        // The last claim before is made once more, on another tile, right after.
        let log = log.replace_first(|header, record| match record {
            Record::Claim(claim) => {
                seen = Some(*claim);
                None
            }
            Record::Control { record: entry, .. } if !header.shard.is_control() => {
                let json = serde_json::to_value(entry).expect("plain data");
                let claim = seen.filter(|_| json["kind"] == kind)?;
                let tile = TileIndex::new(claim.tile.get() ^ 1);
                let late = Record::Claim(ClaimRecord { tile, ..claim });
                Some(vec![record.clone(), late])
            }
            _ => None,
        });
        let report = log.verify(None, End::OfLog);
        let named = report
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::NotTaken { state: found, .. } if *found == state));
        assert!(named, "{kind}: {:?}", report.faults);
    }
}

#[test]
fn a_claim_ahead_of_its_rounds_announcement_is_named() {
    let log = Deployment::history(1);
    let mut last = None;
    log.rewrite(|_, draft| {
        for record in &draft.1 {
            if let Record::Claim(claim) = record {
                last = last.max(Some(claim.round));
            }
        }
        Some(draft)
    });
    let round = last.expect("claims");
    falsified(1, |claim| Some(vec![ClaimRecord { round, ..claim }]))
        .must_have("round-not-announced");
}
