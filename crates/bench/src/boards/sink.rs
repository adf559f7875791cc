//! Committed score events into PostgreSQL's tables: rows, one-second windows, position and notice,
//! as fast as the sink and a server that syncs every commit get done with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use huntcore_log::ReadError;
use huntcore_model::{
    Batch, BatchBuilder, ControlRecord, Epoch, EventDigest, Hash32, HuntConfig, HuntCreated,
    HuntId, HuntNumber, PlayerNumber, Record, Salt, ScoreRecord, Sequence, ShardId, ShardMap, Tail,
    TimeMicros,
};
use huntcore_postgres_child::{Options, Server, ServerError};
use huntcore_projection::Batches;
use huntcore_sink_postgres::{Sink, SinkConfig, SinkState, SinkStatus, TABLES};
use tokio::sync::watch;

use super::Run;
use crate::report::{BenchError, HUNTCORE, Row};

/// Events of one batch of the log, as a node under load makes them.
const BATCH_EVENTS: u32 = 1_000;
/// Events of one second of the log's time, and so of one window.
const SECOND_EVENTS: u32 = 50_000;
const PLAYERS: u32 = 100_000;
/// More than can be written in a second here, so that there is always more to write.
const PREPARED_A_SECOND: u64 = 200_000;
const PREPARED_MAX: u64 = 2_000_000;
const SECONDS_MAX: u64 = 10;
/// 2026-11-22T12:00:00Z
const NOON_MS: u64 = 1_795_348_800_000;

