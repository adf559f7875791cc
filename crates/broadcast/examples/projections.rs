//! What folding a claim into boards and broadcast costs: nanoseconds and bytes.
//!
//! `projections [CLAIMS [PLAYERS [WHAT]]]` makes a log of that many claims in memory, in
//! batches of 4,096, and folds it with a tick every 36 batches (as at 3 million claims a
//! second), then once more without ticks, as a replay does; and what holding the result,
//! cloning, writing and restoring it takes. WHAT is `boards`, `broadcast`,
//! `decode` (reading the records alone), `log` (nothing but making the log: what to
//! subtract where instructions are counted) or `all`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement: it reads the clock and its arguments, and prints"
)]

use std::time::Instant;

use huntcore_board::{BoardLimits, Boards};
use huntcore_broadcast::{Broadcast, BroadcastLimits};
use huntcore_model::{
    Batch, BatchBuilder, ClaimRecord, ControlRecord, Epoch, Hash32, HuntConfig, HuntCreated,
    HuntId, HuntNumber, PlayerNumber, Record, RecordSink, RoundNumber, RoundOpened, RoundSchedule,
    Salt, Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
};

const HUNT: HuntNumber = HuntNumber::new(0);
const SHARD: ShardId = ShardId::new(0);
const BATCH_CLAIMS: u32 = 4_096;
const BATCH_MICROS: u64 = 1_365;
const BATCHES_PER_TICK: usize = 36;
const ROUND_TILES: u32 = 500_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| {
        let given = arguments.next();
        given.map_or(default, |text| text.parse().expect("a number"))
    };
    let claims = number(3_000_000);
    let players = number(10_000);
    let what = std::env::args().nth(3).unwrap_or_else(|| "all".to_owned());
    let started = Instant::now();
    let log = log(claims, players);
    println!("log: {} batches in {:?}", log.len(), started.elapsed());
    let shards = ShardMap::new(1).expect("one");
    let wants = |name: &str| what == name || what == "all";
    if wants("decode") {
        measure("decode", claims, &log, |batch, _| {
            assert!(batch.records().all(|record| record.is_ok()));
        });
        let mut sum = Sum::default();
        measure("decode by scan", claims, &log, |batch, _| {
            batch.scan(&mut sum).expect("own batches");
        });
        println!("  {} points", sum.points);
    }
    for (how, ticks) in [("with ticks", true), ("replay", false)] {
        if wants("boards") {
            let before = resident_bytes();
            let mut boards = Boards::new(shards, BoardLimits::default());
            measure(&format!("boards, {how}"), claims, &log, |batch, is_tick| {
                boards.apply(batch).expect("in order");
                if ticks && is_tick {
                    boards.publish();
                }
            });
            boards.publish();
            println!(
                "  {} KiB held",
                (resident_bytes().saturating_sub(before)) >> 10
            );
            let clone = timed("  clone", || boards.clone());
            let mut bytes = Vec::new();
            timed("  checkpoint", || clone.checkpoint(&mut bytes)).expect("memory");
            println!("  {} KiB written", bytes.len() >> 10);
            let restored = timed("  restore", || {
                Boards::restore(shards, BoardLimits::default(), &mut bytes.as_slice())
            });
            assert_eq!(restored.expect("own bytes").position(), boards.position());
        }
        if wants("broadcast") {
            let before = resident_bytes();
            let mut broadcast = Broadcast::new(shards, BroadcastLimits::default());
            measure(
                &format!("broadcast, {how}"),
                claims,
                &log,
                |batch, is_tick| {
                    broadcast.apply(batch).expect("in order");
                    if ticks && is_tick {
                        broadcast.cut_tick(batch.header().time);
                    }
                },
            );
            println!(
                "  {} KiB held",
                (resident_bytes().saturating_sub(before)) >> 10
            );
            let clone = timed("  clone", || broadcast.clone());
            let mut bytes = Vec::new();
            timed("  checkpoint", || clone.checkpoint(&mut bytes)).expect("memory");
            println!("  {} KiB written", bytes.len() >> 10);
            let restored = timed("  restore", || {
                Broadcast::restore(shards, BroadcastLimits::default(), &mut bytes.as_slice())
            });
            assert_eq!(
                restored.expect("own bytes").position(),
                broadcast.position()
            );
        }
    }
}

fn timed<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = run();
    println!("{name}: {:?}", started.elapsed());
    result
}

