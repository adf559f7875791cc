//! Why a directory is not opened as a log.

use std::io;
use std::path::{Path, PathBuf};

use huntcore_disk::{LoadError, StoreError, is_no_space};

/// Why a directory is not opened as a log. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works with it.
    #[error(
        "data directory {} is in use by process {}: stop that one first, or choose another directory",
        directory.display(),
        pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
    )]
    InUse {
        /// Which directory.
        directory: PathBuf,
        /// Who has it, if that is known.
        pid: Option<u32>,
    },
    /// There are files, but none of a log.
    #[error(
        "directory {} is no log: it holds {found:?} but no format file; choose an empty directory",
        directory.display()
    )]
    NotALog {
        /// Which directory.
        directory: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// Written by a later program.
    #[error("{} says {found:?}, this program reads {expected:?}: upgrade it", file.display())]
    Format {
        /// The file that says so.
        file: PathBuf,
        /// What it says.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// What is known to have been durable is damaged or missing.
    #[error(
        "log is damaged: {} at offset {offset}: {reason}; this was durable, so the log is \
         left as it is: bring the file back from a copy, or move the whole directory away \
         to begin a new log",
        file.display()
    )]
    Corrupt {
        /// Which file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Something lies in the log's directory that the log did not put there.
    #[error(
        "{} does not belong into the log: move it away, or give it back its name",
        file.display()
    )]
    Foreign {
        /// Which file.
        file: PathBuf,
    },
    /// The file system failed.
    #[error("failed to {what} {}", file.display())]
    Io {
        /// Doing what.
        what: &'static str,
        /// With which file.
        file: PathBuf,
        /// How.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(what: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| Self::Io { what, file, source }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            file: file.to_owned(),
            offset,
            reason: reason.into(),
        }
    }
}

/// Why something was not made durable.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// No space. Nothing of it will ever be seen.
    Full(String),
    /// It cannot be known what reached the disk.
    Doubt {
        /// Which file.
        file: PathBuf,
        /// What failed and how.
        reason: String,
    },
}

impl Failure {
    pub(crate) fn doubt(what: &str, file: &Path, error: &io::Error) -> Self {
        Self::Doubt {
            file: file.to_owned(),
            reason: format!("failed to {what} {}: {error}", file.display()),
        }
    }

    /// No space, or else doubt.
    pub(crate) fn of(what: &str, file: &Path, error: &io::Error) -> Self {
        if is_no_space(error) {
            Self::Full(format!(
                "no space left to {what} {}: {error}",
                file.display()
            ))
        } else {
            Self::doubt(what, file, error)
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { what, file, source } => Self::of(what, &file, &source),
            StoreError::Doubt { what, file, source } => Self::doubt(what, &file, &source),
        }
    }
}

impl From<LoadError> for OpenError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::TooLong {
                file, length_max, ..
            } => Self::corrupt(&file, length_max, "file is too long"),
            LoadError::Io { what, file, source } => Self::Io { what, file, source },
        }
    }
}
