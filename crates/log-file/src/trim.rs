//! Giving up old segments: first the stream's state file forgets them, then they are removed.
//!
//! The stream's thread does the first part, whoever asked for the trim the second, which may
//! take long. While a backup is being made nothing is given up, so that it finds everything
//! that it has seen; the next trim makes up for it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use huntcore_disk::{Disk, LockError, LockKind, is_no_space};
use huntcore_log::TrimError;
use huntcore_model::{Sequence, ShardId};

use crate::error::Failure;
use crate::files::{BACKUP_LOCK, segment_path};
use crate::state::State;
use crate::writer::StreamWriter;

impl StreamWriter {
    /// Lets go of segments wholly before `before`; gives their files.
    pub(crate) fn trim(&mut self, before: Sequence) -> Result<Vec<PathBuf>, TrimError> {
        let stream = self.stream.clone();
        let shard = stream.shard;
        if before > self.tail.sequence {
            return Err(TrimError::Ahead {
                shard,
                before,
                next: self.tail.sequence,
            });
        }
        if let Some(poison) = stream.poison.get() {
            return Err(TrimError::Poisoned {
                reason: poison.reason.clone(),
            });
        }
        let oldest = {
            let published = stream.published();
            let kept = published
                .segments
                .partition_point(|segment| segment.first <= before);
            let oldest = kept.checked_sub(1);
            oldest.map(|index| published.segments[index].first)
        };
        let Some(oldest) = oldest.filter(|&oldest| oldest > self.state.oldest) else {
            return Ok(Vec::new());
        };
        let state = State {
            oldest,
            ..self.state
        };
        match state.write(&*stream.disk, &stream.directory, shard) {
            Ok(()) => self.state = state,
            Err(Failure::Full(reason)) => return Err(home(shard, reason)),
            Err(Failure::Doubt { file, reason }) => {
                return Err(TrimError::Poisoned {
                    reason: self.poison(file, reason).reason.clone(),
                });
            }
        }
        let mut published = stream.published();
        let given_up = published
            .segments
            .partition_point(|segment| segment.first < oldest);
        let files = published.segments.drain(..given_up);
        Ok(files
            .map(|segment| segment_path(&stream.directory, segment.first))
            .collect())
    }
}

/// Removes what was given up, one trim at a time.
#[derive(Default)]
pub(crate) struct Remover {
    /// Files that could not be removed; the next trim tries again.
    left: Mutex<Vec<PathBuf>>,
}

impl Remover {
    /// Does a trim: `give_up` names the files to be removed.
    pub(crate) fn trim(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        shard: ShardId,
        give_up: impl FnOnce() -> Result<Vec<PathBuf>, TrimError>,
    ) -> Result<(), TrimError> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = directory.join(BACKUP_LOCK);
        let _lock = match disk.lock(&lock, LockKind::Exclusive) {
            Ok(lock) => Some(lock),
            Err(LockError::Held { .. }) => {
                tracing::info!("a backup is being made, so nothing is trimmed now");
                return Ok(());
            }
            // Then there is no such file, so nobody holds it; and a trim makes space.
            Err(LockError::Io(error)) if is_no_space(&error) => None,
            Err(LockError::Io(error)) => {
                let reason = format!("failed to lock {}: {error}", lock.display());
                return Err(home(shard, reason));
            }
        };
        left.extend(give_up()?);
        remove(disk, &mut left).map_err(|reason| home(shard, reason))
    }
}

/// Gives back the space of files that no state file names any more.
fn remove(disk: &dyn Disk, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let mut failed = None;
    let mut directories: Vec<PathBuf> = Vec::new();
    files.retain(|path| match disk.remove(path) {
        Ok(()) => {
            let directory = path.parent().expect("a file stands in a directory");
            if directories.last().is_none_or(|last| last != directory) {
                directories.push(directory.to_owned());
            }
            false
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => {
            failed = Some(format!("failed to remove {}: {error}", path.display()));
            true
        }
    });
    if let Some(reason) = failed {
        return Err(reason);
    }
    directories.iter().try_for_each(|directory| {
        disk.sync_directory(directory)
            .map_err(|error| format!("failed to sync {}: {error}", directory.display()))
    })
}

fn home(shard: ShardId, reason: String) -> TrimError {
    TrimError::Home {
        shard,
        source: reason.into(),
    }
}
