//! Falsehoods of the control stream, and copies that are none.

use huntcore_map::FairnessKey;
use huntcore_model::{ControlRecord, Hash32, Record, RoundNumber, Sequence};
use huntcore_verify::{End, Fault};

use crate::deployment::{Deployment, HUNT, seed};
use crate::logs::{Log, names};

const LIE: Hash32 = Hash32::new([0xee; 32]);

/// The history with an entry changed in the control stream and in every copy.
fn falsified(falsify: impl Fn(&mut ControlRecord) -> bool) -> Log {
    let mut done = false;
    let log = Deployment::history(3).rewrite(|_, (time, mut records)| {
        for record in &mut records {
            if let Record::Control { record, .. } = record {
                done |= falsify(record);
            }
        }
        Some((time, records))
    });
    assert!(done, "nothing to falsify");
    log
}

fn second_round(record: &mut ControlRecord) -> Option<&mut huntcore_model::RoundOpened> {
    match record {
        ControlRecord::RoundOpened(opened) if opened.round.get() == 2 => Some(opened),
        _ => None,
    }
}

#[test]
fn what_was_announced_must_follow_from_the_seed() {
    for fact in ["commitment", "layout", "map"] {
        let log = falsified(|record| {
            let Some(opened) = second_round(record) else {
                return false;
            };
            match fact {
                "commitment" => opened.commitment = LIE,
                "layout" => opened.layout = LIE,
                _ => opened.map = LIE,
            }
            true
        });
        log.must_only_have("not-by-seed");
        let report = log.verify(None, End::OfLog);
        assert!(
            matches!(&report.faults[..], [Fault::NotBySeed { what, round, .. }]
                if *what == fact && round.get() == 2),
            "{:?}",
            report.faults
        );
    }
}

#[test]
fn a_round_must_be_what_configuration_and_clock_make_it() {
    let log = falsified(|record| {
        second_round(record).is_some_and(|opened| {
            opened.schedule.closes_at = opened.schedule.closes_at.plus_millis(1);
            true
        })
    });
    log.must_have("round-differs");
    let log = falsified(|record| {
        second_round(record).is_some_and(|opened| {
            opened.tiles += 1;
            true
        })
    });
    log.must_only_have("round-differs");
}

#[test]
fn a_configuration_must_be_what_its_area_makes() {
    let log = falsified(|record| match record {
        ControlRecord::HuntCreated(created) => {
            created.config.cells_hash = LIE;
            true
        }
        _ => false,
    });
    log.must_only_have("config-differs");
    let log = falsified(|record| match record {
        ControlRecord::HuntChanged { version, .. } => {
            version.config.area = "{}".to_owned();
            true
        }
        _ => false,
    });
    log.must_have("bad-entry");
}

#[test]
fn another_fairness_key_is_told_once() {
    let log = Deployment::history(1);
    let report = log.verify(Some(FairnessKey::new([8; 32])), End::OfLog);
    assert!(
        matches!(report.faults[..], [Fault::WrongKey { .. }]),
        "{:?}",
        report.faults
    );
}

#[test]
fn a_seed_published_too_early_is_named() {
    // Where round 1's seed is due, round 3's stands.
    let early = RoundNumber::new(3);
    let log = falsified(|record| match record {
        ControlRecord::SeedPublished {
            round,
            seed: published,
            ..
        } if round.get() == 1 => {
            (*round, *published) = (early, seed(early).reveal());
            true
        }
        _ => false,
    });
    let report = log.verify(None, End::OfLog);
    let named = report.faults.iter().any(|fault| {
        matches!(fault, Fault::SeedTooEarly { round, published_at, closes_at, .. }
            if *round == early && published_at < closes_at)
    });
    assert!(named, "{:?}", report.faults);
}

#[test]
fn a_seed_that_is_not_of_its_chain_is_named() {
    let log = falsified(|record| match record {
        ControlRecord::SeedPublished { round, seed, .. } if round.get() == 2 => {
            *seed = LIE;
            true
        }
        _ => false,
    });
    log.must_only_have("seed-not-in-chain");
    let without_key = names(&log.verify(None, End::OfLog));
    assert!(without_key.contains("seed-not-in-chain") && without_key.contains("not-by-seed"));
}

#[test]
fn a_seed_published_twice_or_of_no_round_is_named() {
    for number in [1, 500] {
        let log = falsified(|record| match record {
            ControlRecord::SeedPublished {
                round,
                seed: published,
                ..
            } if round.get() == 2 => {
                *round = RoundNumber::new(number);
                *published = seed(*round).reveal();
                true
            }
            _ => false,
        });
        log.must_have("bad-entry");
    }
}

#[test]
fn a_hunt_that_was_never_created_is_named() {
    let log = falsified(|record| match record {
        ControlRecord::HuntPaused { hunt } => {
            *hunt = huntcore_model::HuntNumber::new(HUNT.get() + 1);
            true
        }
        _ => false,
    });
    log.must_have("bad-entry");
}

/// The history with what `edit` makes of the first shard's copy of the pause.
fn with_copy_of_pause(
    edit: impl Fn(Sequence, ControlRecord) -> Vec<(Sequence, ControlRecord)>,
) -> Log {
    Deployment::history(3).replace_first(|header, record| match record {
        Record::Control { at, record }
            if matches!(**record, ControlRecord::HuntPaused { .. })
                && !header.shard.is_control() =>
        {
            let copies = edit(*at, (**record).clone()).into_iter();
            let copies = copies.map(|(at, record)| Record::Control {
                at,
                record: Box::new(record),
            });
            // A batch holds at least one record.
            Some(copies.chain([Record::Time]).collect())
        }
        _ => None,
    })
}

#[test]
fn a_copy_that_differs_is_left_out_or_made_twice_is_named() {
    with_copy_of_pause(|at, _| vec![(at, ControlRecord::HuntResumed { hunt: HUNT })])
        .must_only_have("copy-differs");
    with_copy_of_pause(|_, _| Vec::new()).must_only_have("copy-out-of-turn");
    with_copy_of_pause(|at, copy| vec![(at, copy.clone()), (at, copy)])
        .must_only_have("copy-out-of-turn");
    with_copy_of_pause(|at, copy| vec![(at, copy.clone()), (Sequence::new(9_999), copy)])
        .must_only_have("copy-unknown");
    with_copy_of_pause(|at, copy| {
        let seed = ControlRecord::SeedPublished {
            hunt: HUNT,
            round: RoundNumber::FIRST,
            seed: LIE,
        };
        vec![(at, copy), (at.advanced(1), seed)]
    })
    .must_only_have("copy-unknown");
}

#[test]
fn an_entry_that_misnames_its_place_is_named() {
    let log = Deployment::history(1).replace_first(|header, record| match record {
        Record::Control { at, record } if header.shard.is_control() && at.get() == 3 => {
            Some(vec![Record::Control {
                at: Sequence::new(4),
                record: record.clone(),
            }])
        }
        _ => None,
    });
    assert_eq!(
        names(&log.verify(None, End::OfLog)),
        ["bad-entry".to_owned()].into()
    );
}
