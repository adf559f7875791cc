//! Readers work beside the writer and read no more than they have to.

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_log::suite::Owner;
use huntcore_log::{Log, ReadError};

use crate::support::{SHARD, open, options, read, segments, sequence};

#[test]
fn a_reader_near_the_end_reads_little_of_a_long_segment() {
    let disk = SimulatedDisk::default();
    let options = huntcore_log_file::FileLogOptions {
        segment_bytes: 8 << 20,
        ..options()
    };
    let directory = crate::support::directory();
    let log =
        huntcore_log_file::FileLog::open_on(std::sync::Arc::new(disk.clone()), directory, options)
            .expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let written: Vec<_> = (0..1_000).map(|_| owner.commit(1, 3_900)).collect();
    let bytes: usize = written.iter().map(|batch| batch.bytes().len()).sum();
    for from in [1_000, 1_990, 500] {
        let before = disk.bytes_read();
        let first = log
            .read(SHARD, sequence(from))
            .expect("readable")
            .next()
            .expect("there is one")
            .expect("sound");
        assert!(first.header().first_sequence <= sequence(from));
        assert!(first.header().next_sequence() > sequence(from));
        let read = disk.bytes_read() - before;
        assert!(read < bytes as u64 / 5, "{read} of {bytes} bytes read");
    }
}

#[test]
fn a_reader_ends_where_the_log_was_durable_when_it_began() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let mut written: Vec<_> = (0..9).map(|_| owner.commit(1, 3_000)).collect();
    let mut reader = log.read(SHARD, sequence(0)).expect("readable");
    assert_eq!(reader.next().expect("one").expect("sound"), written[0]);
    for _ in 0..9 {
        written.push(owner.commit(1, 3_000));
    }
    let rest: Vec<_> = reader.collect::<Result<_, _>>().expect("sound");
    assert_eq!(rest, written[1..9]);
}

#[test]
fn a_reader_that_a_trim_overtakes_is_told() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    for _ in 0..16 {
        owner.commit(1, 3_000);
    }
    let end = owner.tail.sequence;
    let mut reader = log.read(SHARD, sequence(0)).expect("readable");
    let mut not_begun = log.read(SHARD, sequence(0)).expect("readable");
    reader.next().expect("one").expect("sound");
    log.trim(SHARD, end).expect("trimmed");
    let last = reader.last().expect("an end");
    assert!(matches!(last, Err(ReadError::Trimmed { .. })), "{last:?}");
    let first = not_begun.next().expect("an error");
    assert!(matches!(first, Err(ReadError::Trimmed { .. })), "{first:?}");
    assert!(not_begun.next().is_none(), "it has ended");
    assert!(!read(&log).is_empty(), "the rest is there");
}

#[test]
fn damage_under_a_reader_is_told_with_its_place() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let first = owner.commit(1, 1_000);
    owner.commit(1, 1_000);
    let path = segments(&disk).remove(0);
    let offset = 4_096 + first.bytes().len();
    for harm in [|byte: &mut u8| *byte ^= 1, |byte: &mut u8| *byte = 0] {
        disk.change(&path, |bytes| {
            bytes[offset..offset + 96].iter_mut().for_each(harm);
        });
        let mut reader = log.read(SHARD, sequence(0)).expect("readable");
        assert_eq!(reader.next().expect("one").expect("sound"), first);
        let error = reader
            .next()
            .expect("an error")
            .expect_err("damaged")
            .to_string();
        let place = format!("{} offset {offset}", path.display());
        assert!(error.contains(&place), "{error}");
        assert!(reader.next().is_none(), "it has ended");
    }
}

#[test]
fn opening_reads_no_more_of_a_long_log_than_of_a_short_one() {
    let disk = SimulatedDisk::default();
    let mut read_to_open = Vec::new();
    for batches in [20, 400] {
        let log = open(&disk).expect("the log opens");
        let mut owner = Owner::next(&log, SHARD);
        for _ in 0..batches {
            owner.commit(1, 3_000);
        }
        let end = owner.tail;
        drop((owner, log));
        let before = disk.bytes_read();
        let log = open(&disk).expect("the log opens");
        assert_eq!(log.tail(SHARD).expect("a tail").tail, end);
        // All but a header of each segment, and what stands right behind it.
        let segments = segments(&disk).len() as u64;
        read_to_open.push((segments, disk.bytes_read() - before));
    }
    let [(few, little), (many, much)] = read_to_open[..] else {
        unreachable!("two logs");
    };
    assert!(many > few + 80, "{few} segments, then {many}");
    assert!(
        much < little + (many - few) * 5_000,
        "{little} bytes for {few} segments, {much} for {many}"
    );
}

#[test]
fn segments_that_were_not_read_on_opening_are_read_from_anywhere() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let written: Vec<_> = (0..40)
        .map(|index| owner.commit(1 + index % 3, 1_500))
        .collect();
    let end = owner.tail.sequence.get();
    drop((owner, log));
    let log = open(&disk).expect("the log opens");
    assert!(segments(&disk).len() > 4);
    for from in 0..=end {
        let from = sequence(from);
        let there: Result<Vec<_>, _> = log.read(SHARD, from).expect("readable").collect();
        let first = written.partition_point(|batch| batch.header().next_sequence() <= from);
        assert_eq!(there.expect("sound"), written[first..], "from {from}");
    }
}
