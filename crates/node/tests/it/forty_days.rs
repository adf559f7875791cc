//! Forty days in files, by a clock that leaps: what goes, what stays, and what was said about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use huntcore_disk::Disk;
use huntcore_disk::simulated::SimulatedDisk;
use huntcore_edge::{Backend as _, EventOutcome, View};
use huntcore_log::Log as _;
use huntcore_log_file::{FileLog, FileLogOptions};
use huntcore_model::{BoardName, EventId, EventType, Outcome, PlayerId, ScoreEvent};
use huntcore_node::{CheckpointHome, Clock as _, Node, NodeConfig};
use huntcore_wire::{KeptFor, StreamRetention};

use crate::support::{
    Ahead, Claims as _, HUNT, attempt, config, open_round, park_with, until_more, until_view,
};

const HOUR: Duration = Duration::from_hours(1);
const DAYS: u64 = 40;
const KEPT_DAYS: u64 = 30;
const PLAYERS: [&str; 4] = ["ada", "bob", "eve", "kim"];
/// Enough of them fill more than a segment of each shard every day.
const EVENTS_A_DAY: u64 = 40;
const SEGMENT_BYTES: u64 = 8 << 10;

fn files(disk: &SimulatedDisk) -> Arc<FileLog> {
    let options = FileLogOptions {
        segment_bytes: SEGMENT_BYTES,
        spares: false,
        ..FileLogOptions::default()
    };
    let log = FileLog::open_on(Arc::new(disk.clone()), Path::new("/data"), options);
    Arc::new(log.expect("the log opens"))
}

fn keeping(disk: &SimulatedDisk, checkpoint_every: Duration) -> NodeConfig {
    let mut config = config(3);
    let directory = PathBuf::from("/data/checkpoints");
    config.checkpoints = Some(CheckpointHome::on(Arc::new(disk.clone()), directory));
    config.checkpoint_every = checkpoint_every;
    config
}

fn event(day: u64, index: u64) -> ScoreEvent {
    ScoreEvent {
        hunt: HUNT,
        event_id: EventId::new(&format!("day-{day}-{index}")).expect("valid"),
        player: PlayerId::new(PLAYERS[(index % 4) as usize]).expect("valid"),
        event_type: EventType::new("boss").expect("valid"),
        // The highest scores are of the days that are dropped.
        score: i64::try_from((DAYS - day) * 1_000 + index).expect("small"),
        sent_at: None,
        payload: format!("{:?}", "x".repeat(1_000)),
    }
}

fn events(day: u64) -> Vec<ScoreEvent> {
    (0..EVENTS_A_DAY).map(|index| event(day, index)).collect()
}

/// What the boards have to say, whatever the log still holds.
#[derive(Default)]
struct Scores {
    total: BTreeMap<String, i64>,
    best: BTreeMap<String, i64>,
}

impl Scores {
    fn shown(view: &View) -> Self {
        let board = |name| {
            let board = view.boards.board(HUNT, name).expect("always there");
            let entries = board.entries(0);
            entries
                .map(|entry| (entry.player.to_string(), entry.score))
                .collect()
        };
        Self {
            total: board(BoardName::TOTAL),
            best: board(BoardName::BEST),
        }
    }

    fn assert_shown(&self, view: &View) {
        let shown = Self::shown(view);
        assert_eq!((&shown.total, &shown.best), (&self.total, &self.best));
    }
}

async fn pass(node: &Node, clock: &Ahead, by: Duration) {
    clock.leap(by);
    let now = clock.now();
    until_view(node, "what comes later", |view: &View| {
        (view.time >= now).then_some(())
    })
    .await;
}

fn streams(node: &Node) -> Vec<StreamRetention> {
    node.stats().retention.expect("a node keeps a log").streams
}

/// Every file of the log with its first bytes, which hold its first sequence.
fn segments(disk: &SimulatedDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let disk: &dyn Disk = disk;
    let mut segments = BTreeMap::new();
    for stream in ["control", "shard-00000", "shard-00001", "shard-00002"] {
        let directory = Path::new("/data").join(stream);
        let names = disk.list(&directory).expect("a directory").into_iter();
        for name in names.filter(|name| name.ends_with(".log")) {
            let path = directory.join(name);
            let bytes = huntcore_disk::read_file(disk, &path, 1 << 20).expect("readable");
            segments.insert(path, bytes.expect("listed")[..64].to_vec());
        }
    }
    segments
}

