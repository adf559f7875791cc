//! One batch or record as a line, for people and for machines.

use huntcore_audit::payload;
use huntcore_log::stream_name;
use huntcore_model::{Batch, ControlRecord, Correction, Record, Sequence, ShardId, TimeMicros};
use huntcore_wire::Timestamp;
use serde_json::{Value, json};

use crate::show;

pub(super) fn batch_text(batch: &Batch) -> String {
    let header = batch.header();
    format!(
        "== {} {} +{} · {} · epoch {} · durable {} · {} · chain {:.16}",
        stream_name(header.shard),
        header.first_sequence,
        header.count,
        show::time(header.time),
        header.epoch,
        header.durable,
        show::bytes(batch.bytes().len() as u64),
        batch.chain().to_string(),
    )
}

pub(super) fn batch_json(batch: &Batch) -> Value {
    let header = batch.header();
    json!({
        "type": "batch",
        "stream": stream_name(header.shard),
        "first": header.first_sequence,
        "count": header.count,
        "time": Timestamp::new(header.time),
        "time_us": header.time,
        "epoch": header.epoch,
        "durable": header.durable,
        "previous_chain": header.previous_chain,
        "chain": batch.chain(),
        "bytes": batch.bytes().len(),
    })
}

pub(super) fn record_text(sequence: Sequence, record: &Record<'_>) -> String {
    let text = match record {
        Record::Time => "time".to_owned(),
        Record::Player(player) => {
            let id = player
                .id
                .map_or_else(|| "(erased)".to_owned(), show::foreign);
            format!("player #{} {id}", player.number)
        }
        Record::Claim(claim) => format!(
            "claim hunt {} round {} tile {} player #{} {} points",
            claim.hunt, claim.round, claim.tile, claim.player, claim.points
        ),
        Record::Score(event) => format!(
            "score hunt {} player #{} {} {} {}",
            event.hunt,
            event.player,
            event.score,
            show::foreign(event.event_type),
            show::foreign(event.event_id),
        ),
        Record::Control { at, record } => format!("control {at} {}", control_text(record)),
        Record::BoardClosed(closed) => format!(
            "board-closed hunt {} {} from {} to {}, {} players",
            closed.hunt,
            closed.board,
            show::time(closed.start),
            show::time(closed.end),
            closed.players
        ),
        Record::Correction(correction) => format!(
            "correction hunt {} player #{} {}: {}",
            correction.hunt,
            correction.player,
            correction_text(correction.what),
            show::foreign(&correction.reason)
        ),
    };
    format!("{sequence:>10}  {text}")
}

fn correction_text(what: Correction) -> String {
    match what {
        Correction::ClaimVoided {
            round,
            tile,
            points,
            claimed,
        } => {
            format!("claim-voided round {round} tile {tile} {points} points, claimed at {claimed}")
        }
        Correction::Disqualified => "disqualified".to_owned(),
        Correction::Reinstated => "reinstated".to_owned(),
    }
}

