//! Whatever the disk does wrong, a log never tells what was not, and never loses quietly what
//! it called durable while another batch knows better.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::simulated::{Fault, SimulatedDisk, Survival};
use huntcore_log::suite::Owner;
use huntcore_log::{CommitResult, Log, ReadError};
use huntcore_log_file::{FileLog, FileLogOptions, OpenError};
use huntcore_model::{Batch, HEADER_BYTES, Sequence};

use crate::support::{SHARD, directory, segments};

/// Segments of the least length, so that small batches fill several.
fn open(disk: &SimulatedDisk) -> Result<FileLog, OpenError> {
    let options = FileLogOptions {
        segment_bytes: 8 << 10,
        spares: false,
        ..FileLogOptions::default()
    };
    FileLog::open_on(Arc::new(disk.clone()), directory(), options)
}

/// What is read before the end, or before an error that names its place.
fn read_to_damage(log: &dyn Log) -> (Vec<Batch>, bool) {
    let mut batches = Vec::new();
    for batch in log.read(SHARD, Sequence::ZERO).expect("readable") {
        match batch {
            Ok(batch) => batches.push(batch),
            Err(ReadError::Corrupt { place, .. }) => {
                assert!(place.contains(".log offset "), "{place}");
                return (batches, true);
            }
            Err(other) => panic!("{other}"),
        }
    }
    (batches, false)
}

/// What a new start makes of a log that was tampered with.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It does not open, and says where.
    Refused,
    /// It opens; whoever reads comes upon the damage.
    Damaged,
    /// The end was cut, and nothing else.
    Cut,
    /// Nothing is missing.
    Whole,
}

/// Opens a log and holds it against what was written: it is that, or the beginning of it.
fn check_never_misread(disk: &SimulatedDisk, written: &[Batch], context: &str) -> Found {
    let log = match open(disk) {
        Ok(log) => log,
        Err(OpenError::Corrupt { file, .. }) => {
            assert!(file.starts_with(directory()), "{context}");
            return Found::Refused;
        }
        Err(other) => panic!("{context}: {other}"),
    };
    let (there, damaged) = read_to_damage(&log);
    assert!(written.starts_with(&there), "{context}: misread");
    if damaged {
        return Found::Damaged;
    }
    // And it goes on from there; nothing of what was cut comes back.
    let mut expected = there.clone();
    expected.push(Owner::next(&log, SHARD).commit(1, 77));
    drop(log);
    let log = open(disk).unwrap_or_else(|error| panic!("{context}, again: {error}"));
    let again = read_to_damage(&log);
    assert!(again == (expected, false), "{context}: changed later");
    if there.len() == written.len() {
        Found::Whole
    } else {
        Found::Cut
    }
}

/// Two groups of small batches, a roll, and a term; few enough sectors for every subset.
fn small_work(disk: &SimulatedDisk) -> (Vec<Batch>, usize) {
    let (mut submitted, mut acknowledged) = (Vec::new(), 0);
    let Ok(log) = open(disk) else {
        return (submitted, acknowledged);
    };
    for groups in [&[&[1_200, 300][..], &[200]][..], &[&[3_000], &[100, 150]]] {
        let last = log.tail(SHARD).expect("a tail").epoch;
        let Ok(mut owner) = Owner::acquire(&log, SHARD, last.next(), 1) else {
            return (submitted, acknowledged);
        };
        for group in groups {
            for &filler in *group {
                let batch = owner.batch(1, filler);
                if owner.submit(&batch).is_err() {
                    return (submitted, acknowledged);
                }
                submitted.push(batch);
            }
            for _ in *group {
                match owner.wait_or_end().map(|completion| completion.result) {
                    Some(CommitResult::Committed { .. }) => acknowledged += 1,
                    _ => return (submitted, acknowledged),
                }
            }
        }
    }
    (submitted, acknowledged)
}

#[test]
fn whatever_subset_of_unsynced_writes_a_crash_takes_nothing_acknowledged_is_lost() {
    let (mut operations, mut cases, mut exhaustive) = (0, 0, 0);
    loop {
        let disk = SimulatedDisk::default();
        disk.die_after(operations);
        let (submitted, acknowledged) = small_work(&disk);
        let survivals = disk.survivals(1 << 10);
        exhaustive += usize::from(survivals.contains(&Survival::Subset(0)));
        for survival in survivals {
            let context = format!("crash at {operations}, {survival:?}");
            let disk = disk.after_crash(survival);
            let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let (there, damaged) = if log.usage().expect("usage").streams.is_empty() {
                (Vec::new(), false)
            } else {
                read_to_damage(&log)
            };
            assert!(
                !damaged && submitted.starts_with(&there),
                "{context}: misread"
            );
            assert!(there.len() >= acknowledged, "{context}: lost");
            cases += 1;
        }
        if !disk.is_dead() {
            assert_eq!(acknowledged, 6);
            break;
        }
        operations += 1;
    }
    assert!(
        operations >= 60 && cases > 2_000 && exhaustive > 50,
        "{operations} crashes, {cases} cases, every subset in {exhaustive}"
    );
}

