//! A log written by the first version of the format is read by every later one, to the byte.
//!
//! It stands in `tests/fixtures/v1`: control and two shards, several segments of the least
//! length, two terms, an erased player, a trimmed stream, every kind of record. What it holds
//! is spelt out in `content.txt` beside it. It was made, once, by
//!
//! ```text
//! cargo test -p huntcore-log-file --test it -- --ignored the_fixture_is_made_anew
//! ```
//! which is only to be repeated, into a new directory, when the format changes; what stands
//! there is never changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use huntcore_log::suite::Owner;
use huntcore_log::{CommitResult, Log, stream_name};
use huntcore_log_file::{FileLog, FileLogOptions, backup, restore};
use huntcore_model::{
    Batch, BatchBuilder, ClaimRecord, ConfigVersion, ControlRecord, EventDigest, HEADER_BYTES,
    Hash32, HuntConfig, HuntCreated, HuntNumber, PlayerNumber, Record, RoundNumber, RoundOpened,
    RoundSchedule, Salt, ScoreRecord, Sequence, ShardId, TileIndex, TimeMicros, ValueWeight,
};
use tempfile::TempDir;

/// The least that a log makes.
const SEGMENT_BYTES: u64 = 8 << 10;
const FIXTURE_BYTES_MAX: u64 = 64 << 10;
const HUNT: HuntNumber = HuntNumber::new(1);
const SHARDS: [ShardId; 3] = [ShardId::CONTROL, ShardId::new(0), ShardId::new(1)];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn options() -> FileLogOptions {
    FileLogOptions {
        segment_bytes: SEGMENT_BYTES,
        spares: false,
        ..FileLogOptions::default()
    }
}

fn expected() -> String {
    std::fs::read_to_string(fixture().join("content.txt")).expect("it stands beside the log")
}

#[test]
fn the_first_version_is_read_exactly() {
    let inspection = FileLog::inspect(&fixture()).expect("readable");
    let mut batches = Vec::new();
    for shard in SHARDS {
        let report = inspection.verify(shard).expect("sound");
        assert_eq!(report.torn, None);
        let stat = inspection.stat(shard).expect("readable");
        assert_eq!((stat.tail, stat.oldest), (report.tail, report.oldest));
        assert!(stat.segments.len() >= 2, "{stat:?}");
        let read = inspection.read(shard, report.oldest).expect("readable");
        batches.extend(read.map(|batch| batch.expect("sound")));
    }
    let found = describe(&batches);
    assert!(
        found == expected(),
        "the log holds something else:\n{found}"
    );
}

#[test]
fn the_first_version_is_opened_restored_and_gone_on_with() {
    let temporary = TempDir::new().expect("a temporary directory");
    let copy = temporary.path().join("copy");
    let back = temporary.path().join("back");
    // The fixture itself is not written to, so not even a lock is taken there.
    restore(&fixture(), &copy, &|_| ()).expect("copied");
    backup(&copy, &back, &|_| ()).expect("backed up");
    for directory in [copy, back] {
        let log = FileLog::open(&directory, options()).expect("the log opens");
        let mut batches = Vec::new();
        for stream in log.usage().expect("usage").streams {
            let read = log.read(stream.shard, stream.oldest).expect("readable");
            batches.push(read.map(|batch| batch.expect("sound")).collect::<Vec<_>>());
        }
        batches.rotate_right(1);
        assert!(describe(&batches.concat()) == expected());
        for shard in SHARDS {
            Owner::next(&log, shard).commit(2, 900);
        }
    }
}

