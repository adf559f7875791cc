//! Instructions an attempt takes, piece by piece, counted by valgrind: the same on every run
//! and machine, whatever else runs.
//!
//! Each piece runs twice in a process of its own, with few attempts and with many; the
//! difference has no start-up in it.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::claims::Run;
use crate::crowd::{WORKER_COMMAND, WorkerTask, task_line};
use crate::hot_path::Piece;
use crate::report::{BenchError, Row};

const FEW: usize = 20_000;
const MANY: usize = 60_000;
const UNIT: &str = "instructions/attempt";

const PIECES: [(&str, Piece); 7] = [
    ("decide-5", Piece::Decide(5)),
    ("decide-50", Piece::Decide(50)),
    ("decide-100", Piece::Decide(100)),
    ("parse-protobuf", Piece::ParseProtobuf),
    ("parse-ndjson", Piece::ParseLines),
    ("write-protobuf", Piece::WriteProtobuf),
    ("write-ndjson", Piece::WriteLines),
];

/// Rows for every piece.
pub(crate) fn instructions(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let program = run.bench.program.clone();
    let mut all_win = 0.0;
    for (name, piece) in PIECES {
        let Some(count) = an_attempt(&program, piece)? else {
            run.report
                .note("valgrind is not installed: no instructions counted".to_owned());
            return Ok(());
        };
        if piece == Piece::Decide(100) {
            all_win = count;
        }
        let row = Row::new(format!("{case}-{name}"), count, UNIT);
        run.report.rows.push(row);
    }
    if let Some(both) = an_attempt(&program, Piece::DecideAndFold)? {
        let row = Row::new(
            format!("{case}-fold"),
            both - all_win,
            "instructions/record",
        );
        run.report.rows.push(row);
    }
    Ok(())
}

/// `None` if valgrind is not installed.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn an_attempt(program: &Path, piece: Piece) -> Result<Option<f64>, BenchError> {
    let Some(few) = counted(program, piece, FEW)? else {
        return Ok(None);
    };
    let many = counted(program, piece, MANY)?.unwrap_or(few);
    Ok(Some(many.saturating_sub(few) as f64 / (MANY - FEW) as f64))
}

fn counted(program: &Path, piece: Piece, attempts: usize) -> Result<Option<u64>, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let task = folder.path().join("task");
    let line = task_line(&WorkerTask::HotPath { piece, attempts })?;
    std::fs::write(&task, line).map_err(BenchError::io("write a task"))?;
    let stdin = std::fs::File::open(&task).map_err(BenchError::io("read a task"))?;
    let counts = folder.path().join("counts");
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg(format!("--cachegrind-out-file={}", counts.display()))
        .arg(program)
        .arg(WORKER_COMMAND)
        .stdin(stdin)
        .stdout(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BenchError::io("run valgrind")(error)),
    };
    let text = std::fs::read_to_string(&counts).unwrap_or_default();
    let summary = text.lines().find_map(|line| line.strip_prefix("summary: "));
    match summary.and_then(|count| count.trim().parse().ok()) {
        Some(count) if output.status.success() => Ok(Some(count)),
        _ => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last = stderr.lines().last().unwrap_or_default();
            Err(BenchError::Huntcore(format!("valgrind: {last}")))
        }
    }
}
