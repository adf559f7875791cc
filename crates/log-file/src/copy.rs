//! Backup and restore: a data directory, copied while a server writes to it, and back.
//!
//! A backup holds everything that was acknowledged before it began, and perhaps more. First
//! the checkpoints are copied, then the shards' streams, then the control stream: so no
//! checkpoint is ahead of its log, and no shard has a copy of a control record that is not
//! there. Trims keep still meanwhile (`backup.lock`). Everything is synced, then read back
//! and verified: checksums, chains, and that nothing is missing that was called durable. The
//! format file, without which a directory is no log, is written last; so what an interruption
//! leaves can't be taken for a backup.
//!
//! Besides streams and checkpoints it takes the plain files beside them, keys included, but
//! neither locks nor drafts (`*.tmp`). It merges nothing and replaces nothing: the target is
//! empty, or it is refused.

mod stream;
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::{Disk, LockKind, RealDisk, StoreError, is_no_space, make_directory};
use huntcore_model::ShardId;

use self::tree::Files;
use crate::error::{Failure, OpenError};
use crate::files::{BACKUP_LOCK, read_format, write_format};
use crate::inspect::Inspection;
use crate::parallel;
use crate::scan::Damage;
use crate::verify::{Meter, Progress, StreamReport};

/// Bytes are copied so many at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStage {
    /// Verifying what is to be copied; before a restore only.
    VerifyingSource,
    /// Copying.
    Copying,
    /// Verifying the copy.
    VerifyingCopy,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// What it is doing. Stages come in the order of [`CopyStage`].
    pub stage: CopyStage,
    /// How far that has come.
    pub progress: Progress,
}

/// Called about once for each MiB, from several threads, by one at a time.
pub type OnCopyProgress<'p> = &'p (dyn Fn(CopyProgress) + Sync);

/// A copy that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyReport {
    /// Every stream, as it is in the copy.
    pub streams: Vec<StreamReport>,
    /// Files besides: checkpoints, keys.
    pub files: u64,
    /// Length of all of that.
    pub bytes: u64,
}

/// Why there is no copy. The source is as it was; the target holds no log, and what is in it
/// can be removed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target holds something; nothing was done.
    #[error("{} is not empty, it holds {found:?}: choose an empty directory", directory.display())]
    NotEmpty {
        /// Which directory.
        directory: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// There is nothing to be copied.
    #[error("{} holds no log", directory.display())]
    Empty {
        /// Which directory.
        directory: PathBuf,
    },
    /// What is to be copied can't be read, or is damaged.
    #[error("cannot copy a log that is not sound")]
    Source(#[source] OpenError),
    /// What is to be restored ends in something that is no batch, which no verified backup
    /// does.
    #[error(
        "backup is damaged: {} at offset {}: {}",
        .0.file.display(), .0.offset, .0.reason
    )]
    Unfinished(Damage),
    /// The copy was read back and is not what was written.
    #[error("the copy is not sound")]
    Copy(#[source] OpenError),
    /// A copied file was read back and is not what was written.
    #[error("checksum of the copy {} is {found:08x}, expected {expected:08x}", file.display())]
    Differs {
        /// Which file.
        file: PathBuf,
        /// Of what was read.
        expected: u32,
        /// Of what stands there.
        found: u32,
    },
    /// No space left for the copy.
    #[error("no space left to {what} {}", file.display())]
    Full {
        /// Doing what.
        what: &'static str,
        /// Which file or directory.
        file: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system failed.
    #[error("failed to {what} {}", file.display())]
    Io {
        /// Doing what.
        what: &'static str,
        /// Which file or directory.
        file: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl CopyError {
    fn io(what: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| {
            if is_no_space(&source) {
                Self::Full { what, file, source }
            } else {
                Self::Io { what, file, source }
            }
        }
    }
}

impl From<StoreError> for CopyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { what, file, source } => Self::Full { what, file, source },
            StoreError::Doubt { what, file, source } => Self::Io { what, file, source },
        }
    }
}

/// Copies the data directory `source` into the empty directory `target`, whether or not a
/// server runs on it.
pub fn backup(
    source: &Path,
    target: &Path,
    on_progress: OnCopyProgress<'_>,
) -> Result<CopyReport, CopyError> {
    backup_on(Arc::new(RealDisk), source, target, on_progress)
}

/// The same on a file system of one's own.
pub fn backup_on(
    disk: Arc<dyn Disk>,
    source: &Path,
    target: &Path,
    on_progress: OnCopyProgress<'_>,
) -> Result<CopyReport, CopyError> {
    let job = Job {
        disk,
        source,
        target,
        on_progress,
    };
    job.prepare()?;
    let lock = source.join(BACKUP_LOCK);
    let _lock = job
        .disk
        .wait_for_lock(&lock, LockKind::Shared)
        .map_err(CopyError::io("lock", &lock))?;
    job.copy()
}

