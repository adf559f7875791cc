//! Events by number, and a disk to keep them on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_engine::{EventFact, EventKey, EventSeen, EventSpan};
use huntcore_event_keys::{Asked, EventKeys, KeysOptions, Run};
use huntcore_model::{EventDigest, Hash32, HuntNumber, Sequence, ShardId, TimeMicros};

pub(crate) const SHARD: ShardId = ShardId::new(3);
/// Eight parts of a second each.
pub(crate) const HORIZON_MS: u64 = 8_000;

pub(crate) fn directory() -> PathBuf {
    PathBuf::from("/data/event-keys")
}

pub(crate) fn options() -> KeysOptions {
    KeysOptions::new(HORIZON_MS)
}

pub(crate) fn open(disk: &SimulatedDisk) -> EventKeys {
    open_with(disk, options())
}

pub(crate) fn open_with(disk: &SimulatedDisk, options: KeysOptions) -> EventKeys {
    let disk = Arc::new(disk.clone());
    EventKeys::open(disk, &directory(), SHARD, options).expect("the disk works")
}

/// The event whose record is at `number`.
pub(crate) fn fact(number: u64) -> EventFact {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    EventFact {
        key: EventKey::new(HuntNumber::new(0), "ada", &number.to_string()),
        seen: EventSeen {
            digest: EventDigest(digest),
            sequence: Sequence::new(number),
        },
    }
}

pub(crate) fn span(first: u64, end: u64, newest_ms: u64) -> EventSpan {
    EventSpan {
        first: Sequence::new(first),
        end: Sequence::new(end),
        newest: TimeMicros::from_millis(newest_ms),
    }
}

/// Writes down all events from `first` to `end`, taken at `newest_ms`.
pub(crate) fn write(keys: &mut EventKeys, first: u64, end: u64, newest_ms: u64) {
    let facts = (first..end).map(fact).collect();
    let span = span(first, end, newest_ms);
    keys.write_facts(span, Hash32::new([1; 32]), facts)
        .expect("the disk works");
}

/// Whether an event is found, and found right.
pub(crate) fn is_found(keys: &EventKeys, number: u64) -> bool {
    let asked = Asked {
        key: fact(number).key,
        id_time: None,
    };
    let found = keys.runs().get(&asked).expect("undamaged");
    assert!(
        found.is_none_or(|seen| seen == fact(number).seen),
        "{found:?}"
    );
    found.is_some()
}

pub(crate) fn spans(keys: &EventKeys) -> Vec<(u64, u64)> {
    let runs = keys.runs();
    let spans = runs.all().iter().map(|run: &Arc<Run>| run.span());
    spans
        .map(|span| (span.first.get(), span.end.get()))
        .collect()
}

pub(crate) fn file(first: u64, end: u64) -> PathBuf {
    Path::new(&directory()).join(format!("shard-3/{first:020}-{end:020}.run"))
}