/// Neither of the two kept checkpoints lacks anything of the log.
fn assert_checkpoints_can_start(log: &FileLog, disk: &SimulatedDisk) {
    // First, because checkpoints go on being taken.
    let usage = log.usage().expect("usage");
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let listing = huntcore_checkpoint::list(&disk, Path::new("/data/checkpoints"));
    for checkpoint in &listing.expect("the disk works").good {
        for stream in &usage.streams {
            let from = checkpoint.reads_from(stream.shard);
            assert!(stream.oldest <= from, "{:?} {stream:?}", checkpoint.id());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_forty_days_whole_segments_go_and_boards_answers_and_ids_keep_what_they_promise() {
    let disk = SimulatedDisk::default();
    let clock = Arc::new(Ahead::default());
    let log = files(&disk);
    let every = Duration::from_millis(20);
    let node = Node::start(keeping(&disk, every), log.clone(), clock.clone()).expect("starts");
    node.command(park_with("1h", "1h")).await.expect("created");
    let mut scores = Scores::default();
    // Every file that ever was.
    let mut known = BTreeMap::new();
    for day in 1..=DAYS {
        let round = open_round(&node).await;
        let player = PLAYERS[(day % 4) as usize];
        let won = node.claim(vec![attempt(round, 0, player)]).await;
        let [Outcome::Won { points, .. }] = won[..] else {
            panic!("day {day}: {won:?}");
        };
        *scores.total.entry(player.to_owned()).or_default() += i64::from(points);
        for (index, outcome) in node.record_events(events(day)).await.iter().enumerate() {
            let EventOutcome::Accepted { .. } = outcome else {
                panic!("day {day}: {outcome:?}");
            };
            let event = event(day, index as u64);
            let best = scores
                .best
                .entry(event.player.to_string())
                .or_insert(event.score);
            *best = event.score.max(*best);
        }
        until_more(&node, "huntcore_checkpoints_total", 2.0).await;
        known.extend(segments(&disk));

        // Within six hours of the round's close the same attempt gets the same answer (I3), and
        // within a day an event is known.
        pass(&node, &clock, 5 * HOUR).await;
        assert_eq!(node.claim(vec![attempt(round, 0, player)]).await, won);
        let again = node.record_events(vec![event(day, 0)]).await;
        assert!(
            matches!(again[..], [EventOutcome::Duplicate { .. }]),
            "{again:?}"
        );
        // The round closed within an hour: now the answer is gone, and the tile lost to everybody.
        pass(&node, &clock, 3 * HOUR).await;
        let late = node
            .claim(vec![attempt(round, 0, player), attempt(round, 0, "kim")])
            .await;
        assert_eq!(late, [Outcome::Expired; 2], "day {day}");

        pass(&node, &clock, 16 * HOUR).await;

        // Files go as they were, or stay as they were.
        for (path, bytes) in segments(&disk) {
            if let Some(before) = known.get(&path) {
                assert_eq!(*before, bytes, "{}", path.display());
            }
        }
        let now = clock.now();
        for stream in streams(&node) {
            let oldest = stream.oldest_at.expect("there are records").micros();
            let age = Duration::from_micros(now.micros_since(oldest));
            // Nothing younger goes: what was trimmed ends before what is the oldest now.
            let is_within = age < 24 * HOUR * u32::try_from(KEPT_DAYS).expect("few");
            assert!(
                stream.trimmed_records == 0 || age >= 24 * HOUR * 29,
                "{stream:?}"
            );
            assert_eq!(
                is_within,
                stream.kept_for == KeptFor::Retention,
                "{stream:?} {age:?}"
            );
        }
        assert_checkpoints_can_start(&log, &disk);
        scores.assert_shown(&node.view());
    }
    let left = segments(&disk);
    let gone = known.keys().filter(|path| !left.contains_key(*path));
    let gone = gone.count();
    assert!(gone > 20, "{gone} files went in ten days");
    let trimmed = |stream: &StreamRetention| stream.trimmed_records > 0;
    assert!(streams(&node).iter().all(trimmed), "{:?}", streams(&node));

    // After two days an id is forgotten for certain: what is remembered goes in parts.
    let forgotten = node.record_events(vec![event(DAYS - 1, 0)]).await;
    assert!(
        matches!(forgotten[..], [EventOutcome::Accepted { .. }]),
        "{forgotten:?}"
    );
    node.stop();
    drop(node);
    drop(log);
    let log = files(&disk);
    let node = Node::start(keeping(&disk, every), log, clock).expect("starts again");
    scores.assert_shown(&node.view());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_checkpoint_has_not_been_taken_behind_stays_and_the_figures_say_so() {
    let disk = SimulatedDisk::default();
    // None is taken within this test.
    let never = Duration::from_hours(1);
    for (config, kept_for) in [
        (keeping(&disk, never), KeptFor::Checkpoints),
        (config(3), KeptFor::Ever),
    ] {
        let disk = SimulatedDisk::default();
        let (clock, log) = (Arc::new(Ahead::default()), files(&disk));
        let node = Node::start(config, log, clock.clone()).expect("starts");
        node.command(park_with("1h", "1h")).await.expect("created");
        for day in 1..=DAYS {
            node.record_events(vec![event(day, 0)]).await;
            pass(&node, &clock, 24 * HOUR).await;
        }
        for stream in streams(&node) {
            assert_eq!(
                (stream.trimmed_records, stream.kept_for),
                (0, kept_for),
                "{stream:?}"
            );
        }
        let mut page = String::new();
        node.render_metrics(&mut page);
        let line = format!(
            "huntcore_log_oldest_age_seconds{{stream=\"control\",kept_for=\"{}\"}} 34",
            kept_for.name()
        );
        assert!(page.contains(&line), "40 days and {line} in {page}");
        let retention = node.stats().retention.expect("a node keeps a log");
        assert_eq!(retention.log_s, KEPT_DAYS * 86_400);
        assert_eq!(
            (retention.answers_s, retention.events_s),
            (6 * 3_600, 24 * 3_600)
        );
    }
}
