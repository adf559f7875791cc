//! Backups are taken beside a busy server, hold all that was acknowledged, and are restored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use huntcore_disk::simulated::{Fault, SimulatedDisk};
use huntcore_disk::{Disk, LockKind, make_directory, remove_tree, replace_file};
use huntcore_log::suite::Owner;
use huntcore_log::{CommitResult, Log};
use huntcore_log_file::{
    CopyError, CopyProgress, CopyReport, CopyStage, FileLog, OpenError, backup, backup_on, restore,
    restore_on,
};
use huntcore_model::{
    Batch, BatchBuilder, ControlRecord, Epoch, HuntNumber, Record, Sequence, ShardId,
};
use tempfile::TempDir;

use crate::support::{SHARD, directory, open, options, segments, sequence};

const OTHER: ShardId = ShardId::new(1);
const COPY: &str = "/backup";
const BACK: &str = "/restored/data";

fn quiet(_: CopyProgress) {}

fn back_up(disk: &SimulatedDisk) -> Result<CopyReport, CopyError> {
    let disk = Arc::new(disk.clone());
    backup_on(disk, directory(), Path::new(COPY), &quiet)
}

fn bring_back(disk: &SimulatedDisk) -> Result<CopyReport, CopyError> {
    let disk = Arc::new(disk.clone());
    restore_on(disk, Path::new(COPY), Path::new(BACK), &quiet)
}

fn all(log: &dyn Log, shard: ShardId) -> Vec<Batch> {
    log.read(shard, Sequence::ZERO)
        .expect("readable")
        .collect::<Result<_, _>>()
        .expect("sound")
}

/// A stopped log with three streams, a key and two checkpoints.
fn stopped() -> (SimulatedDisk, BTreeMap<ShardId, Vec<Batch>>) {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut written = BTreeMap::new();
    for shard in [ShardId::CONTROL, SHARD, OTHER] {
        let mut owner = Owner::next(&log, shard);
        let batches = (0..20).map(|index| owner.commit(1 + index % 3, 1_700));
        written.insert(shard, batches.collect());
    }
    drop(log);
    for (name, bytes) in [
        ("fairness.key", &b"secret"[..]),
        ("checkpoints/7/manifest", b"seven"),
        ("checkpoints/8/parts/one", b"eight"),
        ("checkpoints/9.tmp/part", b"not finished"),
        ("notes/private", b"not the log's"),
    ] {
        let path = directory().join(name);
        make_directory(&disk, path.parent().expect("a directory")).expect("made");
        replace_file(&disk, &path, bytes).expect("stored");
    }
    (disk, written)
}

fn open_at(disk: &SimulatedDisk, path: &str) -> Result<FileLog, OpenError> {
    FileLog::open_on(Arc::new(disk.clone()), Path::new(path), options())
}

#[test]
fn a_backup_of_a_stopped_log_is_restored_with_all_that_belongs_to_it() {
    let (disk, written) = stopped();
    let report = back_up(&disk).expect("backed up");
    assert_eq!(report.files, 3);
    assert_eq!(report.streams.len(), 3);
    assert_eq!(report.streams[2].shard, ShardId::CONTROL);
    // Nothing of the source is needed any more, and everything is durable.
    remove_tree(&disk, directory()).expect("removed");
    let disk = disk.after_crash(0);
    let restored = bring_back(&disk).expect("restored");
    assert_eq!(restored, report);
    let disk = disk.after_crash(0);
    for (name, bytes) in [
        ("fairness.key", &b"secret"[..]),
        ("checkpoints/7/manifest", b"seven"),
        ("checkpoints/8/parts/one", b"eight"),
    ] {
        assert_eq!(disk.content(&Path::new(BACK).join(name)), bytes);
    }
    let others = ["9.tmp", "private", "lock"];
    let copied = disk.files();
    assert!(
        !copied.iter().any(|path| {
            let path = path.to_string_lossy();
            path.starts_with(BACK) && others.iter().any(|other| path.contains(other))
        }),
        "{copied:?}"
    );
    let log = open_at(&disk, BACK).expect("the log opens");
    for (&shard, batches) in &written {
        assert_eq!(&all(&log, shard), batches);
        // It goes on where it was, under a later term.
        Owner::next(&log, shard).commit(1, 0);
    }
}

