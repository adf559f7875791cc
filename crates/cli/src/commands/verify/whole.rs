//! The whole log, read and judged by `huntcore-verify`.
//!
//! It is read twice: first as bytes, which finds damage with file and offset, then for what
//! it means. Beside a running server it is judged up to where it was durable when the
//! verification began.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use huntcore_disk::{Disk, RealDisk};
use huntcore_engine::{Controller, EngineLimits};
use huntcore_log_file::{Inspection, StreamReport};
use huntcore_map::FairnessKey;
use huntcore_model::{Batch, Catalog, Sequence, ShardId};
use huntcore_verify::{End, Report, Settings, Verifier, by_time};
use serde_json::{Value, json};

use super::fold::fold;
use crate::commands::data::{DataPlace, OpenedData, oldest};
use crate::keys;
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;

/// People are shown so many faults; machines get all that the report lists.
const FAULTS_SHOWN: usize = 50;

/// The part of a checkpoint that holds the controller.
const CONTROL_PART: &str = "control";

/// What was found, and what it was found with.
struct Verdict {
    report: Report,
    with_key: bool,
    end: End,
}

pub(super) fn run(place: &DataPlace, output: Output) -> Result<(), Failed> {
    let data = place.open()?;
    let verdict = verify(&data, output)?;
    output.line(|| text(&verdict), || object(&verdict));
    match verdict.report.faults_total {
        0 => Ok(()),
        1 => Err(Failed::new("the log has a fault")),
        faults => Err(Failed::new(format!("the log has {faults} faults"))),
    }
}

fn verify(data: &OpenedData, output: Output) -> Result<Verdict, Failed> {
    let inspection = &data.inspection;
    let config = data.config.as_ref();
    let horizon_ms = config.and_then(crate::config::ConfigFile::event_horizon_ms);
    let horizon_ms = horizon_ms.unwrap_or(EngineLimits::default().event_horizon_ms);
    let mut settings = Settings::new(data.shard_map()?, horizon_ms);
    settings.fairness_key = fairness_key(data)?;
    let with_key = settings.fairness_key.is_some();

    let sound = read_bytes(inspection, output);
    let mut ends = BTreeMap::new();
    let mut damage = Vec::new();
    let mut records = 0;
    for (&shard, report) in inspection.shards().iter().zip(sound) {
        match report {
            Ok(report) => {
                settings.begins.insert(shard, report.oldest);
                ends.insert(shard, Some(report.tail.sequence));
                records += report.tail.sequence.get() - report.oldest.get();
            }
            Err(error) => {
                let begin = oldest(inspection, shard).unwrap_or_default();
                settings.begins.insert(shard, begin);
                ends.insert(shard, None);
                damage.push((shard, Failed::from(error).to_string()));
            }
        }
    }
    settings.catalog = known_catalog(data, settings.begins[&ShardId::CONTROL]);
    let was_cut = AtomicBool::new(!damage.is_empty());
    let mut streams = Vec::new();
    for (&shard, &end) in &ends {
        let begin = settings.begins[&shard];
        let within = move |batch: &Batch| end.is_none_or(|end| batch.header().first_sequence < end);
        // Damage was reported when it was found; up to there the stream is judged.
        let batches = inspection.read(shard, begin).into_iter().flatten();
        let was_cut = &was_cut;
        let batches = batches.map_while(move |batch| {
            was_cut.fetch_or(batch.is_err(), Ordering::Relaxed);
            batch.ok()
        });
        streams.push(batches.take_while(within).map(Ok::<_, Infallible>));
    }
    let progress = Progress::new(output, "records", records);
    let batches = by_time(streams).map(|batch| batch.unwrap_or_else(|never| match never {}));
    let (mut rules, boards) = fold(batches, Verifier::new(settings), &progress);
    progress.finish();
    for (shard, reason) in damage {
        rules.unreadable(shard, reason);
    }
    let end = if was_cut.into_inner() || has_moved(inspection, &ends) {
        End::OfReading
    } else {
        End::OfLog
    };
    let (report, expected) = rules.finish(end);
    Ok(Verdict {
        report: report.and_boards(boards.finish(&expected)),
        with_key,
        end,
    })
}