fn control_text(record: &ControlRecord) -> String {
    match record {
        ControlRecord::HuntCreated(created) => format!(
            "hunt-created {} is {} from {}",
            created.hunt,
            created.id,
            show::time(created.starts_at)
        ),
        ControlRecord::HuntChanged { hunt, version } => format!(
            "hunt-changed {hunt} version {} from round {} at {}",
            version.version,
            version.from_round,
            show::time(version.from_time)
        ),
        ControlRecord::HuntEndMoved { hunt, ends_at } => format!(
            "hunt-end-moved {hunt} to {}",
            ends_at.map_or_else(|| "never".to_owned(), show::time)
        ),
        ControlRecord::HuntPaused { hunt } => format!("hunt-paused {hunt}"),
        ControlRecord::HuntResumed { hunt } => format!("hunt-resumed {hunt}"),
        ControlRecord::HuntClosed { hunt, closed_at } => {
            format!("hunt-closed {hunt} at {}", show::time(*closed_at))
        }
        ControlRecord::RoundOpened(opened) => format!(
            "round-opened hunt {} round {} from {} to {}, {} tiles, map {:.16}",
            opened.hunt,
            opened.round,
            show::time(opened.schedule.opens_at),
            show::time(opened.schedule.closes_at),
            opened.tiles,
            opened.map.to_string(),
        ),
        ControlRecord::SeedPublished { hunt, round, seed } => {
            format!("seed-published hunt {hunt} round {round} {seed}")
        }
        ControlRecord::ChainAnchored {
            hunt,
            chain,
            anchor,
        } => {
            format!("chain-anchored hunt {hunt} chain {chain} {anchor}")
        }
        ControlRecord::BoardsChanged { hunt, boards } => {
            let names: Vec<_> = boards.iter().map(|board| board.name.as_str()).collect();
            format!("boards-changed {hunt} to [{}]", names.join(", "))
        }
        ControlRecord::FlagSet(set) => {
            let value = serde_json::to_string(&set.value).expect("plain data");
            let hunt = set
                .hunt
                .map_or_else(String::new, |hunt| format!(" hunt {hunt}"));
            let board = set
                .board
                .map_or_else(String::new, |board| format!(" board {board}"));
            let reason = show::foreign(&set.reason);
            format!("flag-set {}{hunt}{board} to {value}: {reason}", set.flag)
        }
    }
}

pub(super) fn record_json(
    shard: ShardId,
    time: TimeMicros,
    sequence: Sequence,
    record: &Record<'_>,
) -> Value {
    let (kind, fields) = match record {
        Record::Time => ("time", json!({})),
        Record::Player(player) => (
            "player",
            json!({
                "number": player.number,
                "fingerprint": hex::encode(player.fingerprint),
                "id": player.id,
                "erased": player.id.is_none(),
            }),
        ),
        Record::Claim(claim) => (
            "claim",
            json!({
                "hunt": claim.hunt,
                "round": claim.round,
                "tile": claim.tile,
                "player": claim.player,
                "points": claim.points,
            }),
        ),
        Record::Score(event) => (
            "score",
            json!({
                "hunt": event.hunt,
                "player": event.player,
                "event_id": event.event_id,
                "event_type": event.event_type,
                "score": event.score,
                "ts": event.sent_at.map(Timestamp::new),
                "payload": payload(event.payload),
                "digest": hex::encode(event.digest.0),
            }),
        ),
        Record::Control { at, record } => ("control", json!({"at": at, "entry": record})),
        Record::BoardClosed(closed) => (
            "board-closed",
            json!({
                "hunt": closed.hunt,
                "board": closed.board,
                "start": Timestamp::new(closed.start),
                "end": Timestamp::new(closed.end),
                "players": closed.players,
                "entries": closed.entries,
            }),
        ),
        Record::Correction(correction) => (
            "correction",
            json!({
                "hunt": correction.hunt,
                "player": correction.player,
                "what": correction_text(correction.what),
                "reason": correction.reason,
            }),
        ),
    };
    let mut line = json!({
        "type": "record",
        "stream": stream_name(shard),
        "sequence": sequence,
        "time": Timestamp::new(time),
        "kind": kind,
    });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    line
}

#[cfg(test)]
mod tests {
    use huntcore_model::{PlayerNumber, PlayerRecord};

    use super::*;

    #[test]
    fn an_erased_player_has_a_number_and_no_name() {
        let player = |id| {
            Record::Player(PlayerRecord {
                number: PlayerNumber::new(7),
                fingerprint: [1; 32],
                id,
            })
        };
        let sequence = Sequence::new(3);
        let (known, erased) = (player(Some("ada\u{7}")), player(None));
        assert_eq!(
            record_text(sequence, &known),
            "         3  player #7 ada\\u{7}"
        );
        assert_eq!(
            record_text(sequence, &erased),
            "         3  player #7 (erased)"
        );
        let json = record_json(ShardId::new(0), TimeMicros::ZERO, sequence, &erased);
        assert_eq!(
            (&json["erased"], &json["id"]),
            (&Value::Bool(true), &Value::Null)
        );
        assert_eq!(json["stream"], "shard-00000");
    }
}
