//! A crash at any moment loses nothing acknowledged, whatever part of the rest survives.

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_log::suite::Owner;
use huntcore_log::suite::history::{Step, run};
use huntcore_log::{CommitResult, Log};
use huntcore_model::{Batch, Epoch, Sequence};
use proptest::prelude::*;

use crate::support::{SHARD, SimFixture, open, read};

/// What a process had been told when its machine crashed.
#[derive(Default)]
struct Told {
    epoch: Epoch,
    submitted: Vec<Batch>,
    acknowledged: usize,
    trimmed: Sequence,
}

/// Some of everything: new streams, several segments, several in flight, a second owner, a
/// trim, a second start. Ends early when the disk dies.
fn work(disk: &SimulatedDisk) -> Told {
    let mut told = Told::default();
    for start in 1..3 {
        let Ok(log) = open(disk) else { return told };
        for term in 0..2 {
            let epoch = Epoch::new(start * 10 + term);
            let Ok(mut owner) = Owner::acquire(&log, SHARD, epoch, 1) else {
                return told;
            };
            told.epoch = epoch;
            if submit(&mut owner, &mut told, &[(1, 0), (2, 3_000), (1, 10)]).is_none()
                || submit(&mut owner, &mut told, &[(3, 2_000)]).is_none()
                || submit(&mut owner, &mut told, &[(1, 3_500), (1, 0)]).is_none()
            {
                return told;
            }
        }
        let before = Sequence::new(
            told.submitted
                .last()
                .map_or(0, |last| last.header().first_sequence.get() * 2 / 3),
        );
        if log.trim(SHARD, before).is_err() {
            return told;
        }
        told.trimmed = before;
    }
    told
}

/// Submits several at once, then waits for them.
fn submit(owner: &mut Owner, told: &mut Told, batches: &[(u32, usize)]) -> Option<()> {
    for &(records, filler) in batches {
        let batch = owner.batch(records, filler);
        owner.submit(&batch).ok()?;
        told.submitted.push(batch);
    }
    for _ in batches {
        match owner.wait_or_end()?.result {
            CommitResult::Committed { .. } => told.acknowledged += 1,
            _ => return None,
        }
    }
    Some(())
}

/// Holds a log against what had been told before the crash.
fn check(log: &dyn Log, told: &Told, context: &str) -> Vec<Batch> {
    let end = log.tail(SHARD).expect("a tail");
    assert!(end.epoch >= told.epoch, "{context}: epoch {}", end.epoch);
    if log.usage().expect("usage").streams.is_empty() {
        assert_eq!(told.acknowledged, 0, "{context}");
        return Vec::new();
    }
    let there = read(log);
    let oldest = there
        .first()
        .map_or(end.tail.sequence, |first| first.header().first_sequence);
    let skipped = told
        .submitted
        .partition_point(|batch| batch.header().first_sequence < oldest);
    let kept = told
        .submitted
        .partition_point(|batch| batch.header().next_sequence() <= told.trimmed);
    // A trim that was not acknowledged may have happened, behind the next segment's start.
    assert!(
        skipped <= kept.max(told.acknowledged.saturating_sub(1)),
        "{context}: begins at {oldest}"
    );
    let count = there.len();
    assert!(
        skipped + count >= told.acknowledged,
        "{context}: {} of {} acknowledged are there",
        skipped + count,
        told.acknowledged
    );
    assert!(
        there == told.submitted[skipped..skipped + count],
        "{context}: other batches than were submitted"
    );
    there
}

#[test]
fn a_crash_before_any_change_of_the_disk_is_recovered_from() {
    let mut operations = 0;
    loop {
        let disk = SimulatedDisk::default();
        disk.die_after(operations);
        let told = work(&disk);
        for choice in 0..10 {
            let context = format!("crash at {operations}, choice {choice}");
            let disk = disk.after_crash(choice);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let mut there = check(&log, &told, &context);
            // It goes on, and a second crash takes nothing of that either.
            let mut owner = Owner::next(&log, SHARD);
            there.push(owner.commit(2, 100));
            drop(owner);
            disk.die();
            drop(log);
            let disk = disk.after_crash(0);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}, again: {error}"));
            assert!(read(&log) == there, "{context}, again");
        }
        if !disk.is_dead() {
            assert_eq!(told.acknowledged, told.submitted.len());
            assert!(told.acknowledged > 20 && operations > 100, "{operations}");
            break;
        }
        operations += 1;
    }
}

#[test]
fn a_crash_while_recovering_is_recovered_from() {
    // Three batches in flight on a disk that keeps some of their sectors.
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let mut told = Told {
        epoch: owner.epoch,
        ..Told::default()
    };
    submit(&mut owner, &mut told, &[(2, 700), (1, 900)]).expect("alive");
    disk.hold(true);
    for filler in [1_500, 1_200, 900] {
        let batch = owner.batch(1, filler);
        owner.submit(&batch).expect("room");
        told.submitted.push(batch);
    }
    disk.die();
    drop(log);
    for choice in 0..20 {
        let crashed = disk.after_crash(choice);
        let mut operations = 0;
        loop {
            let disk = crashed.copy();
            disk.die_after(operations);
            let survived = open(&disk).is_ok();
            disk.die();
            let context = format!("choice {choice}, second crash at {operations}");
            let disk = disk.after_crash(choice + operations);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&log, &told, &context);
            Owner::next(&log, SHARD).commit(1, 0);
            if survived {
                break;
            }
            operations += 1;
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..4_u8, 0..3_000_u16).prop_map(|(records, filler)| Step::Submit { records, filler }),
        2 => Just(Step::Hold),
        2 => Just(Step::Wait),
        1 => Just(Step::Acquire),
        1 => (0..=1_000_u16).prop_map(|permille| Step::Trim { permille }),
        1 => Just(Step::Read),
        1 => Just(Step::Reopen),
        2 => any::<u64>().prop_map(|choice| Step::Crash { choice }),
    ];
    proptest::collection::vec(step, 1..50)
}

proptest! {
    #[test]
    fn any_history_keeps_what_was_acknowledged(
        steps in steps(),
        short_writes: bool,
        spares: bool,
    ) {
        let mut fixture = SimFixture::new();
        fixture.spares = spares;
        if short_writes {
            fixture.disk.write_short();
        }
        run(&mut fixture, &steps);
    }
}
