//! What goes wrong while checkpoints are written, and what is wrong with those that are read.

use std::io;
use std::path::{Path, PathBuf};

use huntcore_disk::{LoadError, StoreError};
use huntcore_model::SnapshotError;

/// Why a checkpoint was not written. Those before it are as they were.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system failed, or has no space.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It would have taken space that is meant for the log.
    #[error(
        "only {free_bytes} bytes are free where checkpoints are kept, and {free_bytes_min} are \
         left to the log"
    )]
    Reserved {
        /// What is free.
        free_bytes: u64,
        /// What has to stay free.
        free_bytes_min: u64,
    },
    /// A part could not say what it holds.
    #[error("part {part} cannot be written")]
    Content {
        /// Which part.
        part: String,
        /// Why not.
        source: io::Error,
    },
}

/// Why no checkpoints can be kept in a directory.
#[derive(Debug, thiserror::Error)]
#[error("failed to {what} {}", directory.display())]
pub struct OpenError {
    /// Doing what.
    pub what: &'static str,
    /// Which directory.
    pub directory: PathBuf,
    /// How.
    pub source: io::Error,
}

/// What is wrong with a checkpoint, and where.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A file that it names is not there, or cannot be read.
    #[error("failed to read {} at offset {offset}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// How.
        source: io::Error,
    },
    /// Its manifest is missing, damaged, or of a version that this program does not read.
    #[error("{}", file.display())]
    Manifest {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: SnapshotError,
    },
    /// Its manifest cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Something else stands there than was written.
    #[error("{} at offset {offset}: {field} is {found}, expected {expected}", file.display())]
    Differs {
        /// Which file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What differs.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
}

impl Damage {
    pub(crate) fn unreadable(file: &Path, offset: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unreadable {
            file: file.to_owned(),
            offset,
            source,
        }
    }
}
