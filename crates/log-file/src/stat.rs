//! What a stream holds and since when, without reading more than headers and the last
//! segment.

use std::path::PathBuf;

use huntcore_model::{Epoch, Sequence, ShardId, Tail, TimeMicros};

use crate::error::OpenError;
use crate::inspect::Inspection;
use crate::scan::{Damage, scan};

/// What [`Inspection::stat`] saw of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStat {
    /// Which stream.
    pub shard: ShardId,
    /// Its last term of ownership.
    pub epoch: Epoch,
    /// The oldest sequence that can be read.
    pub oldest: Sequence,
    /// Where it ends.
    pub tail: Tail,
    /// Oldest first.
    pub segments: Vec<SegmentStat>,
    /// An unfinished end, see [`crate::StreamReport::torn`].
    pub torn: Option<Damage>,
}

/// One file of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStat {
    /// Which file.
    pub file: PathBuf,
    /// The sequence that it begins with.
    pub first: Sequence,
    /// The sequence that the next one begins with.
    pub next: Sequence,
    /// The first batch's time; `None` if there is no batch.
    pub begins: Option<TimeMicros>,
    /// The last batch's time; of the segment before if there is no batch.
    pub ends: TimeMicros,
    /// The file's length.
    pub bytes: u64,
    /// What of that is header and batches; the rest is set aside.
    pub used_bytes: u64,
}

impl StreamStat {
    /// The oldest batch's time; `None` if there is no batch.
    #[must_use]
    pub fn oldest_time(&self) -> Option<TimeMicros> {
        self.segments.first()?.begins
    }

    /// The length of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

impl Inspection {
    /// What a stream holds. Reads the headers, and verifies the last segment alone, so it is
    /// quick with a log of any length.
    pub fn stat(&self, shard: ShardId) -> Result<StreamStat, OpenError> {
        let outline = self.outline(shard)?;
        let mut stat = StreamStat {
            shard,
            epoch: outline.state.epoch,
            oldest: outline.state.oldest,
            tail: Tail::default(),
            segments: Vec::with_capacity(outline.links.len()),
            torn: None,
        };
        for link in &outline.links {
            let (begins, end) = match link.finish {
                Some(finish) => {
                    stat.tail = finish.tail;
                    (link.begins, finish.end)
                }
                None => {
                    let scanned = scan(&*self.disk, &outline, link, &|_| ())?;
                    stat.tail = scanned.tail;
                    stat.torn = scanned.torn;
                    (scanned.segment.begins, scanned.segment.end)
                }
            };
            stat.segments.push(SegmentStat {
                file: link.path.clone(),
                first: link.first(),
                next: stat.tail.sequence,
                begins,
                ends: stat.tail.time,
                bytes: link.file_bytes,
                used_bytes: end,
            });
        }
        Ok(stat)
    }
}
