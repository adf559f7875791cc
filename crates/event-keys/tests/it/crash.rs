//! Whenever the machine stops, a run stands whole or not at all, and nothing that stood is gone.

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_event_keys::KeysError;
use huntcore_model::Hash32;

use crate::support::{directory, fact, is_found, open, open_with, options, span, spans, write};

#[test]
fn whenever_a_write_is_cut_short_the_run_stands_whole_or_not_at_all() {
    for operations in 0.. {
        let disk = SimulatedDisk::default();
        let mut keys = open(&disk);
        write(&mut keys, 0, 250, 100);
        disk.die_after(operations);
        let facts = (250..500).map(fact).collect();
        let written = keys.write_facts(span(250, 500, 200), Hash32::ZERO, facts);
        for survival in disk.survivals(24) {
            let after = disk.after_crash(survival);
            let keys = open(&after);
            assert!(keys.passed_over().is_empty(), "{:?}", keys.passed_over());
            assert!((0..250).all(|number| is_found(&keys, number)));
            match spans(&keys).as_slice() {
                [(0, 250)] => assert!(written.is_err(), "what was said to stand is gone"),
                [(0, 250), (250, 500)] => {
                    assert!((250..500).all(|number| is_found(&keys, number)));
                }
                other => panic!("{other:?}"),
            }
            let left = after.files();
            assert_eq!(left.len(), spans(&keys).len(), "leftovers go: {left:?}");
        }
        if written.is_ok() {
            return;
        }
    }
}

#[test]
fn whenever_a_merge_is_cut_short_every_event_still_stands() {
    for operations in 0.. {
        let disk = SimulatedDisk::default();
        let mut keys = open(&disk);
        for first in [0, 100, 200] {
            write(&mut keys, first, first + 100, 500);
        }
        // The part of the horizon that these are of is over.
        write(&mut keys, 300, 301, 1_500);
        disk.die_after(operations);
        let merged = keys.merge(|| true);
        for survival in disk.survivals(24) {
            let keys = open(&disk.after_crash(survival));
            assert!(keys.passed_over().is_empty(), "{:?}", keys.passed_over());
            assert!((0..301).all(|number| is_found(&keys, number)));
            assert!(!is_found(&keys, 301));
            assert!(keys.gaps([span(0, 301, 0)]).is_empty());
        }
        if merged.is_ok() && !disk.is_dead() {
            assert_eq!(spans(&keys), [(0, 300), (300, 301)]);
            return;
        }
    }
}

#[test]
fn a_full_disk_leaves_what_stood_and_heals() {
    let disk = SimulatedDisk::default();
    let mut keys = open(&disk);
    write(&mut keys, 0, 100, 0);
    let again = |keys: &mut huntcore_event_keys::EventKeys| {
        let facts = (100..5_000).map(fact).collect();
        keys.write_facts(span(100, 5_000, 0), Hash32::ZERO, facts)
    };
    for fault in [Fault::CreateFull, Fault::WriteFull(1_000)] {
        disk.fail("100", fault);
        let refused = again(&mut keys);
        assert!(matches!(refused, Err(KeysError::Store(_))), "{refused:?}");
        assert_eq!((spans(&keys), disk.files().len()), (vec![(0, 100)], 1));
    }
    disk.fill(true);
    assert!(again(&mut keys).is_err());
    disk.fill(false);
    again(&mut keys).expect("there is space again");
    assert!((0..5_000).all(|number| is_found(&keys, number)));
}

#[test]
fn space_that_is_meant_for_the_log_is_left_alone() {
    let disk = SimulatedDisk::default();
    disk.limit(1_000_000);
    let reserving = huntcore_event_keys::KeysOptions {
        free_bytes_min: 995_000,
        ..options()
    };
    let mut keys = open_with(&disk, reserving);
    write(&mut keys, 0, 100, 0);
    let facts = (100..400).map(fact).collect();
    let refused = keys.write_facts(span(100, 400, 0), Hash32::ZERO, facts);
    assert!(
        matches!(refused, Err(KeysError::Reserved { .. })),
        "{refused:?}"
    );
    assert!(
        disk.files()
            .iter()
            .all(|file| file.starts_with(directory()))
    );
    assert_eq!(spans(&keys), [(0, 100)]);
}

#[test]
fn more_events_than_may_be_kept_are_refused() {
    let disk = SimulatedDisk::default();
    let limited = huntcore_event_keys::KeysOptions {
        events_max: 150,
        ..options()
    };
    let mut keys = open_with(&disk, limited);
    write(&mut keys, 0, 100, 0);
    let facts = (100..151).map(fact).collect();
    let refused = keys.write_facts(span(100, 151, 0), Hash32::ZERO, facts);
    assert!(
        matches!(refused, Err(KeysError::Limit { .. })),
        "{refused:?}"
    );
    write(&mut keys, 100, 150, 0);
}
