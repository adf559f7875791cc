//! `huntcore log stat`: what each stream holds, since when, and how it can be started from.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use huntcore_checkpoint::{Checkpoint, Listing};
use huntcore_disk::{Disk, RealDisk};
use huntcore_log::stream_name;
use huntcore_log_file::StreamStat;
use huntcore_model::{ShardId, TimeMicros};
use huntcore_node::{Clock as _, SystemClock};
use huntcore_wire::Timestamp;
use serde_json::{Value, json};

use super::census::{self, Census, Stretch};
use crate::commands::data::{DataPlace, OpenedData};
use crate::config::{ConfigFile, LogKeeps};
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;

/// Show what each stream holds: records by kind, batches, times, terms; checkpoints; retention.
#[derive(Debug, Args)]
pub(crate) struct Stat {
    #[command(flatten)]
    place: DataPlace,
    /// Read the ends of files only, and leave out what has to be counted.
    #[arg(long)]
    quick: bool,
}

struct Found {
    streams: Vec<(StreamStat, Option<Census>)>,
    checkpoints: Listing,
    free_bytes: Option<u64>,
    /// What the configuration says, if there is one.
    keeps: Option<LogKeeps>,
    now: TimeMicros,
}

impl Stat {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let data = self.place.open()?;
        let found = Found::look(&data, self.quick, output)?;
        output.line(|| found.text(), || found.json(&data.directory));
        Ok(())
    }
}

impl Found {
    fn look(data: &OpenedData, quick: bool, output: Output) -> Result<Self, Failed> {
        let inspection = &data.inspection;
        let stats = inspection.shards().iter().map(|&s| inspection.stat(s));
        let stats = stats.collect::<Result<Vec<_>, _>>()?;
        let censuses = if quick {
            vec![None; stats.len()]
        } else {
            let stretches = stretches(&stats);
            let records = stretches.iter().map(|s| s.next.get() - s.first.get()).sum();
            let progress = Progress::new(output, "records", records);
            let censuses = census::count(inspection, stats.len(), &stretches, &progress)?;
            progress.finish();
            censuses.into_iter().map(Some).collect()
        };
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let keeps = data
            .config
            .as_ref()
            .map(ConfigFile::log_keeps)
            .transpose()?;
        Ok(Self {
            streams: stats.into_iter().zip(censuses).collect(),
            checkpoints: huntcore_checkpoint::list(&disk, &data.checkpoints())?,
            free_bytes: disk.free_bytes(&data.directory).ok(),
            keeps,
            now: SystemClock::default().now(),
        })
    }

    fn bytes(&self) -> u64 {
        self.streams.iter().map(|(stat, _)| stat.bytes()).sum()
    }

    /// The oldest batch of all streams.
    fn oldest(&self) -> Option<TimeMicros> {
        self.streams
            .iter()
            .filter_map(|(stat, _)| stat.oldest_time())
            .min()
    }

    /// The length of files that hold only what is older than the retention.
    fn past_retention(&self) -> Option<u64> {
        let kept_ms = self.retention_ms()?;
        let before = self.now.get().saturating_sub(kept_ms.saturating_mul(1_000));
        let files = self.streams.iter().flat_map(|(stat, _)| {
            let closed = stat.segments.len().saturating_sub(1);
            &stat.segments[..closed]
        });
        let old = files.filter(|segment| segment.ends.get() < before);
        Some(old.map(|segment| segment.bytes).sum())
    }

    fn retention_ms(&self) -> Option<u64> {
        u64::try_from(self.keeps?.retention.as_millis()).ok()
    }

    fn age(&self, time: TimeMicros) -> u64 {
        self.now.get().saturating_sub(time.get()) / 1_000
    }

    fn text(&self) -> String {
        let mut text = self.stream_table();
        if self.streams.iter().any(|(_, census)| census.is_some()) {
            text += &format!("\n\n{}", self.kind_table());
        }
        text += &format!("\n\n{}", self.checkpoint_text());
        text += &format!("\n\n{}", self.keeping_text());
        for (stat, _) in &self.streams {
            if let Some(torn) = &stat.torn {
                text += &format!(
                    "\n{}: an unfinished end in {} at offset {}: {}",
                    stream_name(stat.shard),
                    torn.file.display(),
                    torn.offset,
                    torn.reason
                );
            }
        }
        text
    }

