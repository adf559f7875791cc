//! Reading a stream's batches in order, verified, beside its writer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::{Access, Disk};
use huntcore_log::ReadError;
use huntcore_model::{Batch, Sequence, ShardId, Tail};

use crate::files::segment_path;
use crate::published::Stream;
use crate::segment::{DATA_OFFSET, SegmentHeader};
use crate::state::State;
use crate::window::{Found, Window};

/// How far a reader goes.
pub(crate) enum Until {
    /// To the durable end that the stream had, which has to be there.
    Durable {
        /// Tells whether something missing was trimmed.
        stream: Arc<Stream>,
        end: Sequence,
    },
    /// To the last complete batch in this segment or a later one.
    LastComplete { newest: Sequence },
}

/// Where a reader begins.
pub(crate) struct Start {
    pub(crate) from: Sequence,
    /// The segment that holds it.
    pub(crate) segment: Sequence,
    /// A place in it that is not behind it.
    pub(crate) offset: Option<u64>,
}

/// A stream's batches that hold `from` or anything after it.
pub(crate) struct Reader {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    shard: ShardId,
    until: Until,
    from: Sequence,
    /// The segment to open when there is none.
    segment: Sequence,
    open: Option<Open>,
    offset: u64,
    /// After the last batch; unknown until one was read, or a segment's header.
    tail: Option<Tail>,
    ended: bool,
}

struct Open {
    window: Window,
    path: PathBuf,
}

impl Reader {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        shard: ShardId,
        start: &Start,
        until: Until,
    ) -> Self {
        Self {
            disk,
            directory,
            shard,
            until,
            from: start.from,
            segment: start.segment,
            open: None,
            offset: start.offset.unwrap_or(DATA_OFFSET),
            tail: None,
            ended: false,
        }
    }

    fn step(&mut self) -> Result<Option<Batch>, ReadError> {
        loop {
            if let (Until::Durable { end, .. }, Some(tail)) = (&self.until, &self.tail)
                && tail.sequence >= *end
            {
                return Ok(None);
            }
            let Some(mut open) = self.open.take() else {
                if !self.open_segment()? {
                    return Ok(None);
                }
                continue;
            };
            let found = open.window.batch(self.offset);
            let found = found.map_err(|error| self.home(&open.path, &error))?;
            match found {
                Found::Batch(batch) => {
                    self.check(&open, &batch)?;
                    self.offset += batch.bytes().len() as u64;
                    self.tail = Some(batch.tail());
                    self.open = Some(open);
                    if batch.header().next_sequence() > self.from {
                        return Ok(Some(batch));
                    }
                }
                Found::End => {
                    let next = self.tail.map_or(self.segment, |tail| tail.sequence);
                    if next <= self.segment {
                        return self.stop(&open, "nothing".to_owned());
                    }
                    let path = segment_path(&self.directory, next);
                    let last = match &self.until {
                        Until::Durable { .. } => false,
                        Until::LastComplete { newest } => *newest <= self.segment,
                    };
                    match self.disk.open(&path, Access::Read) {
                        Ok(_) => self.segment = next,
                        Err(error) if error.kind() == io::ErrorKind::NotFound && last => {
                            return Ok(None);
                        }
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {
                            return self.stop(&open, format!("{} missing", path.display()));
                        }
                        Err(error) => return Err(self.home(&path, &error)),
                    }
                    self.offset = DATA_OFFSET;
                }
                Found::Damage(reason) => return self.stop(&open, reason),
            }
        }
    }

    /// Ends at something that is no batch, or says that one should be there.
    fn stop(&self, open: &Open, found: String) -> Result<Option<Batch>, ReadError> {
        match &self.until {
            Until::LastComplete { newest } if *newest <= self.segment => Ok(None),
            Until::Durable { stream, .. } => {
                self.check_trimmed(stream.published().oldest())?;
                Err(self.corrupt(open, found))
            }
            Until::LastComplete { .. } => Err(self.corrupt(open, found)),
        }
    }

    fn check(&self, open: &Open, batch: &Batch) -> Result<(), ReadError> {
        let header = batch.header();
        if header.shard != self.shard {
            let reason = format!("batch belongs to shard {}", header.shard);
            return Err(self.corrupt(open, reason));
        }
        match &self.tail {
            Some(tail) if !batch.follows(tail) => Err(self.corrupt(
                open,
                format!(
                    "batch begins at {} and does not follow {} before it",
                    header.first_sequence, tail.sequence
                ),
            )),
            None if header.first_sequence > self.from => {
                let reason = format!("batch begins at {}", header.first_sequence);
                Err(self.corrupt(open, reason))
            }
            _ => Ok(()),
        }
    }

    /// Opens the segment to be read next; false at the end of an unfinished one.
    fn open_segment(&mut self) -> Result<bool, ReadError> {
        let path = segment_path(&self.directory, self.segment);
        let file = match self.disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) => {
                let oldest = match &self.until {
                    Until::Durable { stream, .. } => stream.published().oldest(),
                    Until::LastComplete { .. } => {
                        State::read(&*self.disk, &self.directory, self.shard)
                            .map_or(Sequence::ZERO, |state| state.oldest)
                    }
                };
                self.check_trimmed(oldest)?;
                return Err(self.home(&path, &error));
            }
        };
        let mut window = Window::new(file).map_err(|error| self.home(&path, &error))?;
        let header = window
            .bytes(0, SegmentHeader::LENGTH)
            .map(SegmentHeader::parse)
            .map_err(|error| self.home(&path, &error))?;
        let open = Open { window, path };
        let header = match header {
            Ok(header) => header,
            Err(reason) => return self.stop(&open, reason).map(|_| false),
        };
        let right = header.shard == self.shard
            && header.before.sequence == self.segment
            && self.tail.is_none_or(|tail| tail == header.before);
        if !right {
            let reason = format!(
                "segment of shard {} begins at {}, with another chain or place than expected",
                header.shard, header.before.sequence
            );
            return Err(self.corrupt(&open, reason));
        }
        if self.offset == DATA_OFFSET {
            self.tail = Some(header.before);
        }
        self.open = Some(open);
        Ok(true)
    }

    fn check_trimmed(&self, oldest: Sequence) -> Result<(), ReadError> {
        if self.segment < oldest {
            return Err(ReadError::Trimmed {
                shard: self.shard,
                from: self.tail.map_or(self.from, |tail| tail.sequence),
                oldest,
            });
        }
        Ok(())
    }

    fn corrupt(&self, open: &Open, reason: String) -> ReadError {
        ReadError::Corrupt {
            shard: self.shard,
            place: format!("{} offset {}", open.path.display(), self.offset),
            reason,
        }
    }

    fn home(&self, path: &Path, error: &io::Error) -> ReadError {
        ReadError::Home {
            shard: self.shard,
            source: format!("{}: {error}", path.display()).into(),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Batch, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}