#[derive(Default)]
struct Sum {
    points: u64,
}

impl RecordSink<'_> for Sum {
    fn claim(&mut self, _: Sequence, claim: ClaimRecord) {
        self.points += u64::from(claim.points) ^ u64::from(claim.tile.get());
    }

    fn other(&mut self, _: Sequence, _: Record<'_>) {}
}

fn measure(name: &str, claims: u32, log: &[Batch], mut fold: impl FnMut(&Batch, bool)) {
    let started = Instant::now();
    for (index, batch) in log.iter().enumerate() {
        fold(batch, index % BATCHES_PER_TICK == BATCHES_PER_TICK - 1);
    }
    let nanos = started.elapsed().as_nanos();
    println!("{name}: {} ns a claim", nanos / u128::from(claims));
}

/// Claims of random players on every tile, on the two newest rounds in turn.
fn log(claims: u32, players: u32) -> Vec<Batch> {
    let mut builder = BatchBuilder::new();
    let mut tail = Tail::default();
    let mut log = Vec::new();
    let mut time = TimeMicros::from_millis(1_000_000);
    let mut copied = Sequence::ZERO;
    control(&mut builder, &mut copied, created());
    for number in 0..players {
        let id = format!("player-{number:012}");
        builder.push_player(PlayerNumber::new(number), &id, Salt([1; 16]));
        if builder.count() == BATCH_CLAIMS {
            commit(&mut log, &mut builder, &mut tail, time);
        }
    }
    let mut opened = 0;
    let mut mixed = 1_u32;
    for claim in 0..claims {
        // Rounds by pairs, so that every tile is claimed once.
        if claim % (2 * ROUND_TILES) == 0 {
            for _ in 0..2 {
                opened += 1;
                control(&mut builder, &mut copied, round(opened, time));
            }
            commit(&mut log, &mut builder, &mut tail, time);
        }
        mixed = mixed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        builder.push(&Record::Claim(ClaimRecord {
            hunt: HUNT,
            round: RoundNumber::new(opened - u64::from(claim / 7 % 2)),
            tile: TileIndex::new(claim % (2 * ROUND_TILES) / 14 * 7 + claim % 7),
            player: PlayerNumber::new((mixed >> 4) % players),
            points: 1 + mixed % 100,
        }));
        if builder.count() == BATCH_CLAIMS {
            time = TimeMicros::new(time.get() + BATCH_MICROS);
            commit(&mut log, &mut builder, &mut tail, time);
        }
    }
    if !builder.is_empty() {
        commit(&mut log, &mut builder, &mut tail, time);
    }
    log
}

fn commit(log: &mut Vec<Batch>, builder: &mut BatchBuilder, tail: &mut Tail, time: TimeMicros) {
    let batch = builder.finish(SHARD, Epoch::new(1), tail, time, tail.sequence);
    *tail = batch.tail();
    log.push(batch);
}

fn control(builder: &mut BatchBuilder, copied: &mut Sequence, record: ControlRecord) {
    let record = Box::new(record);
    builder.push(&Record::Control {
        at: *copied,
        record,
    });
    *copied = copied.advanced(1);
}

fn created() -> ControlRecord {
    ControlRecord::HuntCreated(HuntCreated {
        hunt: HUNT,
        id: HuntId::new("park").expect("a slug"),
        created_at: TimeMicros::ZERO,
        starts_at: TimeMicros::ZERO,
        ends_at: None,
        config: HuntConfig {
            area: "{}".to_owned(),
            resolution: 12,
            round_ms: 1_000,
            claim_window_ms: 10_000,
            tiles: ROUND_TILES,
            values: Vec::new(),
            values_hidden: false,
            cells: ROUND_TILES,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        },
        anchor: Hash32::ZERO,
    })
}

fn round(number: u64, opens_at: TimeMicros) -> ControlRecord {
    ControlRecord::RoundOpened(RoundOpened {
        hunt: HUNT,
        round: RoundNumber::new(number),
        config_version: 1,
        map: Hash32::ZERO,
        commitment: Hash32::ZERO,
        layout: Hash32::ZERO,
        tiles: ROUND_TILES,
        schedule: RoundSchedule {
            opens_at,
            closes_at: opens_at.plus_millis(10_000),
        },
    })
}

/// What the process holds, as the kernel counts it.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4_096
}
