//! All of the boards as bytes, and back.
//!
//! A snapshot of the model's making (checked blocks) with the magic "HCBC". Its fields:
//! number of shards; the control stream's tail; for each shard its tail and player numbers;
//! counters; for each shard its recent claims; hunts, each with its boards, best first.
//!
//! A player's id stands where the first of all streams gives the player a number; from then
//! on players are named by the order in which that happens. So the bytes depend on what was
//! applied and not on how the streams interleaved (I5). Limits are configuration and not in
//! it: restored boards live under the limits they are given.
//!
//! Version 2 is read, too: it knew only the boards that every hunt has, and no corrections.

mod read;
mod read_hunt;
mod write;
mod write_hunt;

use huntcore_model::SnapshotError;

use crate::limits::BoardCounters;

const MAGIC: [u8; 4] = *b"HCBC";
const FORMAT_VERSION: u16 = 3;
/// The oldest one that is read.
const FORMAT_VERSION_OLD: u16 = 2;

/// What stands for a player where numbers are given out; above these a player named before.
const WRITTEN_ERASED: u64 = 0;
const WRITTEN_NEW: u64 = 1;
const WRITTEN_KNOWN: u64 = 2;

/// A definition takes less than this as JSON: its zone's offsets most of it.
const DEFINITION_BYTES_MAX: usize = 64 << 10;

/// Why bytes are not a checkpoint of these boards.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The bytes cannot be read, or are not those that were written, or are impossible.
    #[error("boards cannot be restored")]
    Snapshot(#[from] SnapshotError),
    /// It was taken with another number of shards.
    #[error("checkpoint of boards is of {found} shards, but there are {expected}")]
    Shards {
        /// The checkpoint's.
        found: u64,
        /// The deployment's.
        expected: u16,
    },
}

/// In the order in which they are written; the first four since version 2.
fn counters(counters: &mut BoardCounters) -> [&mut u64; 11] {
    [
        &mut counters.windows_dropped,
        &mut counters.players_refused,
        &mut counters.records_refused,
        &mut counters.records_erased,
        &mut counters.windows_expired,
        &mut counters.results_lost,
        &mut counters.late_events,
        &mut counters.corrections,
        &mut counters.corrections_missed,
        &mut counters.definitions_refused,
        &mut counters.records_over,
    ]
}

const COUNTERS_OLD: usize = 4;
