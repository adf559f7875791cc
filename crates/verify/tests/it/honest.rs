//! What the engine writes is found to be right, however it is read.

use huntcore_model::Batch;
use huntcore_verify::End;

use crate::deployment::{Deployment, key};
use crate::logs::verify_in_order;

#[test]
fn a_log_as_the_engine_writes_it_has_no_fault() {
    for shards in [1, 3] {
        let report = Deployment::history(shards).verify(Some(key()), End::OfLog);
        assert_eq!(report.faults, [], "{shards} shards");
        assert_eq!((report.hunts, report.streams), (1, u64::from(shards) + 1));
        assert!(report.claims > 100 && report.rounds > 8, "{report:?}");
        assert_eq!(
            (report.points_verified, report.points_pending),
            (report.claims, 0)
        );
        assert_eq!(
            (report.maps_verified, report.seeds_verified),
            (report.rounds, report.rounds)
        );
        assert_eq!(report.players, 9);
        // Both boards of the hunt, and a window for each second or so.
        assert!(report.boards_compared > 8, "{report:?}");
        let copied = report.control_copies / u64::from(shards);
        assert_eq!(report.control_entries, copied + report.seeds_verified);
    }
}

#[test]
fn without_the_key_the_published_seeds_tell_the_same() {
    let log = Deployment::history(3);
    assert_eq!(
        log.verify(None, End::OfLog),
        log.verify(Some(key()), End::OfLog)
    );
}

#[test]
fn rounds_without_a_seed_are_checked_by_the_key_alone() {
    let mut deployment = Deployment::new(3);
    deployment.pass(2_000);
    (0..10).for_each(|turn| deployment.play(turn));
    let log = deployment.log();
    let with_key = log.verify(Some(key()), End::OfLog);
    let without = log.verify(None, End::OfLog);
    assert!(with_key.is_ok() && without.is_ok());
    assert_eq!(with_key.points_verified, with_key.claims);
    assert!(without.points_pending > 0);
    assert_eq!(
        without.points_verified + without.points_pending,
        without.claims
    );
}

#[test]
fn the_order_between_streams_does_not_matter() {
    let log = Deployment::history(3);
    let expected = log.verify(Some(key()), End::OfLog);
    let forwards = log.streams.iter().flatten();
    let backwards = log.streams.iter().rev().flatten();
    let longest = log.streams.iter().map(Vec::len).max().expect("streams");
    let in_turn = (0..longest).flat_map(|at| log.streams.iter().filter_map(move |s| s.get(at)));
    let orders: [Vec<&Batch>; 3] = [forwards.collect(), backwards.collect(), in_turn.collect()];
    for batches in orders {
        let report = verify_in_order(log.shards, batches, Some(key()), End::OfLog);
        assert_eq!(report, expected);
    }
}

#[test]
fn a_log_that_goes_on_may_be_read_unevenly() {
    let mut deployment = Deployment::new(3);
    deployment.pass(2_000);
    (0..12).for_each(|turn| deployment.play(turn));
    let whole = deployment.log();
    for stream in 0..whole.streams.len() {
        for batches in (0..whole.streams[stream].len()).step_by(29) {
            let mut log = whole.clone();
            log.streams[stream].truncate(batches);
            let report = log.verify(None, End::OfReading);
            assert!(report.is_ok(), "{stream} {batches}: {:?}", report.faults);
        }
    }
}
