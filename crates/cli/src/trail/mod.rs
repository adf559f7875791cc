//! The files that audit trails are kept in: JSON lines, and Parquet for those who query.

mod ndjson;
mod parquet;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use huntcore_wire::CloudEvent;

pub(crate) use self::ndjson::NdjsonSink;
pub(crate) use self::parquet::ParquetSink;

/// Every Parquet file begins with this.
const PARQUET_MAGIC: [u8; 4] = *b"PAR1";

/// Where events of a trail go.
pub(crate) trait Sink {
    /// Takes the next event.
    fn put(&mut self, event: CloudEvent) -> Result<(), TrailError>;

    /// Writes what is left. Without it the file is not whole.
    fn finish(self: Box<Self>) -> Result<(), TrailError>;
}

/// Why a trail was not written or read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrailError {
    /// The file, or whoever reads along.
    #[error("cannot write the trail: {0}")]
    Write(#[source] io::Error),
    /// The file.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A line that is no event.
    #[error("{}: line {line} is no event of a trail: {source}", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        #[source]
        source: serde_json::Error,
    },
    /// Parquet that cannot be written, or read.
    #[error("{}: {source}", path.display())]
    Parquet {
        path: PathBuf,
        #[source]
        source: ::parquet::errors::ParquetError,
    },
    /// Parquet with other columns than a trail's.
    #[error("{}: row {row} is no event of a trail: {reason}", path.display())]
    Row {
        path: PathBuf,
        row: u64,
        reason: String,
    },
}

impl TrailError {
    /// Whether whoever read along has read enough.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Gives `take` every event of a file, whichever form it has.
pub(crate) fn read(path: &Path, take: impl FnMut(CloudEvent)) -> Result<(), TrailError> {
    let failed = |source| TrailError::File {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut magic = Vec::new();
    let mut begin = (&file).take(PARQUET_MAGIC.len() as u64);
    begin.read_to_end(&mut magic).map_err(failed)?;
    file.rewind().map_err(failed)?;
    if magic == PARQUET_MAGIC {
        parquet::read(path, file, take)
    } else {
        ndjson::read(path, file, take)
    }
}

/// A file that is not there yet.
pub(crate) fn create(path: &Path) -> Result<File, TrailError> {
    File::create_new(path).map_err(|source| TrailError::File {
        path: path.to_owned(),
        source,
    })
}

/// Writes one event a line.
fn write_line(out: &mut impl Write, event: &CloudEvent) -> io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}