/// Writes for so long, at most ten seconds, and counts.
pub(super) fn sink(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let server = match Server::start(Options {
        settings: ["fsync=on", "shared_buffers=1GB", "max_wal_size=8GB"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    }) {
        Ok(server) => server,
        Err(error @ ServerError::NotInstalled) => {
            run.report.notes.push(format!("{case}: {error}: left out"));
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    let duration = Duration::from_secs(run.bench.seconds.clamp(1, SECONDS_MAX));
    let log = Arc::new(Log::of(
        (duration.as_secs() * PREPARED_A_SECOND).min(PREPARED_MAX),
    ));
    let written = write(&server, &log, duration)?;
    let counted = "SELECT count(*), count(DISTINCT sequence) FROM huntcore.events";
    let counted = server.sql("postgres", counted).map_err(failed)?;
    let counts: Vec<u64> = counted
        .split('|')
        .filter_map(|count| count.parse().ok())
        .collect();
    // What was committed while the sink was told to stop may be there, too; nothing is there twice.
    if !matches!(counts[..], [all, distinct] if all == distinct && all >= written.events) {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!(
                "{} events were written, {counted} are there",
                written.events
            ),
        });
    }
    run.report
        .rows
        .push(Row::new(case, written.a_second, "events/s").by(HUNTCORE));
    Ok(())
}

struct Written {
    events: u64,
    a_second: f64,
}

fn write(server: &Server, log: &Arc<Log>, duration: Duration) -> Result<Written, BenchError> {
    let target = server.url("postgres").parse().map_err(failed)?;
    let name = "bench".parse().map_err(failed)?;
    let status = Arc::new(SinkStatus::default());
    let (stop, stopped) = watch::channel(false);
    let (_grown, grown) = watch::channel(());
    let sink = Sink {
        config: SinkConfig::new(name, target),
        shards: ShardMap::new(1).expect("one shard is allowed"),
        batches: log.clone(),
        grown,
        known: None,
        status: status.clone(),
        stop: stopped,
    };
    let mut changed = status.watch();
    let thread = std::thread::Builder::new()
        .name("sink-bench".to_owned())
        .spawn(move || sink.run())
        .map_err(BenchError::io("start a thread"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let streams = [ShardId::new(0), ShardId::CONTROL];
    let show = || status.show(log.as_ref(), &streams, TimeMicros::ZERO);
    let events_at = TABLES.iter().position(|table| *table == "events");
    let events = || show().rows[events_at.expect("there are events")];
    let measured = runtime.block_on(async {
        // Connecting and making the tables is not what is measured.
        while events() == 0 {
            let shown = show();
            if matches!(shown.state, SinkState::Stopped | SinkState::Waiting) {
                return Err(failed(shown.reason.unwrap_or_default()));
            }
            drop(changed.changed().await);
        }
        let (began, before) = (Instant::now(), events());
        while began.elapsed() < duration && show().lag_records > 0 {
            drop(tokio::time::timeout(duration, changed.changed()).await);
        }
        Ok((events() - before, began.elapsed()))
    });
    // What is left of a transaction is given up.
    let _ = stop.send(true);
    drop(thread.join());
    let (measured, took) = measured?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let a_second = measured as f64 / took.as_secs_f64();
    Ok(Written {
        events: events(),
        a_second,
    })
}

/// A log in memory, made beforehand.
struct Log {
    shard: Vec<Batch>,
    control: Vec<Batch>,
}

impl Log {
    fn of(events: u64) -> Self {
        let mut tail = Tail::default();
        let mut builder = BatchBuilder::new();
        let mut finish = |builder: &mut BatchBuilder, micros: u64| {
            let time = TimeMicros::new(NOON_MS * 1_000 + micros);
            let (shard, epoch) = (ShardId::new(0), Epoch::new(1));
            let batch = builder.finish(shard, epoch, &tail, time, Sequence::ZERO);
            tail = batch.tail();
            batch
        };
        builder.push(&created());
        for player in 0..PLAYERS {
            let id = format!("player-{player:013}");
            builder.push_player(PlayerNumber::new(player), &id, Salt([7; 16]));
        }
        let mut shard = vec![finish(&mut builder, 0)];
        let mut event_id = String::new();
        for number in 0..events {
            event_id.clear();
            event_id.push_str("0192f6c4-7b1a-7c3d-");
            event_id.push_str(&number.to_string());
            // Spread over all players, and over scores, without repeating itself soon.
            let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let player = u32::try_from(spread % u64::from(PLAYERS)).expect("few");
            builder.push(&Record::Score(ScoreRecord {
                hunt: HuntNumber::new(0),
                player: PlayerNumber::new(player),
                event_id: &event_id,
                event_type: "run",
                score: i64::try_from(spread % 1_000_000).expect("a million"),
                sent_at: None,
                payload: r#"{"level":7,"boost":true}"#,
                digest: EventDigest([0; 16]),
            }));
            if builder.count() == BATCH_EVENTS {
                let micros = number * 1_000_000 / u64::from(SECOND_EVENTS);
                shard.push(finish(&mut builder, micros));
            }
        }
        Self {
            shard,
            control: Vec::new(),
        }
    }

    fn stream(&self, shard: ShardId) -> &[Batch] {
        if shard.is_control() {
            &self.control
        } else {
            &self.shard
        }
    }
}

impl Batches for Log {
    fn read(&self, shard: ShardId, from: Sequence) -> Result<Vec<Batch>, ReadError> {
        let batches = self.stream(shard);
        let before = batches.partition_point(|batch| batch.header().next_sequence() <= from);
        Ok(batches[before..].iter().take(8).cloned().collect())
    }

    fn next(&self, shard: ShardId) -> Sequence {
        let last = self.stream(shard).last();
        last.map_or(Sequence::ZERO, |last| last.header().next_sequence())
    }

    fn ring(&self) {}
}

fn created() -> Record<'static> {
    let time = TimeMicros::from_millis(NOON_MS);
    let created = HuntCreated {
        hunt: HuntNumber::new(0),
        id: HuntId::new("park").expect("a slug"),
        created_at: time,
        starts_at: time,
        ends_at: None,
        config: HuntConfig {
            area: String::new(),
            resolution: 12,
            round_ms: 1_000,
            claim_window_ms: 10_000,
            tiles: 64,
            values: Vec::new(),
            values_hidden: false,
            cells: 64,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        },
        anchor: Hash32::ZERO,
    };
    Record::Control {
        at: Sequence::ZERO,
        record: Box::new(ControlRecord::HuntCreated(created)),
    }
}

fn failed(reason: impl std::fmt::Display) -> BenchError {
    BenchError::Peer {
        peer: "postgres",
        reason: reason.to_string(),
    }
}
