//! What look-ups cost among many events: `look_ups EVENTS DIRECTORY`.
//!
//! Writes a horizon of runs as they stand after a day's merging, opens them again, and looks up
//! events that are there and that are not, in requests of a thousand.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use huntcore_disk::RealDisk;
use huntcore_engine::{EventFact, EventKey, EventSeen, EventSpan};
use huntcore_event_keys::{Asked, EventKeys, KeysOptions};
use huntcore_model::{EventDigest, Hash32, HuntNumber, Sequence, ShardId, TimeMicros};

/// Runs of a horizon's eighths, and some that are younger.
const RUNS: u64 = 12;
const TOGETHER: u64 = 1_000;
const LOOK_UPS: u64 = 1_000_000;

fn key(number: u64) -> EventKey {
    EventKey::new(HuntNumber::new(0), "player", &number.to_string())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let events: u64 = arguments.next().ok_or("how many events?")?.parse()?;
    let directory = PathBuf::from(arguments.next().ok_or("which directory?")?);
    let mut out = std::io::stdout().lock();
    let options = KeysOptions::new(24 * 3_600 * 1_000);
    let shard = ShardId::new(0);
    let open = || EventKeys::open(Arc::new(RealDisk), &directory, shard, options);
    let mut keys = open()?;
    let each = events / RUNS;
    let began = Instant::now();
    for run in 0..RUNS {
        let facts = (run * each..(run + 1) * each).map(|number| EventFact {
            key: key(number),
            seen: EventSeen {
                digest: EventDigest(key(number).0),
                sequence: Sequence::new(number),
            },
        });
        let span = EventSpan {
            first: Sequence::new(run * each),
            end: Sequence::new((run + 1) * each),
            newest: TimeMicros::from_millis(run * 3_600_000),
        };
        keys.write_facts(span, Hash32::ZERO, facts.collect())?;
    }
    let written = began.elapsed();
    let began = Instant::now();
    let keys = open()?;
    let opened = began.elapsed();
    let runs = keys.runs();
    let mebibytes = |bytes: u64| bytes >> 20;
    writeln!(
        out,
        "{} events in {} runs: {} MiB of memory, {} MiB of disk; written in {written:.1?}, opened \
         in {opened:.1?}",
        runs.events(),
        runs.all().len(),
        mebibytes(runs.memory_bytes()),
        mebibytes(runs.file_bytes()),
    )?;
    for (what, first) in [("absent", RUNS * each), ("present", 0)] {
        // Spread over all runs.
        let step = if first == 0 {
            RUNS * each / LOOK_UPS
        } else {
            1
        };
        let asked: Vec<Asked> = (0..LOOK_UPS)
            .map(|number| Asked {
                key: key(first + number * step),
                id_time: None,
            })
            .collect();
        let (mut found, mut pages) = (Vec::new(), 0);
        let began = Instant::now();
        let together = usize::try_from(TOGETHER)?;
        for asked in asked.chunks(together) {
            pages += runs.look_up(asked, &mut found)?;
        }
        let taken = began.elapsed();
        writeln!(
            out,
            "{what}: {:.0} look-ups/s, {} of {LOOK_UPS} found, {pages} pages read",
            LOOK_UPS as f64 / taken.as_secs_f64(),
            found.len(),
        )?;
    }
    Ok(())
}
