//! One event a line.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::Path;

use huntcore_model::BATCH_BYTES_MAX;
use huntcore_wire::CloudEvent;

use super::{Sink, TrailError, write_line};

/// No line is longer: a control record as bytes in base64 and as JSON.
const LINE_BYTES_MAX: u64 = 4 * BATCH_BYTES_MAX as u64;

/// Writes lines.
pub(crate) struct NdjsonSink<W: Write>(BufWriter<W>);

impl<W: Write> NdjsonSink<W> {
    pub(crate) fn new(out: W) -> Self {
        Self(BufWriter::with_capacity(1 << 20, out))
    }
}

impl<W: Write> Sink for NdjsonSink<W> {
    fn put(&mut self, event: CloudEvent) -> Result<(), TrailError> {
        write_line(&mut self.0, &event).map_err(TrailError::Write)
    }

    fn finish(mut self: Box<Self>) -> Result<(), TrailError> {
        self.0.flush().map_err(TrailError::Write)
    }
}

pub(super) fn read(
    path: &Path,
    file: File,
    mut take: impl FnMut(CloudEvent),
) -> Result<(), TrailError> {
    let mut lines = BufReader::with_capacity(1 << 20, file);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let mut limited = lines.by_ref().take(LINE_BYTES_MAX);
        let count = limited.read_until(b'\n', &mut text);
        let count = count.map_err(|source: io::Error| TrailError::File {
            path: path.to_owned(),
            source,
        })?;
        if count == 0 {
            break;
        }
        let event = serde_json::from_slice(&text).map_err(|source| TrailError::Line {
            path: path.to_owned(),
            line,
            source,
        })?;
        take(event);
    }
    Ok(())
}
