//! `huntcore log export`: the log as an audit trail.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use huntcore_audit::Translator;
use huntcore_log::stream_name;
use huntcore_model::{Batch, Sequence, TimeMicros};
use huntcore_verify::by_time;
use huntcore_wire::{CloudEvent, Timestamp};
use serde_json::json;

use crate::commands::data::{DataPlace, oldest};
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;
use crate::trail::{self, NdjsonSink, ParquetSink, Sink, TrailError};

/// Write the log as an audit trail of CloudEvents, batch by batch in the order of time, beside a
/// running server or without one. `huntcore verify --export` proves such a trail.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: DataPlace,
    /// One event a line, or columns to query.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// The file to write, which must not be there yet; without it, lines go to stdout.
    #[arg(long, value_name = "FILE", required_if_eq("format", "parquet"))]
    out: Option<PathBuf>,
    /// Leave out batches that were written before this time.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Leave out batches that were written at this time or later.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// CloudEvents in JSON, one a line.
    Ndjson,
    /// Parquet.
    Parquet,
}

impl Export {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let data = self.place.open()?;
        let inspection = &data.inspection;
        let mut streams = Vec::new();
        let mut records = 0;
        for &shard in inspection.shards() {
            let from = oldest(inspection, shard)?;
            // What is written while this reads is not waited for.
            let end = inspection.verify(shard)?.tail.sequence;
            records += end.get() - from.get();
            let within = move |batch: &Result<Batch, _>| {
                let first = batch.as_ref().map(|batch| batch.header().first_sequence);
                first.unwrap_or(Sequence::ZERO) < end
            };
            streams.push(inspection.read(shard, from)?.take_while(within));
        }
        let mut sink: Box<dyn Sink> = match (&self.out, self.format) {
            (Some(path), Format::Parquet) => Box::new(ParquetSink::create(path)?),
            (Some(path), Format::Ndjson) => Box::new(NdjsonSink::<File>::new(trail::create(path)?)),
            (None, _) => Box::new(NdjsonSink::new(io::stdout().lock())),
        };
        let progress = Progress::new(output, "records", records);
        let mut translator = Translator::new();
        let mut events = 0_u64;
        let mut failed = None;
        for batch in by_time(streams) {
            let batch = batch?;
            progress.advance(u64::from(batch.header().count));
            if !self.covers(batch.header().time) {
                translator.pass(&batch)?;
                continue;
            }
            translator.translate(&batch, |event| {
                events += 1;
                put(&mut *sink, event, &mut failed);
            })?;
            match failed.take() {
                Some(error) if error.is_broken_pipe() => return Ok(()),
                Some(error) => return Err(error.into()),
                None => {}
            }
        }
        match sink.finish() {
            Err(error) if error.is_broken_pipe() => return Ok(()),
            finished => finished?,
        }
        progress.finish();
        if let Some(path) = &self.out {
            let streams = inspection.shards().iter().map(|&shard| stream_name(shard));
            output.line(
                || format!("{}: {} events", path.display(), show::count(events)),
                || json!({"file": path, "events": events, "streams": streams.collect::<Vec<_>>()}),
            );
        }
        Ok(())
    }

    fn covers(&self, time: TimeMicros) -> bool {
        self.from.is_none_or(|from| time >= from.micros())
            && self.to.is_none_or(|to| time < to.micros())
    }
}

/// Keeps the first error; what comes after it is not written.
fn put(sink: &mut dyn Sink, event: CloudEvent, failed: &mut Option<TrailError>) {
    if failed.is_none() {
        *failed = sink.put(event).err();
    }
}
