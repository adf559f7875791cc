//! An attempt allocates nothing between parse and reply.
//!
//! What is allocated for a block of attempts (its batch) must be the same however many
//! attempts the block holds. Memory that claims stay in grows by chunks of thousands, so of
//! winners a small part is allowed.

use std::alloc::System;
use std::sync::Mutex;

use huntcore_bench::HotPath;
use huntcore_wire::ClaimStreamForm;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The counts are of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const BLOCKS: usize = 40;
/// So many attempts have been decided before anything is counted: buffers have grown.
const BEFORE: usize = 100_000;

/// Allocations of [`BLOCKS`] blocks of so many attempts, in a steady state.
fn allocations(winners_percent: u32, attempts: usize) -> usize {
    let mut path = HotPath::new(winners_percent);
    let mut reply = Vec::with_capacity(1 << 20);
    for _ in 0..BEFORE / 4_000 {
        reply.clear();
        path.pass(4_000, &mut reply);
    }
    let bodies: Vec<Vec<u8>> = (0..BLOCKS)
        .map(|_| path.body(ClaimStreamForm::Protobuf, attempts))
        .collect();
    let region = Region::new(ALLOCATOR);
    for body in &bodies {
        reply.clear();
        path.pass_body(body, &mut reply);
    }
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn losers_allocate_nothing_at_all() {
    let _alone = ALONE.lock().expect("no other test panicked");
    assert_eq!(allocations(0, 4_000), 0);
}

#[test]
fn what_winners_and_losers_allocate_does_not_depend_on_how_many_they_are() {
    let _alone = ALONE.lock().expect("no other test panicked");
    for percent in [5, 50, 100] {
        let (few, many) = (allocations(percent, 1_000), allocations(percent, 4_000));
        let more_winners = 3_000 * BLOCKS * percent as usize / 100;
        // A chunk of claims for some thousands; and what a batch is written into may double
        // twice more for a block four times as long, in each of two buffers.
        let allowed = more_winners / 500 + 4 * BLOCKS;
        assert!(
            many <= few + allowed,
            "{percent} % win: {few} allocations for {BLOCKS} blocks of 1,000 attempts, {many} for \
             blocks of 4,000; allowed {allowed} more"
        );
    }
}

#[test]
fn the_count_counts() {
    let _alone = ALONE.lock().expect("no other test panicked");
    let region = Region::new(ALLOCATOR);
    let held: Vec<Box<u64>> = (0..100).map(Box::new).collect();
    let change = region.change();
    assert!(change.allocations >= 100, "{change:?}");
    drop(held);
}