#[test]
fn a_target_that_holds_anything_is_refused_and_left_alone() {
    let (disk, _) = stopped();
    back_up(&disk).expect("backed up");
    let before = disk.files();
    match back_up(&disk) {
        Err(CopyError::NotEmpty { directory, .. }) => assert_eq!(directory, Path::new(COPY)),
        other => panic!("expected NotEmpty, got {other:?}"),
    }
    make_directory(&disk, Path::new(BACK)).expect("made");
    disk.add_file(&Path::new(BACK).join("thesis.txt"), b"all of it");
    match bring_back(&disk) {
        Err(CopyError::NotEmpty { found, .. }) => assert_eq!(found, "thesis.txt"),
        other => panic!("expected NotEmpty, got {other:?}"),
    }
    assert_eq!(disk.files().len(), before.len() + 1);
    let nothing = SimulatedDisk::default();
    make_directory(&nothing, directory()).expect("made");
    assert!(matches!(back_up(&nothing), Err(CopyError::Empty { .. })));
}

#[test]
fn progress_goes_through_the_stages_to_the_end() {
    let (disk, _) = stopped();
    back_up(&disk).expect("backed up");
    let told = Mutex::new(Vec::new());
    let shared: Arc<dyn Disk> = Arc::new(disk);
    restore_on(shared, Path::new(COPY), Path::new(BACK), &|progress| {
        told.lock().expect("not poisoned").push(progress);
    })
    .expect("restored");
    let told = told.into_inner().expect("not poisoned");
    let mut rest = told.as_slice();
    for stage in [
        CopyStage::VerifyingSource,
        CopyStage::Copying,
        CopyStage::VerifyingCopy,
    ] {
        let count = rest.partition_point(|progress| progress.stage == stage);
        let (of_stage, others) = rest.split_at(count);
        assert!(of_stage.is_sorted_by_key(|told| told.progress.bytes));
        let last = of_stage.last().expect("told").progress;
        assert_eq!(last.bytes, last.bytes_total, "{stage:?}");
        rest = others;
    }
    assert!(rest.is_empty());
}

#[test]
fn a_damaged_source_makes_no_backup_and_a_damaged_backup_is_not_restored() {
    let (disk, _) = stopped();
    let paths = segments(&disk);
    for path in [&paths[0], paths.last().expect("several")] {
        let disk = disk.copy();
        disk.change(path, |bytes| bytes[4_500] ^= 1);
        let error = back_up(&disk).expect_err("damaged");
        let file = path.file_name().expect("a name").to_string_lossy();
        let (CopyError::Source(source) | CopyError::Copy(source)) = &error else {
            panic!("{error}");
        };
        let source = source.to_string();
        assert!(
            source.contains(&*file) && source.contains("offset 4096"),
            "{source}"
        );
        // What is there is no log.
        assert!(matches!(
            open_at(&disk, COPY),
            Err(OpenError::NotALog { .. })
        ));
        assert!(bring_back(&disk).is_err());
    }
    back_up(&disk).expect("backed up");
    let copies = disk.files();
    let copies: Vec<_> = copies
        .iter()
        .filter(|path| path.starts_with(COPY))
        .collect();
    let before = disk.files();
    for path in copies {
        let is_stream = path.to_string_lossy().contains("shard-00001");
        if !is_stream {
            continue;
        }
        for offset in (0..disk.content(path).len()).step_by(997) {
            let damaged = disk.copy();
            damaged.change(path, |bytes| bytes[offset] ^= 0x10);
            let error = bring_back(&damaged).expect_err("damaged");
            let refused = matches!(error, CopyError::Source(_) | CopyError::Unfinished(_));
            assert!(refused, "{} offset {offset}: {error}", path.display());
            assert_eq!(damaged.files(), before, "nothing was copied");
        }
    }
}

