//! `huntcore log verify`: every byte of every stream, without asking what it means.

use std::num::NonZeroUsize;
use std::thread;

use clap::Args;
use huntcore_log::stream_name;
use huntcore_log_file::StreamReport;
use huntcore_wire::Timestamp;
use serde_json::{Value, json};

use crate::commands::data::DataPlace;
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;

/// Check checksums, chain, sequences and times of every stream.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    place: DataPlace,
}

impl Verify {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let data = self.place.open()?;
        let shards = data.inspection.shards();
        let mut sound = Vec::new();
        let mut faults = Vec::new();
        let progress = Progress::bytes(output, "checking bytes");
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let reports = data.inspection.verify_streams(shards, threads, &|done| {
            progress.set(done.bytes, done.bytes_total);
        });
        progress.finish();
        for (&shard, report) in shards.iter().zip(reports) {
            match report {
                Ok(report) => sound.push(report),
                Err(error) => {
                    let message = Failed::from(error).to_string();
                    faults.push((stream_name(shard).into_owned(), message));
                }
            }
        }
        output.line(|| text(&sound, &faults), || object(&sound, &faults));
        match faults.len() {
            0 => Ok(()),
            damaged => Err(Failed::new(format!(
                "{damaged} of {} streams are damaged",
                shards.len()
            ))),
        }
    }
}

fn text(sound: &[StreamReport], faults: &[(String, String)]) -> String {
    let rows = sound.iter().map(|report| {
        [
            stream_name(report.shard).into_owned(),
            show::time(report.tail.time),
            report.epoch.to_string(),
            report.segments.to_string(),
            show::count(report.batches),
            report.oldest.to_string(),
            report.tail.sequence.to_string(),
        ]
    });
    let header = [
        "stream",
        "up to (UTC)",
        "epoch",
        "segments",
        "batches",
        "oldest",
        "next",
    ];
    let mut text = show::table(header, |column| column >= 2, rows);
    for report in sound {
        if let Some(torn) = &report.torn {
            text += &format!(
                "\n{}: an unfinished end in {} at offset {}: {}; nothing that was acknowledged is \
                 missing, the next start cuts it off",
                stream_name(report.shard),
                torn.file.display(),
                torn.offset,
                torn.reason
            );
        }
    }
    for (stream, message) in faults {
        text += &format!("\n{stream}: {message}");
    }
    if faults.is_empty() {
        text += "\n\nok";
    }
    text
}

fn object(sound: &[StreamReport], faults: &[(String, String)]) -> Value {
    let streams: Vec<Value> = sound
        .iter()
        .map(|report| {
            let torn = report.torn.as_ref();
            json!({
                "stream": stream_name(report.shard),
                "epoch": report.epoch,
                "oldest": report.oldest,
                "next": report.tail.sequence,
                "chain": report.tail.chain,
                "time": Timestamp::new(report.tail.time),
                "segments": report.segments,
                "bytes": report.bytes,
                "batches": report.batches,
                "torn": torn.map(|torn| json!({
                    "file": torn.file.display().to_string(),
                    "offset": torn.offset,
                    "reason": torn.reason,
                })),
            })
        })
        .collect();
    let faults: Vec<Value> = faults
        .iter()
        .map(|(stream, message)| json!({"stream": stream, "message": message}))
        .collect();
    json!({"ok": faults.is_empty(), "streams": streams, "faults": faults})
}