/// Verifies the backup `source`, then copies it into the empty directory `target`, where a
/// server can go on with it. A backup is at rest: nobody writes to it or trims it meanwhile.
pub fn restore(
    source: &Path,
    target: &Path,
    on_progress: OnCopyProgress<'_>,
) -> Result<CopyReport, CopyError> {
    restore_on(Arc::new(RealDisk), source, target, on_progress)
}

/// The same on a file system of one's own.
pub fn restore_on(
    disk: Arc<dyn Disk>,
    source: &Path,
    target: &Path,
    on_progress: OnCopyProgress<'_>,
) -> Result<CopyReport, CopyError> {
    let job = Job {
        disk,
        source,
        target,
        on_progress,
    };
    let shards = job.prepare()?;
    let verified = job.verify(source, &shards, CopyStage::VerifyingSource);
    let streams = verified.map_err(CopyError::Source)?;
    match streams.into_iter().find_map(|stream| stream.torn) {
        Some(torn) => Err(CopyError::Unfinished(torn)),
        None => job.copy(),
    }
}

struct Job<'j> {
    disk: Arc<dyn Disk>,
    source: &'j Path,
    target: &'j Path,
    on_progress: OnCopyProgress<'j>,
}

impl Job<'_> {
    /// Finds out what there is to copy, and that the target is empty; touches nothing else.
    fn prepare(&self) -> Result<Vec<ShardId>, CopyError> {
        let shards = self.shards()?;
        match self.disk.list(self.target) {
            Ok(names) => match names.into_iter().next() {
                None => Ok(shards),
                Some(found) => Err(CopyError::NotEmpty {
                    directory: self.target.to_owned(),
                    found,
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(shards),
            Err(error) => Err(CopyError::io("list", self.target)(error)),
        }
    }

    /// The source's streams, control last.
    fn shards(&self) -> Result<Vec<ShardId>, CopyError> {
        let shards = read_format(&*self.disk, self.source).map_err(CopyError::Source)?;
        let mut shards = shards.ok_or_else(|| CopyError::Empty {
            directory: self.source.to_owned(),
        })?;
        shards.sort_by_key(|shard| (shard.is_control(), *shard));
        Ok(shards)
    }

    fn copy(&self) -> Result<CopyReport, CopyError> {
        make_directory(&*self.disk, self.target).map_err(CopyError::io("create", self.target))?;
        let told = |progress| {
            (self.on_progress)(CopyProgress {
                stage: CopyStage::Copying,
                progress,
            });
        };
        let meter = Meter::new(self.bytes_total()?, &told);
        let mut files = Files::new(&*self.disk, self.source, self.target, &meter);
        files.copy()?;
        // Not before: a checkpoint must not be ahead of its log.
        let shards = self.shards()?;
        for &shard in &shards {
            stream::copy(&*self.disk, self.source, self.target, shard, &meter)?;
        }
        self.disk
            .sync_directory(self.target)
            .map_err(CopyError::io("sync", self.target))?;
        let verified = self.verify(self.target, &shards, CopyStage::VerifyingCopy);
        let streams = verified.map_err(CopyError::Copy)?;
        if let Some(torn) = streams.iter().find_map(|stream| stream.torn.clone()) {
            return Err(CopyError::Copy(OpenError::Corrupt {
                file: torn.file,
                offset: torn.offset,
                reason: torn.reason,
            }));
        }
        files.verify()?;
        write_format(&*self.disk, self.target, shards).map_err(|failure| self.undone(failure))?;
        Ok(CopyReport {
            bytes: files.bytes() + streams.iter().map(|stream| stream.bytes).sum::<u64>(),
            files: files.count(),
            streams,
        })
    }

    fn undone(&self, failure: Failure) -> CopyError {
        let (Failure::Full(reason) | Failure::Doubt { reason, .. }) = failure;
        CopyError::io("finish", self.target)(io::Error::other(reason))
    }

    /// What there is to copy, as far as that can be told before.
    fn bytes_total(&self) -> Result<u64, CopyError> {
        let mut bytes = Files::bytes_total(&*self.disk, self.source)?;
        for shard in self.shards()? {
            bytes += stream::bytes_total(&*self.disk, self.source, shard)?;
        }
        Ok(bytes)
    }

    fn verify(
        &self,
        directory: &Path,
        shards: &[ShardId],
        stage: CopyStage,
    ) -> Result<Vec<StreamReport>, OpenError> {
        let inspection = Inspection::of(self.disk.clone(), directory, shards.to_vec());
        inspection
            .verify_streams(shards, parallel::threads(), &|progress| {
                (self.on_progress)(CopyProgress { stage, progress });
            })
            .into_iter()
            .collect()
    }
}