#[test]
fn a_crash_while_copying_leaves_no_log_or_a_whole_one() {
    let (disk, written) = stopped();
    let mut finished = 0;
    for operations in 0.. {
        let disk = disk.copy();
        disk.die_after(operations);
        let done = back_up(&disk).is_ok();
        for survival in disk.survivals(3) {
            let disk = disk.after_crash(survival);
            match open_at(&disk, COPY) {
                Ok(log) if !log.usage().expect("usage").streams.is_empty() => {
                    for (&shard, batches) in &written {
                        assert_eq!(&all(&log, shard), batches, "crash at {operations}");
                    }
                    finished += 1;
                }
                Ok(_) | Err(OpenError::NotALog { .. }) => {
                    assert!(!done, "crash at {operations}: gone after it was done");
                }
                Err(other) => panic!("crash at {operations}: {other}"),
            }
            open(&disk).expect("the source is as it was");
        }
        if done {
            break;
        }
    }
    assert!(finished > 3, "{finished}");
}

#[test]
fn failures_of_the_disk_are_told_apart() {
    for (path, fault, full) in [
        ("/backup", Fault::CreateFull, true),
        ("/backup/shard", Fault::Allocate, true),
        ("/backup/shard", Fault::WriteFull(9), true),
        ("/backup/checkpoints", Fault::WriteFull(1), true),
        ("/backup/control", Fault::Write, false),
        ("/backup/fairness", Fault::SyncAll, false),
        ("/backup", Fault::SyncDirectory, false),
        ("/data/log/checkpoints", Fault::Read, false),
    ] {
        let (disk, _) = stopped();
        disk.fail(path, fault.clone());
        let error = back_up(&disk).expect_err("it fails");
        let is_full = matches!(error, CopyError::Full { .. });
        let is_io = matches!(error, CopyError::Io { .. });
        assert!(if full { is_full } else { is_io }, "{fault:?}: {error:?}");
        assert!(open_at(&disk, COPY).is_err(), "{fault:?}: it is no log");
        remove_tree(&disk, Path::new(COPY)).expect("removed");
        back_up(&disk).expect("it strikes once");
    }
}

#[test]
fn bytes_that_went_elsewhere_are_found_before_a_backup_is_called_done() {
    for path in [
        "/backup/shard-00001",
        "/backup/checkpoints",
        "/backup/fairness",
    ] {
        let (disk, _) = stopped();
        disk.fail(path, Fault::WriteLost);
        let error = back_up(&disk).expect_err("found");
        let found = matches!(error, CopyError::Copy(_) | CopyError::Differs { .. });
        assert!(found, "{path}: {error:?}");
    }
}

#[test]
fn nothing_is_trimmed_while_a_backup_is_made() {
    let disk = SimulatedDisk::default();
    let log = open(&disk).expect("the log opens");
    let mut owner = Owner::next(&log, SHARD);
    for _ in 0..16 {
        owner.commit(1, 3_000);
    }
    let end = owner.tail.sequence;
    let count = segments(&disk).len();
    let lock = disk
        .lock(&directory().join("backup.lock"), LockKind::Shared)
        .expect("free");
    log.trim(SHARD, end).expect("put off");
    assert_eq!(segments(&disk).len(), count);
    assert_eq!(log.usage().expect("usage").streams[0].oldest, sequence(0));
    assert!(
        log.trim(SHARD, end.advanced(1)).is_err(),
        "refused all the same"
    );
    drop(lock);
    log.trim(SHARD, end).expect("trimmed");
    assert_eq!(segments(&disk).len(), 1);
}

/// A record of control at `at`, as a shard copies it.
fn copied(at: Sequence) -> Record<'static> {
    Record::Control {
        at,
        record: Box::new(ControlRecord::HuntPaused {
            hunt: HuntNumber::new(1),
        }),
    }
}

/// Commits to control and copies to both shards, until told to stop.
struct Server<'s> {
    log: &'s FileLog,
    acknowledged: Mutex<BTreeMap<ShardId, Sequence>>,
    stop: AtomicBool,
}

