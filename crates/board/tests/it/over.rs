//! Hunts that are over: their last windows become final, whatever is left of them.

use std::sync::Arc;

use huntcore_board::{BoardLimits, Boards, BoardsVersion};
use huntcore_model::{
    Batch, BatchBuilder, BoardDefinition, BoardName, BoardOperator, Catalog, ClaimRecord,
    ControlRecord, Epoch, Hash32, HuntConfig, HuntCreated, HuntId, HuntNumber, PlayerNumber,
    Record, RoundNumber, Salt, Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
    WindowRule,
};

const HUNT: HuntNumber = HuntNumber::new(0);
const DAY_MS: u64 = 86_400_000;
const NOON_MS: u64 = DAY_MS / 2;
const CLAIM_WINDOW_MS: u64 = 20_000;

fn at(millis: u64) -> TimeMicros {
    TimeMicros::from_millis(millis)
}

fn board(name: &str, window: WindowRule) -> BoardDefinition {
    let [total, ..] = BoardDefinition::built_in();
    BoardDefinition {
        name: name.parse().expect("a name"),
        operator: BoardOperator::Sum,
        window,
        keep_ms: DAY_MS,
        results: 3,
        ..total
    }
}

/// The control stream: a hunt with rounds of ten seconds that ends, and with two boards.
fn entries(ends_at: Option<TimeMicros>) -> Vec<ControlRecord> {
    let config = HuntConfig {
        area: "{}".to_owned(),
        resolution: 12,
        round_ms: 10_000,
        claim_window_ms: CLAIM_WINDOW_MS,
        tiles: 1,
        values: Vec::new(),
        values_hidden: false,
        cells: 1,
        cells_hash: Hash32::ZERO,
        config_hash: Hash32::ZERO,
    };
    let day = WindowRule::Tumbling { length_ms: DAY_MS };
    vec![
        ControlRecord::HuntCreated(HuntCreated {
            hunt: HUNT,
            id: HuntId::new("park").expect("a slug"),
            created_at: TimeMicros::ZERO,
            starts_at: at(1_000),
            ends_at,
            config,
            anchor: Hash32::ZERO,
        }),
        ControlRecord::BoardsChanged {
            hunt: HUNT,
            boards: vec![board("daily", day), board("all", WindowRule::Whole)],
        },
    ]
}

fn catalog(entries: &[ControlRecord]) -> Catalog {
    let mut catalog = Catalog::new();
    for (at, entry) in (0..).map(Sequence::new).zip(entries) {
        catalog.apply(at, entry).expect("in turn");
    }
    catalog
}

struct Writer {
    shard: ShardId,
    tail: Tail,
}

impl Writer {
    fn batch(&mut self, millis: u64, records: &[Record<'_>]) -> Batch {
        let mut builder = BatchBuilder::new();
        if self.tail.sequence == Sequence::ZERO {
            let id = format!("player {}", self.shard.get());
            builder.push_player(PlayerNumber::new(0), &id, Salt([7; 16]));
        }
        builder.push(&Record::Time);
        for record in records {
            builder.push(record);
        }
        let durable = self.tail.sequence;
        let batch = builder.finish(self.shard, Epoch::new(1), &self.tail, at(millis), durable);
        self.tail = batch.tail();
        batch
    }
}

fn copies(entries: &[ControlRecord], from: usize) -> Vec<Record<'static>> {
    let numbered = (0..).map(Sequence::new).zip(entries).skip(from);
    let copies = numbered.map(|(at, entry)| Record::Control {
        at,
        record: Box::new(entry.clone()),
    });
    copies.collect()
}

fn claim(round: u64) -> Record<'static> {
    Record::Claim(ClaimRecord {
        hunt: HUNT,
        round: RoundNumber::new(round),
        tile: TileIndex::new(0),
        player: PlayerNumber::new(0),
        points: 5,
    })
}

/// A hunt's streams: everybody claims once, then it is closed at noon, which each shard hears
/// 700 ms after the one before, or it ends there. The last time that a shard tells of is `until`.
fn streams(shards: u16, is_closed: bool, until_ms: u64) -> (Catalog, Vec<Vec<Batch>>) {
    let mut all = entries((!is_closed).then(|| at(NOON_MS)));
    let first = all.len();
    if is_closed {
        all.push(ControlRecord::HuntClosed {
            hunt: HUNT,
            closed_at: at(NOON_MS),
        });
    }
    let streams = (0..shards).map(|shard| {
        let mut writer = Writer {
            shard: ShardId::new(shard),
            tail: Tail::default(),
        };
        let heard_ms = NOON_MS + 700 * u64::from(shard);
        let mut batches = vec![
            writer.batch(500, &copies(&all[..first], 0)),
            writer.batch(11_000 + u64::from(shard), &[claim(1)]),
        ];
        let mut millis = heard_ms;
        batches.push(writer.batch(millis, &copies(&all, first)));
        while millis < until_ms {
            millis = (millis + 1_000).min(until_ms);
            batches.push(writer.batch(millis, &[]));
        }
        batches
    });
    let streams = streams.collect();
    (catalog(&all), streams)
}