#[test]
#[ignore = "makes the fixture anew; see the head of this file"]
fn the_fixture_is_made_anew() {
    let directory = fixture();
    if directory.exists() {
        std::fs::remove_dir_all(&directory).expect("removed");
    }
    let log = FileLog::open(&directory, options()).expect("the log opens");
    let [control, zero, one] = SHARDS;
    let mut owner = Owner::next(&log, control);
    let entries = control_entries();
    for (index, entry) in entries.iter().enumerate() {
        let at = Sequence::new(index as u64);
        let record = Box::new(entry.clone());
        commit(&mut owner, |batch| {
            batch.push(&Record::Control { at, record });
        });
    }
    for shard in [zero, one] {
        let mut owner = Owner::next(&log, shard);
        commit(&mut owner, |batch| {
            for (at, entry) in (0..).map(Sequence::new).zip(&entries) {
                if entry.concerns_arbiters() {
                    let record = Box::new(entry.clone());
                    batch.push(&Record::Control { at, record });
                }
            }
        });
        for play in 0..3 {
            commit(&mut owner, |batch| play_on(batch, shard, play));
            commit(&mut owner, |batch| batch.push(&Record::Time));
        }
        let erased = erased(&build(&owner, |batch| {
            batch.push_player(
                PlayerNumber::new(77),
                "who-asked-to-be-forgotten",
                Salt([9; 16]),
            );
            batch.push(&claim(77));
        }));
        submit(&mut owner, &erased);
        // Another owner goes on.
        let mut owner = Owner::next(&log, shard);
        for play in 3..6 {
            commit(&mut owner, |batch| play_on(batch, shard, play));
        }
    }
    let end = log.tail(one).expect("a tail").tail.sequence;
    log.trim(one, Sequence::new(end.get() / 2))
        .expect("trimmed");
    drop(log);
    for lock in ["lock", "backup.lock"] {
        std::fs::remove_file(directory.join(lock)).expect("removed");
    }
    let inspection = FileLog::inspect(&directory).expect("readable");
    let mut batches = Vec::new();
    let mut bytes = 0;
    for shard in SHARDS {
        let report = inspection.verify(shard).expect("sound");
        let read = inspection.read(shard, report.oldest).expect("readable");
        batches.extend(read.map(|batch| batch.expect("sound")));
        bytes += report.bytes;
    }
    assert!(bytes < FIXTURE_BYTES_MAX, "{bytes} bytes");
    std::fs::write(directory.join("content.txt"), describe(&batches)).expect("written");
}

fn build(owner: &Owner, fill: impl FnOnce(&mut BatchBuilder)) -> Batch {
    let mut builder = BatchBuilder::new();
    fill(&mut builder);
    let time = owner
        .tail
        .time
        .max(TimeMicros::from_millis(1_790_000_000_000));
    let time = time.plus_millis(100);
    builder.finish(owner.shard, owner.epoch, &owner.tail, time, owner.durable)
}

fn submit(owner: &mut Owner, batch: &Batch) {
    owner.submit(batch).expect("room");
    let tail = batch.tail();
    assert_eq!(owner.wait().result, CommitResult::Committed { tail });
}

fn commit(owner: &mut Owner, fill: impl FnOnce(&mut BatchBuilder)) {
    let batch = build(owner, fill);
    submit(owner, &batch);
}

fn claim(number: u32) -> Record<'static> {
    Record::Claim(ClaimRecord {
        hunt: HUNT,
        round: RoundNumber::new(u64::from(number) + 1),
        tile: TileIndex::new(number * 3),
        player: PlayerNumber::new(number),
        points: 5 + number,
    })
}

