//! Looking into a log's directory without taking it.
//!
//! For tools: it changes nothing, mends nothing and needs no lock, so it works beside a
//! running server, too. What it shows then may not be durable yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::{Access, Disk};
use huntcore_log::{BatchReader, ReadError};
use huntcore_model::{Epoch, Sequence, ShardId};

use crate::error::OpenError;
use crate::files::{parse_segment_name, read_format, segment_path, stream_directory};
use crate::reader::{Reader, Start, Until};
use crate::state::State;

/// A log's directory, to look into.
pub struct Inspection {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    shards: Vec<ShardId>,
}

/// What [`Inspection::list`] saw of one stream, without reading batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamListing {
    /// Which stream.
    pub shard: ShardId,
    /// Its last term of ownership.
    pub epoch: Epoch,
    /// Oldest first.
    pub segments: Vec<SegmentListing>,
}

/// One file of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentListing {
    /// Which file.
    pub file: PathBuf,
    /// The sequence that it begins with.
    pub first: Sequence,
    /// Its length, preallocated space included.
    pub bytes: u64,
}

impl Inspection {
    /// The same as [`crate::FileLog::inspect`], on a file system of one's own.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path) -> Result<Self, OpenError> {
        let shards = read_format(&*disk, directory)?;
        Ok(Self {
            disk,
            directory: directory.to_owned(),
            shards: shards.unwrap_or_default(),
        })
    }

    pub(crate) fn of(disk: Arc<dyn Disk>, directory: &Path, shards: Vec<ShardId>) -> Self {
        Self {
            disk,
            directory: directory.to_owned(),
            shards,
        }
    }

    /// The streams there are.
    #[must_use]
    pub fn shards(&self) -> &[ShardId] {
        &self.shards
    }

    /// What a stream's directory holds, by names and lengths alone.
    pub fn list(&self, shard: ShardId) -> Result<StreamListing, OpenError> {
        let directory = stream_directory(&self.directory, shard);
        let state = State::read(&*self.disk, &directory, shard)?;
        let names = self
            .disk
            .list(&directory)
            .map_err(OpenError::io("list", &directory))?;
        let mut firsts: Vec<Sequence> = names
            .iter()
            .filter_map(|name| parse_segment_name(name))
            .filter(|&first| state.oldest <= first && Some(first) <= state.newest)
            .collect();
        firsts.sort_unstable();
        let mut segments = Vec::new();
        for first in firsts {
            let file = segment_path(&directory, first);
            let length = match self.disk.open(&file, Access::Read) {
                Ok(open) => open.length().map_err(OpenError::io("read", &file))?,
                // A server has trimmed it meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(OpenError::io("open", &file)(error)),
            };
            segments.push(SegmentListing {
                file,
                first,
                bytes: length,
            });
        }
        Ok(StreamListing {
            shard,
            epoch: state.epoch,
            segments,
        })
    }

    /// The stream's batches that hold `from` or anything after it, up to the last that is
    /// complete.
    pub fn read(&self, shard: ShardId, from: Sequence) -> Result<BatchReader, ReadError> {
        let directory = stream_directory(&self.directory, shard);
        let home = |source: OpenError| ReadError::Home {
            shard,
            source: source.into(),
        };
        let state = State::read(&*self.disk, &directory, shard).map_err(home)?;
        let Some(newest) = state.newest else {
            return Ok(Box::new(std::iter::empty()));
        };
        if from < state.oldest {
            return Err(ReadError::Trimmed {
                shard,
                from,
                oldest: state.oldest,
            });
        }
        let names = self
            .disk
            .list(&directory)
            .map_err(OpenError::io("list", &directory))
            .map_err(home)?;
        let segment = names
            .iter()
            .filter_map(|name| parse_segment_name(name))
            .filter(|&first| first <= from && first <= newest)
            .max()
            .unwrap_or(state.oldest);
        let start = Start {
            from,
            segment,
            offset: None,
        };
        Ok(Box::new(Reader::new(
            self.disk.clone(),
            directory,
            shard,
            &start,
            Until::LastComplete { newest },
        )))
    }
}