/// What the newest good checkpoint says of the control stream, if that begins at `begin` only.
fn known_catalog(data: &OpenedData, begin: Sequence) -> Option<Catalog> {
    if begin == Sequence::ZERO {
        return None;
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let listing = huntcore_checkpoint::list(&disk, &data.checkpoints()).ok()?;
    let restored = listing.good.iter().find_map(|checkpoint| {
        let part = checkpoint.part(CONTROL_PART)?;
        let mut input = checkpoint.read(part).ok()?;
        let controller = Controller::restore(&mut input).ok()?;
        input.finish().ok()?;
        Some(controller)
    });
    let catalog = restored?.catalog().clone();
    (catalog.next() >= begin).then_some(catalog)
}

/// Verifies each stream as bytes, on all cores.
fn read_bytes(
    inspection: &Inspection,
    output: Output,
) -> Vec<Result<StreamReport, huntcore_log_file::OpenError>> {
    let progress = Progress::bytes(output, "checking bytes");
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let reports = inspection.verify_streams(inspection.shards(), threads, &|done| {
        progress.set(done.bytes, done.bytes_total);
    });
    progress.finish();
    reports
}

/// Whether anything was written since.
fn has_moved(inspection: &Inspection, ends: &BTreeMap<ShardId, Option<Sequence>>) -> bool {
    ends.iter().any(|(&shard, &end)| {
        let end = end.unwrap_or_default();
        inspection
            .read(shard, end)
            .is_ok_and(|mut batches| batches.next().is_some())
    })
}

/// The configured key, or the one kept beside the log; none if it is not ours to read.
fn fairness_key(data: &OpenedData) -> Result<Option<FairnessKey>, Failed> {
    if let Some(config) = &data.config
        && let Some(key) = config.fairness_key()?
    {
        return Ok(Some(key));
    }
    match keys::read_fairness(&data.directory) {
        Ok(key) => Ok(key),
        Err(reason) => {
            tracing::warn!("going on without the fairness key: {reason}");
            Ok(None)
        }
    }
}

fn text(verdict: &Verdict) -> String {
    let report = &verdict.report;
    let rows = [
        ("streams", report.streams),
        ("batches", report.batches),
        ("records", report.records),
        ("control entries", report.control_entries),
        ("their copies", report.control_copies),
        ("hunts", report.hunts),
        ("rounds", report.rounds),
        ("seeds verified", report.seeds_verified),
        ("maps recomputed", report.maps_verified),
        ("claims", report.claims),
        ("their points verified", report.points_verified),
        ("points pending a seed", report.points_pending),
        ("score events", report.score_events),
        ("players", report.players),
        ("boards and windows", report.boards_compared),
        ("results of windows", report.results_compared),
        ("faults", report.faults_total),
    ];
    let rows = rows.map(|(what, number)| [what.to_owned(), show::count(number)]);
    let table = show::table(["checked", "count"], |column| column == 1, rows);
    let mut text = format!("{} of log\n{table}", show::bytes(report.bytes));
    for fault in report.faults.iter().take(FAULTS_SHOWN) {
        text += &format!("\n{}", show::foreign(&fault.to_string()));
    }
    let more = report.faults_total.saturating_sub(FAULTS_SHOWN as u64);
    if more > 0 {
        text += &format!("\nand {} more", show::count(more));
    }
    for begin in &report.begins {
        text += &format!(
            "\n{} begins at record {} of {}: what earlier records introduced (players, hunts, \
             rounds, seeds) is taken on trust",
            begin.stream,
            show::count(begin.sequence.get()),
            show::time(begin.time),
        );
    }
    if !report.begins.is_empty() {
        text += &format!(
            "\ntaken on trust: {} rounds, {} seeds; boards need the whole log and were not compared",
            show::count(report.rounds_on_trust),
            show::count(report.seeds_on_trust),
        );
    }
    if verdict.end == End::OfReading {
        text += "\nthe log goes on, or is damaged: its ends were not compared with each other";
    }
    if !verdict.with_key && report.points_pending > 0 {
        text += "\nwithout the fairness key, rounds whose seed is not published stay unchecked";
    }
    if report.is_ok() {
        text += "\n\nok";
    }
    text
}

fn object(verdict: &Verdict) -> Value {
    let report = &verdict.report;
    let mut object = json!({
        "ok": report.is_ok(),
        "with_fairness_key": verdict.with_key,
        "ends_compared": verdict.end == End::OfLog,
    });
    let counts = serde_json::to_value(report).unwrap_or_default();
    if let (Some(object), Value::Object(counts)) = (object.as_object_mut(), counts) {
        object.extend(counts);
    }
    // Each fault says itself in words, too.
    if let Some(faults) = object["faults"].as_array_mut() {
        for (json, fault) in faults.iter_mut().zip(&report.faults) {
            json["message"] = fault.to_string().into();
        }
    }
    object
}
