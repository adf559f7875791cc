//! A directory belongs to one process, and only to a log.

use huntcore_log::Log;
use huntcore_log::suite::Owner;
use huntcore_log_file::{FileLog, OpenError};
use tempfile::TempDir;

use crate::support::{SHARD, options, sequence};

#[test]
fn a_directory_in_use_is_refused_with_its_name_and_holder() {
    let temporary = TempDir::new().expect("a temporary directory");
    let path = temporary.path().join("data");
    let log = FileLog::open(&path, options()).expect("the log opens");
    Owner::next(&log, SHARD).commit(1, 0);
    match FileLog::open(&path, options()) {
        Err(error @ OpenError::InUse { pid, .. }) => {
            assert_eq!(pid, Some(std::process::id()));
            let text = error.to_string();
            assert!(text.contains(&path.display().to_string()), "{text}");
        }
        Err(other) => panic!("expected InUse, got {other}"),
        Ok(_) => panic!("opened twice"),
    }
    Owner::next(&log, SHARD).commit(1, 0);
    drop(log);
    FileLog::open(&path, options()).expect("free again");
}

#[test]
fn a_lock_file_that_was_left_behind_says_nothing() {
    let temporary = TempDir::new().expect("a temporary directory");
    std::fs::write(temporary.path().join("lock"), "1\n").expect("written");
    let log = FileLog::open(temporary.path(), options()).expect("nobody holds it");
    drop(log);
    let text = std::fs::read_to_string(temporary.path().join("lock")).expect("a lock file");
    assert_eq!(text.trim(), std::process::id().to_string());
}

#[test]
fn another_process_that_holds_the_lock_is_named() {
    let temporary = TempDir::new().expect("a temporary directory");
    drop(FileLog::open(temporary.path(), options()).expect("the log opens"));
    let lock = temporary.path().join("lock");
    // The lock is the kernel's, so any program can hold it.
    let mut child = std::process::Command::new("flock")
        .arg("--exclusive")
        .arg(&lock)
        .args(["sh", "-c", "echo held; read _"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("util-linux has flock");
    let mut line = String::new();
    let output = child.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("a line");
    assert_eq!(line, "held\n");
    let refused = FileLog::open(temporary.path(), options()).err();
    assert!(
        matches!(refused, Some(OpenError::InUse { .. })),
        "{refused:?}"
    );
    drop(child.stdin.take());
    child.wait().expect("it ends");
    FileLog::open(temporary.path(), options()).expect("free again");
}

#[test]
fn a_directory_with_other_files_is_no_log() {
    let temporary = TempDir::new().expect("a temporary directory");
    std::fs::write(temporary.path().join("thesis.txt"), "all of it").expect("written");
    let error = FileLog::open(temporary.path(), options())
        .err()
        .expect("refused");
    let text = error.to_string();
    assert!(matches!(error, OpenError::NotALog { .. }), "{text}");
    assert!(text.contains("thesis.txt"), "{text}");
    let names: Vec<_> = std::fs::read_dir(temporary.path())
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names.len(), 1, "nothing came to it: {names:?}");
}

#[test]
fn a_path_that_cannot_be_a_directory_is_named() {
    let temporary = TempDir::new().expect("a temporary directory");
    let path = temporary.path().join("file");
    std::fs::write(&path, "").expect("written");
    let error = FileLog::open(&path.join("data"), options())
        .err()
        .expect("refused");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[test]
fn segments_are_as_long_as_they_are_told_and_finished_ones_shorter() {
    let temporary = TempDir::new().expect("a temporary directory");
    let log = FileLog::open(temporary.path(), options()).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    for _ in 0..12 {
        owner.commit(1, 3_000);
    }
    let usage = log.usage().expect("usage");
    let mut on_disk: Vec<_> = std::fs::read_dir(temporary.path().join("shard-00000"))
        .expect("readable")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().extension().is_some_and(|name| name == "log"))
        .map(|entry| (entry.file_name(), entry.metadata().expect("readable").len()))
        .collect();
    on_disk.sort();
    let (last, finished) = on_disk.split_last().expect("segments");
    assert_eq!(last.1, crate::support::SEGMENT_BYTES);
    assert!(
        finished.len() >= 2 && finished.iter().all(|file| file.1 < last.1),
        "{on_disk:?}"
    );
    assert_eq!(usage.bytes, on_disk.iter().map(|file| file.1).sum::<u64>());
    assert_eq!(usage.streams[0].segments, on_disk.len() as u64);
    assert!(usage.free_bytes.is_some_and(|free| free > 0));
    assert!(usage.syncs_total >= 12 && usage.sync_latency.percentile(990).is_some());
    log.trim(SHARD, sequence(12)).expect("trimmed");
    let names = std::fs::read_dir(temporary.path().join("shard-00000")).expect("readable");
    assert!(names.count() < on_disk.len(), "files are gone");
}