    fn stream_table(&self) -> String {
        let rows = self.streams.iter().map(|(stat, census)| {
            [
                stream_name(stat.shard).into_owned(),
                show::time(stat.oldest_time().unwrap_or_default()),
                show::time(stat.tail.time),
                show::count(records(stat)),
                show::bytes(stat.bytes()),
                stat.oldest.to_string(),
                stat.tail.sequence.to_string(),
                epochs(stat, census.as_ref()),
            ]
        });
        let header = [
            "stream",
            "from (UTC)",
            "to (UTC)",
            "records",
            "size",
            "first",
            "durable end",
            "epochs",
        ];
        show::table(header, |column| column >= 3, rows)
    }

    fn kind_table(&self) -> String {
        let rows = self.streams.iter().filter_map(|(stat, census)| {
            let census = census.as_ref()?;
            let kinds = [
                census.claim,
                census.score,
                census.player,
                census.control,
                census.board_closed + census.correction,
                census.time,
            ];
            let [claim, score, player, control, boards, time] = kinds.map(show::count);
            Some([
                stream_name(stat.shard).into_owned(),
                claim,
                score,
                player,
                control,
                boards,
                time,
                show::count(census.batches),
                mean(census).map_or_else(dash, |mean| format!("{mean:.1}")),
                rate(stat).map_or_else(dash, |rate| format!("{rate:.1}")),
            ])
        });
        let header = [
            "stream",
            "claims",
            "scores",
            "players",
            "control",
            "boards",
            "time",
            "batches",
            "records each",
            "records/s",
        ];
        show::table(header, |column| column >= 1, rows)
    }

    fn checkpoint_text(&self) -> String {
        let listing = &self.checkpoints;
        let mut text = String::new();
        if listing.good.is_empty() {
            text += "no checkpoints: a start folds the whole log";
        } else {
            let rows = listing.good.iter().map(|checkpoint| {
                let behind = self.behind(checkpoint);
                [
                    checkpoint.id().to_string(),
                    show::time(checkpoint.time()),
                    show::span(self.age(checkpoint.time())),
                    show::bytes(checkpoint.bytes()),
                    checkpoint.parts().len().to_string(),
                    show::count(behind),
                ]
            });
            let header = [
                "checkpoint",
                "taken (UTC)",
                "age",
                "size",
                "parts",
                "records after it",
            ];
            text += &show::table(header, |column| column == 0 || column >= 2, rows);
        }
        for passed in &listing.passed_over {
            let damage = Failed::from_ref(&passed.damage);
            text += &format!("\ncheckpoint {} cannot be used: {damage}", passed.id);
        }
        text
    }

    /// Records that a start from this checkpoint reads.
    fn behind(&self, checkpoint: &Checkpoint) -> u64 {
        let ends = self.streams.iter();
        ends.map(|(stat, _)| {
            let from = checkpoint.reads_from(stat.shard);
            stat.tail.sequence.get().saturating_sub(from.get())
        })
        .sum()
    }

    fn keeping_text(&self) -> String {
        let mut text = show::bytes(self.bytes());
        if let Some(max) = self.keeps.and_then(|keeps| keeps.bytes_max) {
            text += &format!(" of at most {}", show::bytes(max));
        }
        if let Some(oldest) = self.oldest() {
            text += &format!(", the oldest record {} old", show::span(self.age(oldest)));
        }
        if let Some(kept_ms) = self.retention_ms() {
            text += &format!(", kept for {}", show::span(kept_ms));
        }
        if let Some(past) = self.past_retention() {
            text += &format!("; {} in files past that", show::bytes(past));
        }
        if let Some(free) = self.free_bytes {
            text += &format!("; {} free", show::bytes(free));
        }
        if let Some(keeps) = self.keeps {
            let least = show::bytes(keeps.free_bytes_min);
            text += &format!(", new work is refused below {least}");
        }
        text
    }