#[test]
fn whatever_fails_once_nothing_is_acknowledged_that_a_new_start_does_not_find() {
    for error in [ErrorKind::Other, ErrorKind::StorageFull] {
        for operations in 0.. {
            let disk = SimulatedDisk::default();
            disk.fail_after(operations, error);
            let (submitted, acknowledged) = work_on(&disk);
            let context = format!("{error:?} at {operations}");
            // The process ends in good order, or with the machine.
            for survival in disk.survivals(6) {
                let disk = disk.after_crash(survival);
                let log = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
                if log.usage().expect("usage").streams.is_empty() {
                    assert_eq!(acknowledged, 0, "{context}");
                    continue;
                }
                let (there, damaged) = read_to_damage(&log);
                assert!(!damaged, "{context}");
                let expected: Vec<_> = there
                    .iter()
                    .map(|batch| submitted.contains(batch))
                    .collect();
                assert!(expected.iter().all(|&known| known), "{context}: misread");
                assert!(there.len() >= acknowledged, "{context}: lost");
            }
            if disk.operations() <= operations {
                assert!(operations > 60 && acknowledged == 12, "{context}");
                break;
            }
        }
    }
}

/// Goes on after failures as far as the log lets it; nothing is acknowledged once the log is
/// poisoned.
fn work_on(disk: &SimulatedDisk) -> (Vec<Batch>, usize) {
    let (mut submitted, mut acknowledged) = (Vec::new(), 0);
    let Ok(log) = open(disk) else {
        return (submitted, acknowledged);
    };
    for term in 0..3 {
        let epoch = log.tail(SHARD).expect("a tail").epoch.next();
        let Ok(mut owner) = Owner::acquire(&log, SHARD, epoch, 1) else {
            continue;
        };
        assert!(log.poison().is_none(), "a poisoned log granted term {term}");
        for filler in [900, 1_500, 10, 1_100] {
            let batch = owner.batch(1, filler);
            let was_poisoned = log.poison().is_some();
            if owner.submit(&batch).is_err() {
                break;
            }
            submitted.push(batch);
            let result = owner.wait_or_end().map(|completion| completion.result);
            if let Some(CommitResult::Committed { .. }) = result {
                assert!(!was_poisoned, "acknowledged by a poisoned log");
                acknowledged += 1;
            }
        }
        if term == 1 {
            let end = log.tail(SHARD).expect("a tail").tail.sequence;
            drop(log.trim(SHARD, Sequence::new(end.get().min(1))));
        }
    }
    (submitted, acknowledged)
}

/// Where each batch stands.
struct Place {
    file: PathBuf,
    offset: usize,
    length: usize,
}

/// A stopped log of several segments, and where its batches stand; the last two are not
/// called durable by any other.
fn stopped() -> (SimulatedDisk, Vec<Batch>, Vec<Place>) {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let mut written: Vec<_> = [600, 1_300, 1_300, 40, 1_200, 900, 700, 400, 300]
        .into_iter()
        .map(|filler| owner.commit(1, filler))
        .collect();
    // Their makers did not hear of the ones before.
    let durable = owner.durable;
    for filler in [200, 250] {
        owner.durable = durable;
        written.push(owner.commit(1, filler));
    }
    drop((owner, log));
    let mut places = Vec::new();
    for file in segments(&disk) {
        let content = disk.content(&file);
        let mut offset = 4_096;
        while let Some(batch) = written.get(places.len()) {
            let length = batch.bytes().len();
            if content.get(offset..offset + length) != Some(&**batch.bytes()) {
                break;
            }
            places.push(Place {
                file: file.clone(),
                offset,
                length,
            });
            offset += length;
        }
    }
    assert_eq!(places.len(), written.len());
    assert!(segments(&disk).len() >= 3);
    (disk, written, places)
}

fn overwrite(disk: &SimulatedDisk, file: &Path, offset: usize, bytes: &[u8]) {
    disk.change(file, |content| {
        let end = (offset + bytes.len()).min(content.len());
        if offset < end {
            content[offset..end].copy_from_slice(&bytes[..end - offset]);
        }
    });
}