/// Folds the streams, each in order, beginning with the one of that place or taking turns, and
/// goes on from a checkpoint after every `restart_every` batches.
fn folded(streams: &[Vec<Batch>], first: Option<usize>, restart_every: usize) -> Boards {
    let shards = ShardMap::new(u16::try_from(streams.len()).expect("few")).expect("some");
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (stream, batches) in streams.iter().enumerate() {
        places.extend((0..batches.len()).map(|place| (stream, place)));
    }
    match first {
        Some(first) => places.sort_by_key(|&(stream, place)| (stream != first, stream, place)),
        None => places.sort_by_key(|&(stream, place)| (place, stream)),
    }
    let mut boards = Boards::new(shards, BoardLimits::default());
    for (count, (stream, place)) in (1..).zip(places) {
        boards.apply(&streams[stream][place]).expect("in order");
        if count % restart_every == 0 {
            boards.publish();
            let mut bytes = Vec::new();
            boards.checkpoint(&mut bytes).expect("memory takes all");
            let mut input = bytes.as_slice();
            boards = Boards::restore(shards, BoardLimits::default(), &mut input).expect("own");
        }
    }
    boards
}

/// Which boards have results to be written, with when their windows end and how many are there.
fn due(version: &BoardsVersion, catalog: &Catalog) -> Vec<(String, u64, u64)> {
    let due = version.due_results(catalog, 9).into_iter();
    let due = due.map(|due| (due.board.to_string(), due.end.millis(), due.players));
    due.collect()
}

fn versions(streams: &[Vec<Batch>]) -> Vec<Arc<BoardsVersion>> {
    let firsts = (0..streams.len()).map(Some).chain([None]);
    let versions = firsts.flat_map(|first| {
        [1, 2, usize::MAX].map(|restart_every| folded(streams, first, restart_every).publish())
    });
    versions.collect()
}

#[test]
fn a_hunt_that_is_over_at_noon_has_the_results_of_that_day_whatever_the_order_of_streams() {
    for shards in [1_u16, 3] {
        for is_closed in [true, false] {
            // Closed: once each shard is past the last one's hearing of it.
            let heard_ms = NOON_MS + 700 * (u64::from(shards) - 1);
            let over_ms = match is_closed {
                true => heard_ms,
                false => NOON_MS + CLAIM_WINDOW_MS,
            };
            let daily: BoardName = "daily".parse().expect("a name");
            let (catalog, before) = streams(shards, is_closed, over_ms - 1);
            for version in versions(&before) {
                let view = version
                    .window(HUNT, daily, TimeMicros::ZERO)
                    .expect("there");
                assert!(!view.window().is_final, "{shards} {is_closed}");
                assert!(is_closed || due(&version, &catalog).is_empty());
            }
            let (catalog, after) = streams(shards, is_closed, over_ms + 1);
            let all = versions(&after);
            for version in &all {
                assert_eq!(version, &all[0]);
                let view = version
                    .window(HUNT, daily, TimeMicros::ZERO)
                    .expect("there");
                assert!(view.window().is_final, "{shards} {is_closed}");
                let players = u64::from(shards);
                assert_eq!(
                    due(version, &catalog),
                    [
                        ("all".to_owned(), NOON_MS, players),
                        ("daily".to_owned(), DAY_MS, players)
                    ]
                );
                let later = version.window(HUNT, daily, at(DAY_MS));
                assert!(later.is_err(), "it has not begun");
            }
        }
    }
}

#[test]
fn what_a_log_holds_of_a_hunt_that_is_over_counts_nowhere_and_is_counted() {
    let (catalog, mut batches) = streams(1, true, NOON_MS + 1_000);
    let mut writer = Writer {
        shard: ShardId::new(0),
        tail: batches[0].last().expect("some").tail(),
    };
    batches[0].push(writer.batch(NOON_MS + 2_000, &[claim(2), claim(3)]));
    let version = folded(&batches, None, usize::MAX).publish();
    assert_eq!(version.counters().records_over, 2);
    assert_eq!(due(&version, &catalog).len(), 2);
    let total = version.board(HUNT, BoardName::TOTAL).expect("there");
    assert_eq!(total.entries(0).map(|entry| entry.score).sum::<i64>(), 5);
}

#[test]
fn results_that_a_board_takes_with_it_when_it_is_dropped_are_counted() {
    let (_, mut batches) = streams(1, false, NOON_MS + CLAIM_WINDOW_MS + 1);
    let mut writer = Writer {
        shard: ShardId::new(0),
        tail: batches[0].last().expect("some").tail(),
    };
    let none = ControlRecord::BoardsChanged {
        hunt: HUNT,
        boards: Vec::new(),
    };
    let dropped = Record::Control {
        at: Sequence::new(2),
        record: Box::new(none),
    };
    batches[0].push(writer.batch(NOON_MS + 30_000, &[dropped]));
    batches[0].push(writer.batch(NOON_MS + 30_001, &[]));
    let version = folded(&batches, None, 2).publish();
    assert_eq!(version.counters().results_lost, 1, "the day's");
}