    fn json(&self, directory: &Path) -> Value {
        let streams: Vec<Value> = self.streams.iter().map(stream_json).collect();
        let checkpoints: Vec<Value> = self
            .checkpoints
            .good
            .iter()
            .map(|checkpoint| self.checkpoint_json(checkpoint))
            .collect();
        let passed_over = self.checkpoints.passed_over.iter().map(|passed| {
            let reason = Failed::from_ref(&passed.damage).to_string();
            json!({"id": passed.id, "reason": reason})
        });
        json!({
            "data": directory.display().to_string(),
            "now": Timestamp::new(self.now),
            "bytes": self.bytes(),
            "bytes_max": self.keeps.and_then(|keeps| keeps.bytes_max),
            "free_bytes": self.free_bytes,
            "free_bytes_min": self.keeps.map(|keeps| keeps.free_bytes_min),
            "retention_ms": self.retention_ms(),
            "oldest_age_ms": self.oldest().map(|time| self.age(time)),
            "past_retention_bytes": self.past_retention(),
            "streams": streams,
            "checkpoints": checkpoints,
            "checkpoints_passed_over": passed_over.collect::<Vec<_>>(),
        })
    }

    fn checkpoint_json(&self, checkpoint: &Checkpoint) -> Value {
        let places: serde_json::Map<String, Value> = self
            .streams
            .iter()
            .map(|(stat, _)| {
                let from = checkpoint.reads_from(stat.shard);
                (stream_name(stat.shard).into_owned(), json!(from))
            })
            .collect();
        json!({
            "id": checkpoint.id(),
            "time": Timestamp::new(checkpoint.time()),
            "age_ms": self.age(checkpoint.time()),
            "bytes": checkpoint.bytes(),
            "parts": checkpoint.parts().len(),
            "reads_from": places,
            "records_after": self.behind(checkpoint),
        })
    }
}

/// Each file is counted by itself.
fn stretches(stats: &[StreamStat]) -> Vec<Stretch> {
    let of_stream = |(stream, stat): (usize, &StreamStat)| {
        let shard: ShardId = stat.shard;
        let segments = stat.segments.clone().into_iter();
        segments.map(move |segment| Stretch {
            stream,
            shard,
            first: segment.first,
            next: segment.next,
        })
    };
    let all = stats.iter().enumerate().flat_map(of_stream);
    all.filter(|stretch| stretch.first < stretch.next).collect()
}

fn stream_json((stat, census): &(StreamStat, Option<Census>)) -> Value {
    let from = stat.oldest_time();
    let mut object = json!({
        "stream": stream_name(stat.shard),
        "records": records(stat),
        "bytes": stat.bytes(),
        "segments": stat.segments.len(),
        "first": stat.oldest,
        "durable_end": stat.tail.sequence,
        "chain": stat.tail.chain,
        "from": from.map(Timestamp::new),
        "to": from.map(|_| Timestamp::new(stat.tail.time)),
        "epoch": stat.epoch,
        "records_per_second": rate(stat),
        "torn": stat.torn.as_ref().map(|torn| json!({
            "file": torn.file.display().to_string(),
            "offset": torn.offset,
            "reason": torn.reason,
        })),
    });
    if let Some(census) = census {
        object["batches"] = json!(census.batches);
        object["batch_bytes"] = json!(census.bytes);
        object["records_per_batch"] = json!(mean(census));
        object["called_durable"] = json!(census.durable);
        object["epochs"] = json!(census.epochs.map(|(first, last)| [first, last]));
        object["kinds"] = json!({
            "claim": census.claim,
            "score": census.score,
            "player": census.player,
            "control": census.control,
            "board_closed": census.board_closed,
            "correction": census.correction,
            "time": census.time,
        });
    }
    object
}

fn epochs(stat: &StreamStat, census: Option<&Census>) -> String {
    match census.and_then(|census| census.epochs) {
        Some((first, _)) if first != stat.epoch => format!("{first} to {}", stat.epoch),
        _ => stat.epoch.to_string(),
    }
}

fn records(stat: &StreamStat) -> u64 {
    stat.tail.sequence.get() - stat.oldest.get()
}

/// Records of a batch.
#[expect(
    clippy::cast_precision_loss,
    reason = "a mean to be looked at needs no more than 52 bits"
)]
fn mean(census: &Census) -> Option<f64> {
    (census.batches > 0).then(|| census.records() as f64 / census.batches as f64)
}

/// Records a second.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate to be looked at needs no more than 52 bits"
)]
fn rate(stat: &StreamStat) -> Option<f64> {
    let micros = stat.tail.time.micros_since(stat.oldest_time()?);
    (micros > 0).then(|| records(stat) as f64 * 1_000_000.0 / micros as f64)
}

fn dash() -> String {
    "-".to_owned()
}