fn play_on(batch: &mut BatchBuilder, shard: ShardId, play: u32) {
    let player = PlayerNumber::new(play);
    let salt = u8::try_from(play).expect("a few");
    let id = format!("player-{}-{play}", shard.get());
    batch.push_player(player, &id, Salt([salt + 1; 16]));
    batch.push(&claim(play));
    let payload = format!(r#"{{"note":"{}"}}"#, "x".repeat(900));
    let score = |event_id, sent_at, payload| {
        Record::Score(ScoreRecord {
            hunt: HUNT,
            player,
            event_id,
            event_type: "lap",
            score: i64::from(play) * -1_000_003,
            sent_at,
            payload,
            digest: EventDigest([salt; 16]),
        })
    };
    batch.push(&score("e1", None, ""));
    let sent_at = TimeMicros::new(1_789_999_999_123_456);
    batch.push(&score("e2", Some(sent_at), &payload));
}

fn control_entries() -> Vec<ControlRecord> {
    let hash = |byte| Hash32::new([byte; 32]);
    let millis = TimeMicros::from_millis;
    let config = |tiles| HuntConfig {
        area: format!(r#"{{"type":"Polygon","note":"{}"}}"#, "park ".repeat(190)),
        resolution: 12,
        round_ms: 1_000,
        claim_window_ms: 10_000,
        tiles,
        values: vec![ValueWeight {
            points: 10,
            weight: 3,
        }],
        values_hidden: true,
        cells: 4_711,
        cells_hash: hash(1),
        config_hash: hash(2),
    };
    vec![
        ControlRecord::HuntCreated(HuntCreated {
            hunt: HUNT,
            id: "park".parse().expect("an id"),
            created_at: millis(1_790_000_000_000),
            starts_at: millis(1_790_000_001_000),
            ends_at: None,
            config: config(64),
            anchor: hash(3),
        }),
        ControlRecord::RoundOpened(RoundOpened {
            hunt: HUNT,
            round: RoundNumber::FIRST,
            config_version: 1,
            map: hash(4),
            commitment: hash(5),
            layout: hash(6),
            tiles: 64,
            schedule: RoundSchedule {
                opens_at: millis(1_790_000_001_000),
                closes_at: millis(1_790_000_011_000),
            },
        }),
        ControlRecord::HuntChanged {
            hunt: HUNT,
            version: ConfigVersion {
                version: 2,
                from_round: RoundNumber::new(4),
                from_time: millis(1_790_000_004_000),
                config: config(128),
            },
        },
        ControlRecord::HuntPaused { hunt: HUNT },
        ControlRecord::HuntResumed { hunt: HUNT },
        ControlRecord::SeedPublished {
            hunt: HUNT,
            round: RoundNumber::FIRST,
            seed: hash(7),
        },
        ControlRecord::ChainAnchored {
            hunt: HUNT,
            chain: 1,
            anchor: hash(8),
        },
        ControlRecord::HuntEndMoved {
            hunt: HUNT,
            ends_at: Some(millis(1_790_000_060_000)),
        },
        ControlRecord::HuntClosed {
            hunt: HUNT,
            closed_at: millis(1_790_000_061_000),
        },
    ]
}

/// The batch after its only player was erased, which comes first in it: salt and id are
/// zero, the two checksums over them mended, the chain as it was.
fn erased(batch: &Batch) -> Batch {
    let mut bytes = batch.bytes().to_vec();
    let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let personal = HEADER_BYTES + field(44) as usize;
    bytes[personal..personal + 16].fill(0);
    bytes[personal + 17..].fill(0);
    let crc = crc32c::crc32c(&bytes[personal..]);
    bytes[88..92].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    let erased = Batch::decode(bytes.into()).expect("checksums mended");
    assert_eq!(erased.chain(), batch.chain());
    erased
}

fn describe(batches: &[Batch]) -> String {
    let mut text = String::new();
    for batch in batches {
        let header = batch.header();
        writeln!(
            text,
            "{} epoch {} from {} time {} durable {} bytes {} chain {}",
            stream_name(header.shard),
            header.epoch,
            header.first_sequence,
            header.time.get(),
            header.durable,
            batch.bytes().len(),
            batch.chain(),
        )
        .expect("memory");
        for record in batch.records() {
            let (sequence, record) = record.expect("readable");
            writeln!(text, "  {sequence} {}", describe_record(&record)).expect("memory");
        }
    }
    text
}

fn describe_record(record: &Record<'_>) -> String {
    match record {
        Record::Time => "time".to_owned(),
        Record::Player(player) => {
            let fingerprint = Hash32::new(player.fingerprint);
            let id = player.id.unwrap_or("(erased)");
            format!(
                "player {} is {id}, fingerprint {fingerprint}",
                player.number
            )
        }
        Record::Claim(claim) => format!(
            "claim of hunt {} round {} tile {} by {} for {}",
            claim.hunt, claim.round, claim.tile, claim.player, claim.points
        ),
        Record::Score(score) => format!(
            "score {} of hunt {} by {}: {} {}, sent at {:?}, digest {:?}, payload {:?}",
            score.event_id,
            score.hunt,
            score.player,
            score.event_type,
            score.score,
            score.sent_at.map(TimeMicros::get),
            score.digest.0,
            score.payload
        ),
        Record::Control { at, record } => {
            let json = serde_json::to_string(record).expect("plain data");
            format!("control entry {at} {json}")
        }
        other => format!("{other:?}"),
    }
}
