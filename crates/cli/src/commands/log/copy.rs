//! `huntcore log backup` and `huntcore log restore`: a data directory, copied and verified.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::Args;
use huntcore_log::stream_name;
use huntcore_log_file::{CopyProgress, CopyReport, CopyStage};
use huntcore_wire::Timestamp;
use serde_json::{Value, json};

use crate::commands::data::DataPlace;
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;

/// Copy log, checkpoints and keys into an empty directory, while the server runs, and verify
/// the copy. It holds everything that was acknowledged before it began.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    place: DataPlace,
    /// Where to; empty, or not there yet. It holds keys: keep it as safe as the server.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Verify a backup and copy it into an empty directory, for a server to go on from.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The server's new data directory; empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Backup {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let source = self.place.directory()?;
        let shown = Shown::new(output);
        let copied = huntcore_log_file::backup(&source, &self.to, &|progress| shown.tell(progress));
        shown.finish();
        let report = copied?;
        say(output, "backed up", &source, &self.to, &report);
        Ok(())
    }
}

impl Restore {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let shown = Shown::new(output);
        let copied =
            huntcore_log_file::restore(&self.from, &self.data, &|progress| shown.tell(progress));
        shown.finish();
        let report = copied?;
        say(output, "restored", &self.from, &self.data, &report);
        Ok(())
    }
}

/// One bar after another, one for each stage.
struct Shown {
    output: Output,
    bar: Mutex<Option<(CopyStage, Progress)>>,
}

impl Shown {
    fn new(output: Output) -> Self {
        Self {
            output,
            bar: Mutex::default(),
        }
    }

    fn tell(&self, told: CopyProgress) {
        let Ok(mut bar) = self.bar.lock() else {
            return;
        };
        if bar.as_ref().is_none_or(|(stage, _)| *stage != told.stage) {
            if let Some((_, before)) = bar.take() {
                before.finish();
            }
            let what = match told.stage {
                CopyStage::VerifyingSource => "verifying the backup",
                CopyStage::Copying => "copying",
                CopyStage::VerifyingCopy => "verifying the copy",
            };
            *bar = Some((told.stage, Progress::bytes(self.output, what)));
        }
        if let Some((_, bar)) = &*bar {
            bar.set(told.progress.bytes, told.progress.bytes_total);
        }
    }

    fn finish(self) {
        if let Ok(bar) = self.bar.into_inner()
            && let Some((_, bar)) = bar
        {
            bar.finish();
        }
    }
}

fn say(output: Output, done: &str, from: &Path, to: &Path, report: &CopyReport) {
    output.line(
        || text(done, from, to, report),
        || object(done, from, to, report),
    );
}

fn text(done: &str, from: &Path, to: &Path, report: &CopyReport) -> String {
    let rows = report.streams.iter().map(|stream| {
        [
            stream_name(stream.shard).into_owned(),
            stream.oldest.to_string(),
            stream.tail.sequence.to_string(),
            show::time(stream.tail.time),
            show::count(stream.batches),
            show::bytes(stream.bytes),
        ]
    });
    let header = ["stream", "first", "next", "up to (UTC)", "batches", "size"];
    let table = show::table(header, |column| column != 0 && column != 3, rows);
    format!(
        "{table}\n\n{done} {} to {}: {} streams and {} other files, {}, verified",
        from.display(),
        to.display(),
        report.streams.len(),
        report.files,
        show::bytes(report.bytes)
    )
}

fn object(done: &str, from: &Path, to: &Path, report: &CopyReport) -> Value {
    let streams: Vec<Value> = report
        .streams
        .iter()
        .map(|stream| {
            json!({
                "stream": stream_name(stream.shard),
                "first": stream.oldest,
                "next": stream.tail.sequence,
                "chain": stream.tail.chain,
                "time": Timestamp::new(stream.tail.time),
                "batches": stream.batches,
                "bytes": stream.bytes,
            })
        })
        .collect();
    json!({
        "done": done,
        "from": from.display().to_string(),
        "to": to.display().to_string(),
        "streams": streams,
        "files": report.files,
        "bytes": report.bytes,
    })
}