#[test]
fn a_batch_that_landed_in_another_place_is_never_read_there() {
    let (disk, written, places) = stopped();
    let mut found = Vec::new();
    for (index, place) in places.iter().enumerate() {
        for other in &places {
            for shift in [0, 1, 512, other.length] {
                let (to, at) = (&other.file, other.offset + shift);
                if (to, at) == (&place.file, place.offset) {
                    continue;
                }
                let context = format!("batch {index} at {} offset {at}", to.display());
                let disk = disk.copy();
                overwrite(&disk, &place.file, place.offset, &vec![0; place.length]);
                overwrite(&disk, to, at, written[index].bytes());
                let result = check_never_misread(&disk, &written, &context);
                // Not lost without a word, as long as one header is left that knows better.
                let overwritten = at..at + place.length;
                let knows = written.iter().zip(&places).any(|(batch, stands)| {
                    let header = stands.offset..stands.offset + HEADER_BYTES;
                    batch.header().durable >= written[index].header().next_sequence()
                        && (stands.file != *to
                            || header.end <= overwritten.start
                            || overwritten.end <= header.start)
                });
                assert!(
                    !knows || matches!(result, Found::Refused | Found::Damaged),
                    "{context}: {result:?}"
                );
                found.push(result);
            }
        }
    }
    for expected in [Found::Refused, Found::Damaged] {
        let count = found.iter().filter(|&found| *found == expected).count();
        assert!(count > 40, "{count} of {expected:?}");
    }
}

#[test]
fn a_write_that_goes_elsewhere_while_running_is_found_by_readers_and_at_the_next_start() {
    let (source, ..) = stopped();
    let files = segments(&source);
    let last = files.last().expect("segments");
    let faults = [
        Fault::WriteLost,
        Fault::WriteMisplaced {
            file: last.clone(),
            offset: 7_000,
        },
        Fault::WriteMisplaced {
            file: last.clone(),
            offset: 4_096,
        },
        Fault::WriteMisplaced {
            file: files[0].clone(),
            offset: 4_096,
        },
    ];
    for fault in faults {
        let disk = source.copy();
        let log = open(&disk).expect("the log opens");
        let mut owner = Owner::next(&log, SHARD);
        let (mut written, damaged) = read_to_damage(&log);
        assert!(!damaged);
        disk.fail(".log", fault.clone());
        written.push(owner.commit(1, 200));
        written.push(owner.commit(1, 210));
        let (there, damaged) = read_to_damage(&log);
        assert!(damaged && written.starts_with(&there), "{fault:?}");
        drop((owner, log));
        let found = check_never_misread(&disk, &written, &format!("{fault:?}"));
        assert!(
            matches!(found, Found::Refused | Found::Damaged),
            "{fault:?}: {found:?}"
        );
    }
}

#[test]
fn old_batches_that_reappear_behind_the_end_are_never_read() {
    let (disk, written, places) = stopped();
    let last = &places[places.len() - 1];
    let end = last.offset + last.length;
    let old = disk.content(&places[0].file);
    let mut found = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let stale = disk.content(&place.file)[place.offset..place.offset + place.length].to_vec();
        for shift in [0, 1, 96, 512, 1_000] {
            for kept in [place.length, place.length / 2, 96] {
                let context = format!("{kept} bytes of batch {index}, {shift} behind the end");
                let disk = disk.copy();
                overwrite(&disk, &last.file, end + shift, &stale[..kept]);
                let result = check_never_misread(&disk, &written, &context);
                let expected = matches!(result, Found::Refused | Found::Whole);
                assert!(expected, "{context}: {result:?}");
                found.push(result);
            }
        }
    }
    assert!(found.contains(&Found::Refused) && found.contains(&Found::Whole));
    // All that an older segment held, block for block.
    let disk = disk.copy();
    overwrite(&disk, &last.file, end, &old[end..]);
    let result = check_never_misread(&disk, &written, "an older segment's blocks");
    assert!(
        matches!(result, Found::Refused | Found::Whole),
        "{result:?}"
    );
}

#[test]
fn space_that_still_holds_old_batches_is_refused_or_cut_and_never_read() {
    let (source, written, places) = stopped();
    let mut found = Vec::new();
    for place in &places {
        let disk = source.copy();
        disk.recycle(&disk.content(&place.file));
        let log = open(&disk).expect("the log opens");
        let mut owner = Owner::next(&log, SHARD);
        let mut written = written.clone();
        // Into new segments, made of space that was used before.
        for filler in [2_000, 2_000, 700] {
            written.push(owner.commit(1, filler));
        }
        assert_eq!(read_to_damage(&log), (written.clone(), false));
        drop((owner, log));
        let context = format!("space of {}", place.file.display());
        let result = check_never_misread(&disk, &written, &context);
        assert!(
            matches!(result, Found::Refused | Found::Whole),
            "{context}: {result:?}"
        );
        found.push(result);
    }
}

#[test]
fn a_read_that_fails_is_told_and_the_next_one_works() {
    let (disk, written, _) = stopped();
    let log = open(&disk).expect("the log opens");
    disk.fail(".log", Fault::Read);
    let first = log.read(SHARD, Sequence::ZERO).expect("readable").next();
    let failed = matches!(first, Some(Err(ReadError::Home { .. })));
    assert!(failed, "{first:?}");
    assert_eq!(read_to_damage(&log), (written, false));
    drop(log);
    disk.fail(".log", Fault::Read);
    let refused = open(&disk).err();
    assert!(matches!(refused, Some(OpenError::Io { .. })), "{refused:?}");
    open(&disk).expect("it strikes once");
}
