//! A file read or written from front to back, for code that wants [`Read`] or [`Write`].

use std::fmt;
use std::io::{self, IoSlice, Read, Write};

use crate::DiskFile;

/// A file and a place in it, which moves on with what is read and written. Unbuffered: wrap
/// it in a [`std::io::BufReader`] or [`std::io::BufWriter`]. Flushing makes nothing durable;
/// sync [`Self::file`] for that.
pub struct Sequential {
    file: Box<dyn DiskFile>,
    offset: u64,
}

impl Sequential {
    /// Begins at the front of `file`.
    #[must_use]
    pub fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, offset: 0 }
    }

    /// The file itself, to be synced.
    #[must_use]
    pub fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    /// How many bytes lie behind.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sequential")
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Write for Sequential {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.file.write_at(parts, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
