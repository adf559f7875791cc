//! What goes wrong while runs are written, and what is wrong with those that are read.

use std::io;
use std::path::{Path, PathBuf};

use huntcore_disk::StoreError;

/// What is wrong with a run, and where.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It cannot be read.
    #[error("failed to read {} at offset {offset}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// How.
        source: io::Error,
    },
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
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Self::Unreadable { file, .. } | Self::Differs { file, .. } => file,
        }
    }

    pub(crate) fn unreadable(file: &Path, offset: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unreadable {
            file: file.to_owned(),
            offset,
            source,
        }
    }
}

/// Why events were not written down, or runs not merged. What stood before still stands.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file system failed, or has no space.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It would have taken space that is meant for the log.
    #[error(
        "only {free_bytes} bytes are free where events are kept, and {free_bytes_min} are left to \
         the log"
    )]
    Reserved {
        /// What is free.
        free_bytes: u64,
        /// What has to stay free.
        free_bytes_min: u64,
    },
    /// As many events are kept as may be: their filters would take more memory.
    #[error("{events} events are kept, and {more} more would be over the limit of {events_max}")]
    Limit {
        /// How many there are.
        events: u64,
        /// How many were to come.
        more: u64,
        /// How many may be.
        events_max: u64,
    },
    /// A run that was to be merged is damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// Why no events can be kept in a directory.
#[derive(Debug, thiserror::Error)]
#[error("failed to {what} {}: {source}", directory.display())]
pub struct OpenError {
    /// Doing what.
    pub what: &'static str,
    /// Which directory.
    pub directory: PathBuf,
    /// How.
    pub source: io::Error,
}
