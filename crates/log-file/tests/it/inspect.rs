//! Looking into a log beside its server, or when there is none.

use std::num::NonZeroUsize;
use std::sync::mpsc::{TryRecvError, channel};
use std::sync::{Arc, Mutex};

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_log::suite::Owner;
use huntcore_log::{Log, ReadError};
use huntcore_log_file::{FileLog, Inspection, Progress};
use huntcore_model::ShardId;
use tempfile::TempDir;

use crate::support::{SHARD, directory, open, options, read, segments, sequence};

#[test]
fn a_running_log_shows_what_is_complete() {
    let temporary = TempDir::new().expect("a temporary directory");
    let log = FileLog::open(temporary.path(), options()).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    Owner::next(&log, ShardId::CONTROL).commit(1, 0);
    let mut written = Vec::new();
    for _ in 0..5 {
        for _ in 0..4 {
            written.push(owner.commit(2, 1_500));
        }
        let inspection = FileLog::inspect(temporary.path()).expect("readable");
        assert_eq!(inspection.shards(), [SHARD, ShardId::CONTROL]);
        let report = inspection.verify(SHARD).expect("sound");
        assert_eq!(
            (report.tail, report.batches),
            (owner.tail, written.len() as u64)
        );
        assert_eq!(report.torn, None);
        for from in [0, 5, owner.tail.sequence.get()] {
            let from = sequence(from);
            let there: Result<Vec<_>, _> =
                inspection.read(SHARD, from).expect("readable").collect();
            let first = written.partition_point(|batch| batch.header().next_sequence() <= from);
            assert_eq!(there.expect("all readable"), written[first..]);
        }
    }
    log.trim(SHARD, sequence(30)).expect("trimmed");
    let inspection = FileLog::inspect(temporary.path()).expect("readable");
    let report = inspection.verify(SHARD).expect("sound");
    let listing = inspection.list(SHARD).expect("readable");
    assert_eq!(listing.epoch, report.epoch);
    assert_eq!(listing.segments.len() as u64, report.segments);
    assert_eq!(listing.segments[0].first, report.oldest);
    let bytes: u64 = listing.segments.iter().map(|segment| segment.bytes).sum();
    assert_eq!(bytes, report.bytes);
    assert!(report.oldest > sequence(0) && report.oldest <= sequence(30));
    let trimmed = inspection.read(SHARD, sequence(0)).err();
    assert!(
        matches!(trimmed, Some(ReadError::Trimmed { .. })),
        "{trimmed:?}"
    );
}

#[test]
fn verifying_beside_a_busy_writer_never_finds_fault() {
    let temporary = TempDir::new().expect("a temporary directory");
    let log = FileLog::open(temporary.path(), options()).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    owner.commit(1, 0);
    let path = temporary.path().to_owned();
    let (stop, stopped) = channel::<()>();
    let looking = std::thread::spawn(move || {
        let mut looks = 0;
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            let inspection = FileLog::inspect(&path).expect("readable");
            inspection.verify(SHARD).expect("sound");
            for batch in inspection.read(SHARD, sequence(0)).expect("readable") {
                batch.expect("sound");
            }
            looks += 1;
        }
        looks
    });
    for index in 0..600 {
        owner.commit(1, index % 900);
    }
    drop(stop);
    assert!(looking.join().expect("no fault was found") > 0);
}

#[test]
fn a_torn_end_is_reported_and_left_as_it_is() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let written = [owner.commit(1, 100), owner.commit(1, 100)];
    drop((owner, log));
    let path = segments(&disk).remove(0);
    let offset = 4_096 + written[0].bytes().len();
    disk.change(&path, |bytes| bytes[offset + 100] ^= 1);
    let before = disk.content(&path);
    let inspection = Inspection::open(Arc::new(disk.clone()), directory()).expect("readable");
    let report = inspection.verify(SHARD).expect("no more than torn");
    let torn = report.torn.expect("it is");
    assert_eq!((torn.file, torn.offset), (path.clone(), offset as u64));
    let there = inspection.read(SHARD, sequence(0)).expect("readable");
    assert_eq!(
        there.collect::<Result<Vec<_>, _>>().expect("sound"),
        written[..1]
    );
    assert_eq!(disk.content(&path), before);
    assert_eq!(read(&open(&disk).expect("cut")), written[..1]);
}

#[test]
fn an_empty_directory_has_no_streams() {
    let temporary = TempDir::new().expect("a temporary directory");
    let inspection = FileLog::inspect(temporary.path()).expect("readable");
    assert!(inspection.shards().is_empty());
    assert_eq!(
        std::fs::read_dir(temporary.path())
            .expect("readable")
            .count(),
        0
    );
    assert!(FileLog::inspect(&temporary.path().join("nowhere")).is_err());
}

#[test]
fn several_streams_are_verified_on_several_threads_with_progress() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let shards = [SHARD, ShardId::new(1), ShardId::CONTROL];
    let mut tails = Vec::new();
    for shard in shards {
        let mut owner = Owner::next(&log, shard);
        for _ in 0..30 {
            owner.commit(1, 3_000);
        }
        tails.push(owner.tail);
    }
    drop(log);
    let paths = segments(&disk);
    let damaged = paths
        .iter()
        .filter(|path| path.to_string_lossy().contains("shard-00001"))
        .nth(2)
        .expect("several segments");
    disk.change(damaged, |bytes| bytes[6_000] ^= 1);
    for threads in 1..4 {
        let inspection = Inspection::open(Arc::new(disk.clone()), directory()).expect("readable");
        let told = Mutex::new(Vec::new());
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let results = inspection.verify_streams(&shards, threads, &|progress| {
            told.lock().expect("not poisoned").push(progress);
        });
        let [sound, refused, control] = results.try_into().expect("one for each stream");
        let refused = refused.expect_err("damaged").to_string();
        assert!(
            refused.contains(&damaged.display().to_string()),
            "{refused}"
        );
        for (report, tail) in [(sound, tails[0]), (control, tails[2])] {
            let report = report.expect("sound");
            assert_eq!((report.tail, report.batches), (tail, 30));
            assert!(report.segments > 4);
        }
        let told = told.into_inner().expect("not poisoned");
        assert!(told.is_sorted_by_key(|progress| progress.bytes));
        let total: u64 = paths
            .iter()
            .map(|path| disk.content(path).len() as u64)
            .sum();
        let last = Progress {
            bytes: total,
            bytes_total: total,
        };
        assert_eq!(told.last(), Some(&last));
    }
}
