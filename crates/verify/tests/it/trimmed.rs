//! Logs whose beginning was trimmed: what is left is judged, the rest taken on trust.

use std::collections::BTreeMap;

use huntcore_model::{Batch, Catalog, PlayerNumber, Record, Sequence, ShardId, TimeMicros};
use huntcore_verify::{End, Report, Settings};

use crate::deployment::{Deployment, key, records};
use crate::logs::{Log, names, verify_with};

/// A log without its first batches, and what was in them.
struct Trimmed {
    log: Log,
    begins: BTreeMap<ShardId, Sequence>,
    /// The fold of the control stream up to some of its batches after the cut.
    catalog: Catalog,
}

/// Drops from each stream what was written before `micros` after the log began; a little more
/// or less of each, as segments do.
fn trim(log: &Log, micros: u64) -> Trimmed {
    let began = log.streams[0][0].header().time;
    let mut trimmed = log.clone();
    let mut begins = BTreeMap::new();
    let mut catalog = Catalog::new();
    for (index, stream) in (0..).zip(&mut trimmed.streams) {
        let before = TimeMicros::new(began.get() + micros + index * 130_000);
        let cut = stream.partition_point(|batch| batch.header().time < before);
        let shard = stream[cut].header().shard;
        begins.insert(shard, stream[cut].header().first_sequence);
        if shard.is_control() {
            for batch in &stream[..cut + 3] {
                for (at, record) in records(batch) {
                    if let Record::Control { record, .. } = record {
                        catalog.apply(at, &record).expect("an honest log");
                    }
                }
            }
        }
        stream.drain(..cut);
    }
    Trimmed {
        log: trimmed,
        begins,
        catalog,
    }
}

impl Trimmed {
    fn verify(&self, with_catalog: bool) -> Report {
        let settings = Settings {
            fairness_key: Some(key()),
            begins: self.begins.clone(),
            catalog: with_catalog.then(|| self.catalog.clone()),
            ..Settings::new(self.log.shards, 24 * 3_600_000)
        };
        verify_with(settings, self.log.merged().iter(), End::OfLog)
    }
}

const CUTS: [u64; 5] = [900_000, 2_500_000, 4_400_000, 7_100_000, 9_300_000];

#[test]
fn what_is_left_of_an_honest_log_has_no_fault() {
    for shards in [1, 3] {
        let whole = Deployment::history(shards);
        let all = whole.verify(Some(key()), End::OfLog);
        for micros in CUTS {
            let trimmed = trim(&whole, micros);
            for with_catalog in [false, true] {
                let report = trimmed.verify(with_catalog);
                assert_eq!(report.faults, [], "{shards} shards, {micros}");
                assert_eq!(report.begins.len(), usize::from(shards) + 1);
                assert!(report.records < all.records);
                assert!(report.claims > 0 || micros > 8_000_000, "{report:?}");
                assert_eq!(report.boards_compared, 0, "boards need the beginning");
                if !with_catalog {
                    assert_eq!(report.maps_verified, 0, "nothing tells how maps are made");
                } else if micros < 4_000_000 {
                    assert!(report.maps_verified > 3, "{report:?}");
                    assert!(report.points_verified > 0, "{report:?}");
                }
                assert_eq!(
                    report.points_verified + report.points_pending,
                    report.claims
                );
            }
        }
    }
}

#[test]
fn rounds_and_seeds_from_before_are_counted_as_trusted() {
    let trimmed = trim(&Deployment::history(3), 4_400_000);
    let report = trimmed.verify(false);
    assert!(report.rounds_on_trust > 0, "{report:?}");
    // The first seed that is left; the later ones hash back to it.
    assert_eq!(report.seeds_on_trust, 1);
    assert!(report.seeds_verified > 2, "{report:?}");
    let with_catalog = trimmed.verify(true);
    assert_eq!(with_catalog.seeds_on_trust, 0, "the catalog has the anchor");
}

#[test]
fn a_stream_that_begins_elsewhere_than_it_should_is_named() {
    let mut trimmed = trim(&Deployment::history(1), 2_500_000);
    trimmed.log.streams[0].remove(0);
    assert!(names(&trimmed.verify(false)).contains("sequence-broken"));
}

