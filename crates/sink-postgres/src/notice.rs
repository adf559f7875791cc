//! What listeners are told at each refresh, so that they know which of their caches to drop.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_model::{Position, TimeMicros};
use serde_json::json;

use crate::sink::SinkConfig;

/// The channel of `NOTIFY`.
pub const CHANNEL: &str = "huntcore_board";
/// PostgreSQL takes less than 8,000 bytes.
pub const NOTICE_BYTES_MAX: usize = 7_999;
/// In the place of boards' names: all that the hunt has or had. No board's name has it.
pub const ALL_BOARDS: &str = "*";
/// A position is left out if it takes more.
const POSITION_BYTES_MAX: usize = 2_000;

/// The boards that changed, by hunt.
pub(crate) type Changed = BTreeMap<String, BTreeSet<String>>;

/// The payload: JSON, never longer than [`NOTICE_BYTES_MAX`]. What does not fit is left out, and
/// `truncated` says so: then a listener drops all that it holds.
pub(crate) fn payload(
    config: &SinkConfig,
    refresh: u64,
    position: &Position,
    windows_final_until: TimeMicros,
    changed: &Changed,
) -> String {
    let position = position.to_string();
    let mut truncated = false;
    let mut hunts = serde_json::Map::new();
    let notice = |hunts: &serde_json::Map<String, serde_json::Value>, truncated: bool| {
        json!({
            "sink": config.name.as_str(),
            "schema": config.schema.as_str(),
            "refresh": refresh,
            "position": (position.len() <= POSITION_BYTES_MAX).then_some(&position),
            "windows_final_until_ms": windows_final_until.millis(),
            "hunts": hunts,
            "truncated": truncated,
        })
        .to_string()
    };
    let mut bytes = notice(&hunts, true).len();
    for (hunt, boards) in changed {
        // Ids of hunts and boards need no escapes: quotes, a colon or comma, and brackets.
        let with = |boards_bytes: usize| hunt.len() + 6 + boards_bytes;
        let named = with(boards.iter().map(|board| board.len() + 3).sum());
        let all = with(ALL_BOARDS.len() + 3);
        let is_known = !boards.contains(ALL_BOARDS);
        let (more, told) = match is_known && bytes + named <= NOTICE_BYTES_MAX {
            true => (named, json!(boards)),
            false => (all, json!([ALL_BOARDS])),
        };
        if bytes + more > NOTICE_BYTES_MAX {
            truncated = true;
            continue;
        }
        bytes += more;
        hunts.insert(hunt.clone(), told);
    }
    notice(&hunts, truncated)
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Sequence, ShardId};

    use super::*;

    fn config() -> SinkConfig {
        let target = "postgres://me@db/x".parse().expect("a URL");
        SinkConfig::new("main".parse().expect("a name"), target)
    }

    fn changed(hunts: usize) -> Changed {
        let boards = || ["best", "second", "total"].map(str::to_owned).into();
        let hunts = (0..hunts).map(|hunt| (format!("{hunt:0>60}"), boards()));
        hunts.collect()
    }

    fn payload_of(hunts: usize, shards: u16) -> serde_json::Value {
        let mut position = Position::start();
        for shard in 0..shards {
            position.advance(ShardId::new(shard), Sequence::new(u64::MAX / 2));
        }
        let time = TimeMicros::from_millis(1_795_000_001_000);
        let text = payload(&config(), u64::MAX, &position, time, &changed(hunts));
        assert!(text.len() <= NOTICE_BYTES_MAX, "{} bytes", text.len());
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn a_notice_names_hunts_and_boards_and_how_far_the_tables_are() {
        let notice = payload_of(2, 2);
        assert_eq!(notice["truncated"], false);
        assert_eq!(notice["windows_final_until_ms"], 1_795_000_001_000_u64);
        let hunts = notice["hunts"].as_object().expect("an object");
        assert_eq!(hunts.len(), 2);
        assert_eq!(
            hunts.values().next(),
            Some(&json!(["best", "second", "total"]))
        );
        let position: Position = notice["position"]
            .as_str()
            .expect("told")
            .parse()
            .expect("one");
        assert_eq!(position.next(ShardId::new(1)).get(), u64::MAX / 2);
    }

    #[test]
    fn a_notice_that_would_be_too_long_says_that_something_is_left_out() {
        for shards in [1, 100, 1_024] {
            let notice = payload_of(1_000, shards);
            assert_eq!(notice["truncated"], true);
            let hunts = notice["hunts"].as_object().expect("an object");
            assert!(hunts.len() > 40);
            // The last ones are named where there is no room for the names of their boards.
            let all = hunts.values().filter(|boards| **boards == json!(["*"]));
            assert!(all.count() < 3);
            assert_eq!(notice["position"].is_null(), shards > 100);
        }
    }
}
