//! Damage is refused with file and offset, or cut off where only a crash can have left it;
//! it is never read as something else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_log::suite::Owner;
use huntcore_log::{Log, ReadError};
use huntcore_log_file::{FileLog, FileLogOptions, Inspection, OpenError};
use huntcore_model::{Batch, Sequence, ShardId};

use crate::support::{SHARD, directory, open, read, segment, segments};

/// A log whose first batches fill two segments and whose last two batches, in the third,
/// nobody called durable yet.
fn small_log(fillers: &[usize]) -> (SimulatedDisk, Vec<Batch>) {
    let disk = SimulatedDisk::default();
    let log = small(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    let mut written: Vec<_> = fillers
        .iter()
        .map(|&filler| owner.commit(1, filler))
        .collect();
    let batches = [owner.batch(2, 50), {
        let first = owner.batch(2, 50);
        let tail = std::mem::replace(&mut owner.tail, first.tail());
        let second = owner.batch(1, 60);
        owner.tail = tail;
        second
    }];
    for batch in batches {
        owner.submit(&batch).expect("room");
        assert!(owner.wait().result.durable().is_some());
        written.push(batch);
    }
    drop(owner);
    drop(log);
    (disk, written)
}

fn small(disk: &SimulatedDisk) -> Result<FileLog, OpenError> {
    let options = FileLogOptions {
        segment_bytes: 8 << 10,
        spares: false,
        ..FileLogOptions::default()
    };
    FileLog::open_on(Arc::new(disk.clone()), directory(), options)
}

/// What is durable beyond doubt: all but the last two batches.
fn durable(written: &[Batch]) -> &[Batch] {
    &written[..written.len() - 2]
}

/// The offset in the last segment at which the batches of unknown durability begin.
fn doubtful_offset(disk: &SimulatedDisk, written: &[Batch]) -> (PathBuf, usize) {
    let last = segments(disk).pop().expect("segments");
    let content = disk.content(&last);
    let doubtful = &written[written.len() - 2];
    let offset = content
        .windows(doubtful.bytes().len())
        .position(|window| window == &**doubtful.bytes());
    (last, offset.expect("the batch is in the last segment"))
}

fn snapshot(disk: &SimulatedDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let files = disk.files().into_iter();
    files
        .map(|path| (path.clone(), disk.content(&path)))
        .collect()
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_cut_off_and_never_misread() {
    let (disk, written) = small_log(&[1_500, 1_500, 40, 1_400, 1_000, 500, 900]);
    let (last, doubtful) = doubtful_offset(&disk, &written);
    assert!(segments(&disk).len() >= 2);
    let (mut refused, mut cut, mut told_by_readers) = (0, 0, 0);
    for path in disk.files() {
        for offset in 0..disk.content(&path).len() {
            let damaged = disk.copy();
            damaged.change(&path, |bytes| bytes[offset] ^= 1 << (offset % 8));
            let context = format!("{} offset {offset}", path.display());
            match small(&damaged) {
                Ok(log) => {
                    let (there, error) = read_to_damage(&log);
                    if let Some(error) = error {
                        // Segments that were finished are not read on opening.
                        assert!(path != last, "{context}: opened");
                        check_told(&error, &path, offset, &context);
                        assert!(written.starts_with(&there), "{context}: misread");
                        let inspection = Inspection::open(Arc::new(damaged.clone()), directory());
                        let verified = inspection.expect("readable").verify(SHARD);
                        match verified.expect_err("damaged") {
                            OpenError::Corrupt {
                                file, offset: told, ..
                            } => {
                                assert!(file == path && told <= offset as u64, "{context}");
                            }
                            other => panic!("{context}: {other}"),
                        }
                        told_by_readers += 1;
                        continue;
                    }
                    let at_end = path == last && offset >= doubtful;
                    assert!(
                        at_end || there == written,
                        "{context}: durable data is gone"
                    );
                    assert!(written.starts_with(&there), "{context}: misread");
                    assert!(
                        there.starts_with(durable(&written)),
                        "{context}: cut too much"
                    );
                    cut += u32::from(there != written);
                    // Nothing of what was cut comes back.
                    let mut owner = Owner::next(&log, SHARD);
                    let mut expected = there;
                    expected.push(owner.commit(1, 10));
                    drop(owner);
                    drop(log);
                    let log = small(&damaged).expect("mended");
                    assert!(read(&log) == expected, "{context}: came back");
                }
                Err(OpenError::Corrupt {
                    file, offset: told, ..
                }) => {
                    refused += 1;
                    assert_eq!(file.parent(), path.parent(), "{context}");
                    // Told at the batch that it hit, which is at most so long.
                    let is_batch =
                        path.extension().is_some_and(|name| name == "log") && told >= 4_096;
                    assert!(
                        !is_batch || file != path || (told <= offset as u64),
                        "{context}: told {} offset {told}",
                        file.display()
                    );
                }
                Err(OpenError::Format { file, .. }) => assert_eq!(file, path, "{context}"),
                Err(other) => panic!("{context}: {other}"),
            }
        }
    }
    assert!(
        refused > 5_000 && cut > 400 && told_by_readers > 3_000,
        "{refused} refused, {cut} cut, {told_by_readers} found by readers"
    );
}

/// All that can be read, and what keeps the rest from it.
fn read_to_damage(log: &dyn Log) -> (Vec<Batch>, Option<ReadError>) {
    let mut batches = Vec::new();
    for batch in log.read(SHARD, Sequence::ZERO).expect("readable") {
        match batch {
            Ok(batch) => batches.push(batch),
            Err(error) => return (batches, Some(error)),
        }
    }
    (batches, None)
}

/// A reader names the file, and the batch that holds the damage.
fn check_told(error: &ReadError, path: &Path, offset: usize, context: &str) {
    let ReadError::Corrupt { place, .. } = error else {
        panic!("{context}: {error}");
    };
    let (file, told) = place.split_once(" offset ").expect("file and offset");
    assert_eq!(file, path.display().to_string(), "{context}");
    let told: usize = told.parse().expect("an offset");
    assert!(
        told <= offset && offset < told + 4_096,
        "{context}: {place}"
    );
}

#[test]
fn damage_to_what_was_durable_names_file_and_offset_and_changes_nothing() {
    let (disk, written) = small_log(&[300, 300, 300]);
    let second = 4_096 + written[0].bytes().len();
    disk.change(&segment(0), |bytes| bytes[second + 120] ^= 1);
    let before = snapshot(&disk);
    let error = small(&disk).err().expect("refused").to_string();
    assert!(
        error.contains(&format!("{} at offset {second}", segment(0).display())),
        "{error}"
    );
    assert!(error.contains("from a copy"), "{error}");
    assert!(snapshot(&disk) == before, "something was changed");
}

#[test]
fn a_torn_end_is_cut_though_later_blocks_reached_the_disk() {
    for lost in 0..2 {
        let (disk, written) = small_log(&[300, 300]);
        let (last, doubtful) = doubtful_offset(&disk, &written);
        let first_length = written[2].bytes().len();
        let second_length = written[3].bytes().len();
        let (from, length) = [
            (doubtful, first_length),
            (doubtful + first_length, second_length),
        ][lost];
        disk.change(&last, |bytes| bytes[from..from + length].fill(0));
        let log = small(&disk).expect("torn, not damaged");
        let kept = 2 + lost;
        assert_eq!(read(&log), written[..kept]);
        let content = disk.content(&last);
        assert!(
            content[from..].iter().all(|&byte| byte == 0),
            "old bytes are left"
        );
        let mut owner = Owner::next(&log, SHARD);
        let mut expected = written[..kept].to_vec();
        expected.push(owner.commit(2, 50));
        drop(owner);
        drop(log);
        assert_eq!(read(&small(&disk).expect("mended")), expected);
    }
}

#[test]
fn a_lost_batch_that_a_later_one_calls_durable_is_corruption() {
    let (disk, written) = small_log(&[300, 300, 300]);
    // The last durable batch is lost; the two behind it know better.
    let (last, doubtful) = doubtful_offset(&disk, &written);
    let lost = written[2].bytes().len();
    disk.change(&last, |bytes| bytes[doubtful - lost..doubtful].fill(0));
    let error = small(&disk).err().expect("refused").to_string();
    let place = format!("{} at offset {}", last.display(), doubtful - lost);
    assert!(error.contains(&place), "{error}");
    assert!(error.contains("were durable"), "{error}");
}

/// A log of at least four segments.
fn long_log() -> (SimulatedDisk, Vec<PathBuf>) {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    for _ in 0..16 {
        owner.commit(2, 3_000);
    }
    let mut other = Owner::next(&log, ShardId::new(1));
    for _ in 0..16 {
        other.commit(2, 3_000);
    }
    drop((owner, other, log));
    let mut paths = segments(&disk);
    paths.retain(|path| path.to_string_lossy().contains("shard-00000"));
    assert!(paths.len() >= 4, "{paths:?}");
    (disk, paths)
}

fn check_refused(name: &str, expected_file: &Path, harm: impl FnOnce(&SimulatedDisk, &[PathBuf])) {
    let (disk, paths) = long_log();
    harm(&disk, &paths);
    let before = snapshot(&disk);
    let Err(error) = open(&disk) else {
        panic!("{name}: opened");
    };
    let text = error.to_string();
    let file = expected_file.display().to_string();
    assert!(text.contains(&file), "{name}: {text}, expected {file}");
    assert!(snapshot(&disk) == before, "{name}: something was changed");
}

#[test]
fn a_segment_that_is_missing_is_refused_by_name() {
    let (_, paths) = long_log();
    for index in [0, paths.len() - 1] {
        let name = format!("segment {index} missing");
        check_refused(&name, &paths[index], |disk, paths| {
            disk.remove_file(&paths[index]);
        });
    }
    // The one before ends too early.
    check_refused("middle", &paths[2], |disk, paths| {
        disk.remove_file(&paths[2]);
    });
}

#[test]
fn a_segment_that_is_renamed_is_refused_by_name() {
    let (_, paths) = long_log();
    let backup = paths[1].with_extension("bak");
    check_refused("backup", &backup, |disk, paths| {
        disk.move_file(&paths[1], &backup);
    });
    let later = paths[3].with_file_name("00000000000000000999.log");
    check_refused("later", &later, |disk, paths| {
        disk.move_file(&paths[3], &later);
    });
    let between = paths[1].with_file_name("00000000000000000011.log");
    check_refused("between", &between, |disk, paths| {
        disk.move_file(&paths[1], &between);
    });
    let odd = paths[1].with_file_name("11.log");
    check_refused("odd", &odd, |disk, paths| disk.move_file(&paths[1], &odd));
}

#[test]
fn segments_that_are_swapped_are_refused_by_name() {
    let (_, paths) = long_log();
    check_refused("swapped", &paths[1], |disk, paths| {
        let [one, two] = [disk.content(&paths[1]), disk.content(&paths[2])];
        disk.change(&paths[1], |bytes| *bytes = two);
        disk.change(&paths[2], |bytes| *bytes = one);
    });
    check_refused("of another shard", &paths[1], |disk, paths| {
        let other = paths[1]
            .to_string_lossy()
            .replace("shard-00000", "shard-00001");
        let content = disk.content(Path::new(&other));
        disk.change(&paths[1], |bytes| *bytes = content);
    });
}

#[test]
fn a_segment_of_another_length_is_refused_by_name() {
    let (_, paths) = long_log();
    let last = paths.len() - 1;
    for index in 0..paths.len() {
        for cut in [1, 500, 4_000] {
            let name = format!("segment {index} cut by {cut}");
            check_refused(&name, &paths[index], |disk, paths| {
                disk.change(&paths[index], |bytes| bytes.truncate(bytes.len() - cut));
            });
        }
    }
    check_refused("empty", &paths[1], |disk, paths| {
        disk.change(&paths[1], Vec::clear);
    });
    check_refused("longer", &paths[last], |disk, paths| {
        disk.change(&paths[last], |bytes| bytes.push(0));
    });
    check_refused("longer with bytes", &paths[0], |disk, paths| {
        disk.change(&paths[0], |bytes| bytes.push(7));
    });
}

#[test]
fn old_copies_are_refused_by_name() {
    // A state of before the last owner, and a segment of before the last batches.
    let (disk, paths) = long_log();
    let state = paths[0].with_file_name("state");
    let old_state = disk.content(&state);
    let last = paths.last().expect("segments");
    let old_last = disk.content(last);
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    for _ in 0..3 {
        owner.commit(1, 3_000);
    }
    drop((owner, log));
    let newer = disk.copy();
    newer.change(&state, |bytes| *bytes = old_state);
    let error = open(&newer).err().expect("refused").to_string();
    assert!(error.contains("state file"), "{error}");
    disk.change(last, |bytes| *bytes = old_last);
    let error = open(&disk).err().expect("refused").to_string();
    assert!(error.contains(&last.display().to_string()), "{error}");
}

#[test]
fn a_state_older_than_the_last_term_is_refused() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    Owner::next(&log, SHARD).commit(1, 0);
    let state = directory().join("shard-00000/state");
    let old = disk.content(&state);
    Owner::next(&log, SHARD).commit(1, 0);
    drop(log);
    disk.change(&state, |bytes| *bytes = old);
    let error = open(&disk).err().expect("refused").to_string();
    assert!(error.contains("batch is of epoch 2"), "{error}");
    assert!(error.contains("state file"), "{error}");
}

#[test]
fn files_of_others_and_missing_parts_are_refused_by_name() {
    let stream = directory().join("shard-00000");
    let stray = stream.join("notes.txt");
    check_refused("stray file", &stray, |disk, _| {
        disk.add_file(&stray, b"hello");
    });
    let state = stream.join("state");
    check_refused("no state", &state, |disk, _| disk.remove_file(&state));
    check_refused("other shard's state", &state, |disk, _| {
        let other = disk.content(&directory().join("shard-00001/state"));
        disk.change(&state, |bytes| *bytes = other);
    });
    let format = directory().join("format");
    check_refused("no format", directory(), |disk, _| {
        disk.remove_file(&format);
    });
    check_refused("later format", &format, |disk, _| {
        disk.change(&format, |bytes| {
            *bytes = b"huntcore log, format 2\n".to_vec();
        });
    });
    check_refused("listed without directory", &format, |disk, _| {
        disk.change(&format, |bytes| bytes.extend_from_slice(b"shard-00007\n"));
    });
    check_refused("no stream's name", &format, |disk, _| {
        disk.change(&format, |bytes| bytes.extend_from_slice(b"chard-00007\n"));
    });
    check_refused("segments not listed", &segment(0), |disk, _| {
        disk.change(&format, |bytes| {
            let text = String::from_utf8_lossy(bytes).replace("shard-00000\n", "");
            *bytes = text.into_bytes();
        });
    });
}

#[test]
fn a_header_inside_a_record_is_not_taken_for_a_batch() {
    // Bytes of another batch, which claim that much more was durable, stand in what a
    // crash tore.
    let (disk, written) = small_log(&[300, 300]);
    let (last, doubtful) = doubtful_offset(&disk, &written);
    let far = {
        let other = SimulatedDisk::default();
        let log = small(&other).expect("the log opens");
        let mut owner = Owner::next(&log, SHARD);
        for _ in 0..40 {
            owner.commit(30, 0);
        }
        owner.commit(1, 0)
    };
    assert!(far.header().durable > Sequence::new(1_000));
    disk.change(&last, |bytes| {
        bytes[doubtful] ^= 0xff;
        bytes[doubtful + 150..doubtful + 150 + far.bytes().len()].copy_from_slice(far.bytes());
    });
    let log = small(&disk).expect("torn, not damaged");
    assert_eq!(read(&log), written[..2]);
}
