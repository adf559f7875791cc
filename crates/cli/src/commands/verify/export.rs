//! An exported trail, proved by its own bytes.

use std::path::Path;

use huntcore_audit::{Checker, Report};
use huntcore_log::stream_name;
use serde_json::{Value, json};

use crate::output::{Failed, Output};
use crate::{show, trail};

/// Faults listed; all are counted.
const FAULTS_MAX: usize = 50;

pub(super) fn run(path: &Path, output: Output) -> Result<(), Failed> {
    let mut checker = Checker::new(FAULTS_MAX);
    trail::read(path, |event| checker.push(event))?;
    let report = checker.finish();
    output.line(|| text(path, &report), || object(&report));
    match report.faults_total {
        0 if report.batches == 0 => Err(Failed::new("the trail is empty: nothing is proved")),
        0 => Ok(()),
        1 => Err(Failed::new("the trail has a fault")),
        faults => Err(Failed::new(format!("the trail has {faults} faults"))),
    }
}

fn text(path: &Path, report: &Report) -> String {
    let mut lines = vec![format!(
        "{}: {} batches, {} records",
        path.display(),
        show::count(report.batches),
        show::count(report.records)
    )];
    for span in &report.streams {
        lines.push(format!(
            "  {} from {} to {}, chain {}",
            stream_name(span.stream),
            span.first,
            span.end.sequence,
            span.end.chain
        ));
    }
    if report.names_on_trust > 0 {
        lines.push(format!(
            "  {} events name somebody or something introduced before the trail begins: not proved",
            show::count(report.names_on_trust)
        ));
    }
    lines.extend(report.faults.iter().map(|fault| format!("  {fault}")));
    let unlisted = report.faults_total - report.faults.len() as u64;
    if unlisted > 0 {
        lines.push(format!("  and {unlisted} more"));
    }
    if report.faults_total == 0 && report.batches > 0 {
        lines.push("  nothing was altered, and nothing removed in between".to_owned());
    }
    lines.join("\n")
}

fn object(report: &Report) -> Value {
    let streams = report.streams.iter().map(|span| {
        json!({
            "stream": stream_name(span.stream),
            "first": span.first,
            "next": span.end.sequence,
            "chain": span.end.chain,
        })
    });
    let faults = report.faults.iter().map(ToString::to_string);
    json!({
        "batches": report.batches,
        "records": report.records,
        "names_on_trust": report.names_on_trust,
        "streams": streams.collect::<Vec<_>>(),
        "faults": faults.collect::<Vec<_>>(),
        "faults_total": report.faults_total,
    })
}