impl Server<'_> {
    fn run(&self, data: &Path) {
        let shards = [ShardId::CONTROL, SHARD, OTHER];
        let mut owners = shards.map(|shard| Owner::next(self.log, shard));
        let mut checkpoint = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let at = owners[0].tail.sequence;
            for owner in &mut owners {
                let mut builder = BatchBuilder::new();
                builder.push(&copied(at));
                for _ in 0..40 {
                    builder.push(&Record::Time);
                }
                let time = owner.tail.time;
                let batch =
                    builder.finish(owner.shard, owner.epoch, &owner.tail, time, owner.durable);
                owner.submit(&batch).expect("room");
                let tail = batch.tail();
                assert_eq!(owner.wait().result, CommitResult::Committed { tail });
                let mut acknowledged = self.acknowledged.lock().expect("not poisoned");
                acknowledged.insert(owner.shard, tail.sequence);
            }
            if at.get() % 5 == 0 {
                self.take_checkpoint(data, checkpoint, at);
                checkpoint += 1;
            }
        }
    }

    /// As the checkpoint store does it; then trims behind the older of two.
    fn take_checkpoint(&self, data: &Path, number: u64, at: Sequence) {
        let directory = data.join("checkpoints");
        let name = |number: u64| directory.join(number.to_string());
        let draft = directory.join(format!("{number}.tmp"));
        std::fs::create_dir_all(&draft).expect("made");
        std::fs::write(draft.join("at"), at.get().to_string()).expect("written");
        std::fs::rename(&draft, name(number)).expect("renamed");
        if let Some(old) = number.checked_sub(2) {
            std::fs::remove_dir_all(name(old)).expect("removed");
            let kept = std::fs::read_to_string(name(old + 1).join("at")).expect("readable");
            let kept = kept.parse().expect("a sequence");
            self.log
                .trim(ShardId::CONTROL, Sequence::new(kept))
                .expect("trimmed");
        }
    }
}

#[test]
fn a_backup_beside_a_busy_server_holds_all_that_was_acknowledged_and_hangs_together() {
    let temporary = TempDir::new().expect("a temporary directory");
    let data = temporary.path().join("data");
    let log = FileLog::open(&data, options()).expect("the log opens");
    let server = Server {
        log: &log,
        acknowledged: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(&data));
        for round in 0..12 {
            let acknowledged = loop {
                let acknowledged = server.acknowledged.lock().expect("not poisoned").clone();
                if acknowledged.len() == 3 {
                    break acknowledged;
                }
                std::thread::yield_now();
            };
            let copy = temporary.path().join(format!("backup-{round}"));
            let back = temporary.path().join(format!("restored-{round}"));
            backup(&data, &copy, &quiet).expect("backed up");
            restore(&copy, &back, &quiet).expect("restored");
            check_restored(&back, &acknowledged);
        }
        server.stop.store(true, Ordering::Relaxed);
        running.join().expect("no panic");
    });
}

fn check_restored(back: &Path, acknowledged: &BTreeMap<ShardId, Sequence>) {
    let log = FileLog::open(back, options()).expect("the log opens");
    let control = log.tail(ShardId::CONTROL).expect("a tail").tail.sequence;
    let mut oldest = BTreeMap::new();
    for stream in log.usage().expect("usage").streams {
        assert!(stream.next >= acknowledged[&stream.shard], "{stream:?}");
        oldest.insert(stream.shard, stream.oldest);
    }
    for shard in [SHARD, OTHER] {
        for batch in all(&log, shard) {
            for record in batch.records() {
                if let Record::Control { at, .. } = record.expect("sound").1 {
                    assert!(
                        at < control,
                        "{at} is not in control, which ends at {control}"
                    );
                }
            }
        }
    }
    // A checkpoint is whole, and not ahead of the log.
    let checkpoints = back.join("checkpoints");
    let names: Vec<PathBuf> = std::fs::read_dir(&checkpoints)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("readable").path())
        .collect();
    for path in &names {
        let at = std::fs::read_to_string(path.join("at")).expect("whole");
        let at = Sequence::new(at.parse().expect("a sequence"));
        assert!(
            at < control && at >= oldest[&ShardId::CONTROL],
            "{path:?} at {at}"
        );
    }
    assert_eq!(log.tail(SHARD).expect("a tail").epoch, Epoch::new(1));
    Owner::next(&log, SHARD).commit(1, 0);
}
