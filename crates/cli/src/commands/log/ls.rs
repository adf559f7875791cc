//! `huntcore log ls`: which streams and files there are, and what time they cover.

use clap::Args;
use huntcore_log::stream_name;
use huntcore_log_file::{Inspection, SegmentListing};
use huntcore_model::{Epoch, Sequence, ShardId, TimeMicros};
use huntcore_wire::Timestamp;
use serde_json::{Value, json};

use crate::commands::data::DataPlace;
use crate::output::{Failed, Output};
use crate::show;

/// List streams and their segments.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    place: DataPlace,
}

struct Stream {
    shard: ShardId,
    /// The term that began last, whether or not it has written anything.
    epoch: Epoch,
    segments: Vec<Segment>,
    next: Sequence,
    last: TimeMicros,
}

struct Segment {
    listing: SegmentListing,
    /// The first batch's; `None` if there is no batch yet.
    begins: Option<(TimeMicros, Epoch)>,
}

impl Ls {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let data = self.place.open()?;
        let shards = data.inspection.shards().to_vec();
        let streams = shards
            .into_iter()
            .map(|shard| Stream::look(&data.inspection, shard))
            .collect::<Result<Vec<_>, _>>()?;
        output.line(
            || text(&streams),
            || {
                let directory = data.directory.display().to_string();
                let streams: Vec<Value> = streams.iter().map(Stream::json).collect();
                json!({"data": directory, "streams": streams})
            },
        );
        Ok(())
    }
}

impl Stream {
    /// Reads the first batch of each segment, and the last segment whole.
    fn look(inspection: &Inspection, shard: ShardId) -> Result<Self, Failed> {
        let listing = inspection.list(shard)?;
        let last_first = listing.segments.last().map(|segment| segment.first);
        let mut stream = Self {
            shard,
            epoch: listing.epoch,
            segments: Vec::new(),
            next: last_first.unwrap_or_default(),
            last: TimeMicros::ZERO,
        };
        for segment in listing.segments {
            let mut batches = inspection.read(shard, segment.first)?;
            let first = batches.next().transpose()?;
            let begins = first.as_ref().map(|batch| {
                let header = batch.header();
                (header.time, header.epoch)
            });
            if Some(segment.first) == last_first {
                for batch in first.into_iter().map(Ok).chain(batches) {
                    let header = *batch?.header();
                    stream.next = header.next_sequence();
                    stream.last = header.time;
                }
            }
            stream.segments.push(Segment {
                listing: segment,
                begins,
            });
        }
        Ok(stream)
    }

    fn bytes(&self) -> u64 {
        let bytes = self.segments.iter().map(|segment| segment.listing.bytes);
        bytes.sum()
    }

    /// Records that are there.
    fn records(&self) -> u64 {
        let oldest = self.segments.first();
        let oldest = oldest.map_or(self.next, |segment| segment.listing.first);
        self.next.get() - oldest.get()
    }

    fn first(&self) -> TimeMicros {
        let first = self.segments.first().and_then(|segment| segment.begins);
        first.map_or(TimeMicros::ZERO, |(time, _)| time)
    }

    /// Where each segment ends: where the next one begins, or the stream ends.
    fn ends(&self) -> impl Iterator<Item = (Sequence, TimeMicros)> {
        let later = self.segments.iter().skip(1).map(|segment| {
            let time = segment.begins.map_or(self.last, |(time, _)| time);
            (segment.listing.first, time)
        });
        later.chain([(self.next, self.last)])
    }

    fn json(&self) -> Value {
        let segments = self.segments.iter().zip(self.ends());
        let segments: Vec<Value> = segments
            .map(|(segment, (next, _))| {
                json!({
                    "file": segment.listing.file.display().to_string(),
                    "first": segment.listing.first,
                    "next": next,
                    "bytes": segment.listing.bytes,
                    "from": segment.begins.map(|(time, _)| Timestamp::new(time)),
                    "epoch": segment.begins.map(|(_, epoch)| epoch),
                })
            })
            .collect();
        let oldest = self.segments.first();
        let is_empty = self.last == TimeMicros::ZERO;
        json!({
            "stream": stream_name(self.shard),
            "epoch": self.epoch,
            "oldest": oldest.map_or(self.next, |segment| segment.listing.first),
            "next": self.next,
            "bytes": self.bytes(),
            "from": (!is_empty).then(|| Timestamp::new(self.first())),
            "to": (!is_empty).then(|| Timestamp::new(self.last)),
            "segments": segments,
        })
    }
}

fn text(streams: &[Stream]) -> String {
    let mut rows = Vec::new();
    for stream in streams {
        let name = stream_name(stream.shard);
        for (segment, (next, to)) in stream.segments.iter().zip(stream.ends()) {
            let listing = &segment.listing;
            let file = listing.file.file_name().unwrap_or_default();
            let (from, epoch) = segment.begins.unwrap_or((stream.last, stream.epoch));
            rows.push([
                format!("{name}/{}", file.to_string_lossy()),
                show::time(from),
                show::time(to),
                show::span(to.micros_since(from) / 1_000),
                epoch.to_string(),
                listing.first.to_string(),
                next.to_string(),
                show::bytes(listing.bytes),
            ]);
        }
        if stream.segments.is_empty() {
            let dash = || "-".to_owned();
            let zero = || "0".to_owned();
            let epoch = stream.epoch.to_string();
            let bytes = show::bytes(0);
            rows.push([
                name.into_owned(),
                dash(),
                dash(),
                dash(),
                epoch,
                zero(),
                zero(),
                bytes,
            ]);
        }
    }
    let header = [
        "segment",
        "from (UTC)",
        "to (UTC)",
        "span",
        "epoch",
        "first",
        "next",
        "size",
    ];
    let table = show::table(header, |column| column >= 3, rows);
    let records = streams.iter().map(Stream::records).sum();
    let bytes: u64 = streams.iter().map(Stream::bytes).sum();
    format!(
        "{table}\n\n{} streams, {} records, {}",
        streams.len(),
        show::count(records),
        show::bytes(bytes)
    )
}
