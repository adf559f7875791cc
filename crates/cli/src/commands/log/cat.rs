//! `huntcore log cat`: batches and records, one a line.

use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use clap::Args;
use huntcore_log::{ReadError, stream_name};
use huntcore_model::{Batch, BatchError, Sequence, ShardId};
use huntcore_verify::by_time;

use super::records::{batch_json, batch_text, record_json, record_text};
use crate::commands::data::{DataPlace, oldest};
use crate::output::{Failed, Output};

/// Print batches and records, one a line; with --json as NDJSON.
#[derive(Debug, Args)]
pub(crate) struct Cat {
    #[command(flatten)]
    place: DataPlace,
    /// This stream only: control, or shard-00000 and so on. Without it all, by time.
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamName>,
    /// From this record on; without it, from the oldest that is there.
    #[arg(long, value_name = "SEQUENCE", requires = "stream")]
    from: Option<u64>,
    /// Stop after so many records.
    #[arg(long, value_name = "RECORDS")]
    limit: Option<u64>,
}

/// A stream by its name; its number will do, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StreamName(ShardId);

#[derive(Debug, thiserror::Error)]
#[error("expected control, or shard-00000 and so on")]
struct StreamNameError;

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, StreamNameError> {
        if text == stream_name(ShardId::CONTROL) {
            return Ok(Self(ShardId::CONTROL));
        }
        let number = text.strip_prefix("shard-").unwrap_or(text);
        let shard = number.parse().map_err(|_| StreamNameError)?;
        Ok(Self(ShardId::new(shard)))
    }
}

/// Why printing ended before the log did.
#[derive(Debug, thiserror::Error)]
enum CatError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("a batch cannot be read: {0}")]
    Batch(#[from] BatchError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl Cat {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let data = self.place.open()?;
        let known = data.inspection.shards();
        let shards = match self.stream {
            None => known.to_vec(),
            Some(StreamName(shard)) if known.contains(&shard) => vec![shard],
            Some(StreamName(shard)) => {
                let (name, directory) = (stream_name(shard), data.directory.display());
                return Err(Failed::new(format!("{directory} has no stream {name}")));
            }
        };
        let from = self.from.map(Sequence::new);
        let mut streams = Vec::new();
        for &shard in &shards {
            let from = match from {
                Some(from) => from,
                None => oldest(&data.inspection, shard)?,
            };
            streams.push(data.inspection.read(shard, from)?);
        }
        let mut printer = Printer {
            out: BufWriter::new(io::stdout().lock()),
            from: from.unwrap_or_default(),
            left: self.limit.unwrap_or(u64::MAX),
            json: output.is_json(),
        };
        match printer.print(by_time(streams)) {
            // Whoever read has read enough.
            Err(CatError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(());
            }
            printed => printed?,
        }
        if printer.left > 0 {
            // Reading ends at whatever is no batch; whether that is the end is another question.
            for shard in shards {
                data.inspection.verify(shard)?;
            }
        }
        Ok(())
    }
}

struct Printer<W> {
    out: W,
    from: Sequence,
    left: u64,
    json: bool,
}

impl<W: Write> Printer<W> {
    fn print(
        &mut self,
        batches: impl Iterator<Item = Result<Batch, ReadError>>,
    ) -> Result<(), CatError> {
        for batch in batches {
            if self.left == 0 {
                break;
            }
            if batch.is_err() {
                // What could be read comes before the error that ends it.
                self.out.flush()?;
            }
            self.print_batch(&batch?)?;
        }
        Ok(self.out.flush()?)
    }

    fn print_batch(&mut self, batch: &Batch) -> Result<(), CatError> {
        let header = batch.header();
        if self.json {
            writeln!(self.out, "{}", batch_json(batch))?;
        } else {
            writeln!(self.out, "{}", batch_text(batch))?;
        }
        for item in batch.records() {
            let (sequence, record) = item?;
            if sequence < self.from {
                continue;
            }
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            if self.json {
                let line = record_json(header.shard, header.time, sequence, &record);
                writeln!(self.out, "{line}")?;
            } else {
                writeln!(self.out, "{}", record_text(sequence, &record))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{BatchBuilder, Epoch, Record, Tail, TimeMicros};

    use super::*;

    fn batches() -> Vec<Result<Batch, ReadError>> {
        let mut tail = Tail::default();
        let mut batches = Vec::new();
        for _ in 0..3 {
            let mut builder = BatchBuilder::new();
            builder.push(&Record::Time);
            builder.push(&Record::Time);
            let (shard, epoch) = (ShardId::new(0), Epoch::new(1));
            let time = TimeMicros::from_millis(5);
            let batch = builder.finish(shard, epoch, &tail, time, Sequence::ZERO);
            tail = batch.tail();
            batches.push(Ok(batch));
        }
        batches
    }

    fn printed(from: u64, left: u64, json: bool) -> Vec<String> {
        let mut printer = Printer {
            out: Vec::new(),
            from: Sequence::new(from),
            left,
            json,
        };
        printer.print(batches().into_iter()).expect("all readable");
        let text = String::from_utf8(printer.out).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_limit_counts_records_and_headers_come_along() {
        assert_eq!(printed(0, u64::MAX, false).len(), 9);
        let some = printed(1, 2, false);
        assert_eq!(some.len(), 4);
        assert!(some[0].starts_with("== shard-00000 0 +2 · 1970-01-01T00:00:00.005Z · epoch 1"));
        assert_eq!(some[1], "         1  time");
        assert_eq!(some[3], "         2  time");
        for line in printed(0, 3, true) {
            serde_json::from_str::<serde_json::Value>(&line).expect("one object a line");
        }
    }

    #[test]
    fn what_could_be_read_is_printed_before_the_error() {
        let mut items = batches();
        items.truncate(1);
        items.push(Err(ReadError::Corrupt {
            shard: ShardId::new(0),
            place: "file offset 7".to_owned(),
            reason: "checksum".to_owned(),
        }));
        let mut printer = Printer {
            out: Vec::new(),
            from: Sequence::ZERO,
            left: u64::MAX,
            json: false,
        };
        let error = printer.print(items.into_iter()).expect_err("damaged");
        assert!(error.to_string().contains("file offset 7"), "{error}");
        assert_eq!(printer.out.iter().filter(|&&byte| byte == b'\n').count(), 3);
    }

    #[test]
    fn a_stream_goes_by_its_name() {
        for (text, shard) in [
            ("control", ShardId::CONTROL),
            ("shard-00007", ShardId::new(7)),
            ("7", ShardId::new(7)),
        ] {
            assert_eq!(text.parse::<StreamName>().expect(text), StreamName(shard));
        }
        assert!("shard-x".parse::<StreamName>().is_err());
    }
}
