//! Logs for tests: on a simulated disk and in a real directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_log::Log;
use huntcore_log::suite::Fixture;
use huntcore_log_file::{FileLog, FileLogOptions, OpenError};
use huntcore_model::{Batch, Sequence, ShardId};
use tempfile::TempDir;

use huntcore_disk::simulated::{Fault, SimulatedDisk};

/// Small enough that a test fills several.
pub(crate) const SEGMENT_BYTES: u64 = 16 << 10;
pub(crate) const SHARD: ShardId = ShardId::new(0);
const DIRECTORY: &str = "/data/log";

pub(crate) fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

pub(crate) fn options() -> FileLogOptions {
    FileLogOptions {
        segment_bytes: SEGMENT_BYTES,
        // Its thread would make the order of the disk's changes a matter of chance.
        spares: false,
        ..FileLogOptions::default()
    }
}

pub(crate) fn open(disk: &SimulatedDisk) -> Result<FileLog, OpenError> {
    FileLog::open_on(Arc::new(disk.clone()), directory(), options())
}

/// The segment of `SHARD` that begins at `first`.
pub(crate) fn segment(first: u64) -> PathBuf {
    directory().join(format!("shard-00000/{first:020}.log"))
}

pub(crate) fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let mut paths = disk.files();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths
}

/// All of `SHARD` that can be read.
pub(crate) fn read(log: &dyn Log) -> Vec<Batch> {
    let oldest = log.usage().expect("usage").streams[0].oldest;
    log.read(SHARD, oldest)
        .expect("readable")
        .collect::<Result<_, _>>()
        .expect("all of it readable")
}

pub(crate) fn sequence(value: u64) -> Sequence {
    Sequence::new(value)
}

/// The suite's hands on a log on a simulated disk.
pub(crate) struct SimFixture {
    pub(crate) disk: SimulatedDisk,
    pub(crate) spares: bool,
}

impl SimFixture {
    pub(crate) fn new() -> Self {
        Self {
            disk: SimulatedDisk::default(),
            spares: false,
        }
    }
}

impl Fixture for SimFixture {
    fn open(&mut self) -> Arc<dyn Log> {
        let options = FileLogOptions {
            spares: self.spares,
            ..options()
        };
        let log = FileLog::open_on(Arc::new(self.disk.clone()), directory(), options);
        Arc::new(log.expect("the log opens"))
    }

    fn close(&mut self, log: Arc<dyn Log>) {
        drop(log);
    }

    fn crash(&mut self, log: Arc<dyn Log>, choice: u64) {
        self.disk.die();
        drop(log);
        self.disk = self.disk.after_crash(choice);
    }

    fn hold(&mut self, held: bool) -> bool {
        self.disk.hold(held);
        true
    }

    fn fill(&mut self, full: bool) -> bool {
        self.disk.fill(full);
        true
    }

    fn doubt_next(&mut self, shard: ShardId, stored: bool) -> bool {
        let kind = if stored {
            Fault::SyncStored
        } else {
            Fault::Write
        };
        self.disk.fail(&huntcore_log::stream_name(shard), kind);
        true
    }
}

/// The suite's hands on a log in a real directory.
pub(crate) struct DirectoryFixture {
    directory: TempDir,
}

impl DirectoryFixture {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().expect("a temporary directory"),
        }
    }
}

impl Fixture for DirectoryFixture {
    fn open(&mut self) -> Arc<dyn Log> {
        let path = self.directory.path().join("data");
        let options = FileLogOptions {
            spares: true,
            ..options()
        };
        Arc::new(FileLog::open(&path, options).expect("the log opens"))
    }

    fn close(&mut self, log: Arc<dyn Log>) {
        drop(log);
    }

    fn crash(&mut self, log: Arc<dyn Log>, _choice: u64) {
        drop(log);
    }

    fn hold(&mut self, _held: bool) -> bool {
        false
    }

    fn fill(&mut self, _full: bool) -> bool {
        false
    }

    fn doubt_next(&mut self, _shard: ShardId, _stored: bool) -> bool {
        false
    }
}