#[test]
fn a_second_claim_is_named_also_where_its_round_is_not_known() {
    for micros in CUTS[..4].iter().copied() {
        let whole = Deployment::history(1);
        let mut trimmed = trim(&whole, micros);
        // The first claim that is left, made once more.
        let mut again = None;
        trimmed.log = trimmed.rewrite(|record, out| {
            out.push(record.clone());
            if let Record::Claim(claim) = record
                && again.replace(*claim).is_none()
            {
                out.push(record.clone());
            }
        });
        let report = trimmed.verify(true);
        assert!(names(&report).contains("claimed-twice"), "{micros}");
    }
}

#[test]
fn a_claim_on_a_round_after_the_first_announced_one_is_not_trusted() {
    let trimmed = trim(&Deployment::history(1), 2_500_000);
    let mut forged = false;
    let log = trimmed.rewrite(|record, out| match record {
        Record::Claim(claim) if !forged => {
            forged = true;
            let mut claim = *claim;
            claim.round = huntcore_model::RoundNumber::new(5_000);
            out.push(Record::Claim(claim));
        }
        _ => out.push(record.clone()),
    });
    let report = Trimmed { log, ..trimmed }.verify(false);
    assert!(names(&report).contains("round-not-announced"), "{report:?}");
}

#[test]
fn a_number_beyond_those_given_out_is_named_whenever_it_is_used() {
    let whole = Deployment::history(1);
    let first_play = |log: &Log| {
        let has_player = |batch: &&Batch| {
            let found = records(batch);
            found
                .iter()
                .any(|(_, record)| matches!(record, Record::Player(_)))
        };
        log.streams[0]
            .iter()
            .filter(has_player)
            .nth(1)
            .map(|batch| batch.header().time)
    };
    let began = whole.streams[0][0].header().time;
    let second = first_play(&whole).expect("players come in turn");
    let trimmed = trim(&whole, second.micros_since(began) - 40_000);
    assert!(
        trimmed.verify(true).is_ok(),
        "{:?}",
        trimmed.verify(true).faults
    );
    let mut is_first = true;
    let log = trimmed.rewrite(|record, out| match record {
        Record::Claim(claim) if is_first => {
            is_first = false;
            let mut claim = *claim;
            claim.player = PlayerNumber::new(400);
            out.push(Record::Claim(claim));
        }
        _ => out.push(record.clone()),
    });
    let report = Trimmed { log, ..trimmed }.verify(true);
    assert!(
        names(&report).contains("player-unknown"),
        "{:?}",
        report.faults
    );
}

#[test]
fn a_copy_that_is_left_out_after_the_beginning_is_named() {
    let trimmed = trim(&Deployment::history(3), 2_500_000);
    let mut copies = 0;
    let log = trimmed.rewrite_stream(ShardId::new(1), |record, out| {
        if matches!(record, Record::Control { .. }) {
            copies += 1;
            if copies == 3 {
                out.push(Record::Time);
                return;
            }
        }
        out.push(record.clone());
    });
    let report = Trimmed { log, ..trimmed }.verify(true);
    assert!(
        names(&report).contains("copy-out-of-turn"),
        "{:?}",
        report.faults
    );
}

impl Trimmed {
    /// The log written anew, chained from where it begins.
    fn rewrite(&self, mut edit: impl for<'a> FnMut(&Record<'a>, &mut Vec<Record<'a>>)) -> Log {
        self.log
            .rewrite_from(&self.begins, |header, (time, found)| {
                if header.shard.is_control() {
                    return Some((time, found));
                }
                let mut edited = Vec::new();
                found.iter().for_each(|record| edit(record, &mut edited));
                Some((time, edited))
            })
    }

    fn rewrite_stream(
        &self,
        shard: ShardId,
        mut edit: impl for<'a> FnMut(&Record<'a>, &mut Vec<Record<'a>>),
    ) -> Log {
        self.log
            .rewrite_from(&self.begins, |header, (time, found)| {
                if header.shard != shard {
                    return Some((time, found));
                }
                let mut edited = Vec::new();
                found.iter().for_each(|record| edit(record, &mut edited));
                Some((time, edited))
            })
    }
}
