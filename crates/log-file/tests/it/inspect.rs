//! Looking into a log beside its server, or when there is none.

use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};

use huntcore_log::suite::Owner;
use huntcore_log::{Log, ReadError};
use huntcore_log_file::{FileLog, Inspection};
use huntcore_model::ShardId;
use tempfile::TempDir;

use crate::support::{SHARD, directory, open, options, read, segments, sequence};
use huntcore_disk::simulated::SimulatedDisk;

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
