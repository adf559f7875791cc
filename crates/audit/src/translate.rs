//! Batches in, events out.

use std::collections::HashMap;

use huntcore_log::stream_name;
use huntcore_model::{
    Batch, BatchError, ControlRecord, Correction, HEADER_BYTES, HuntId, HuntNumber, PlayerId,
    PlayerNumber, PlayerRecord, Record, Sequence, ShardId, StoredRecord, TimeMicros,
};
use huntcore_wire::{CloudEvent, CloudEventType, DataContentType, SpecVersion, Timestamp};
use serde_json::{Value, json};

/// Where events about no hunt in particular come from.
const LOG_SOURCE: &str = "/v1/log";
const HUNT_SOURCE: &str = "/v1/hunts/";
/// Stands before the number of a hunt whose name was introduced before reading began.
pub(crate) const UNNAMED_HUNT: &str = "#hunt-";

/// Turns batches into events.
///
/// It is to be fed every batch of the log, each stream's in order: names are introduced once
/// and used ever after. Of a log whose beginning was trimmed, what was introduced before stays
/// a number.
#[derive(Clone, Debug, Default)]
pub struct Translator {
    players: HashMap<ShardId, Names>,
    hunts: HashMap<HuntNumber, HuntId>,
}

/// A stream's players from the first that was introduced where reading began.
#[derive(Clone, Debug)]
struct Names {
    first: u32,
    ids: Vec<Option<PlayerId>>,
}

impl Translator {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of the names that a batch introduces, and gives its events to nobody.
    pub fn pass(&mut self, batch: &Batch) -> Result<(), BatchError> {
        for item in batch.records() {
            self.learn(batch.header().shard, &item?.1);
        }
        Ok(())
    }

    /// Gives `take` a batch's event and then those of its records. What comes before an error
    /// has been given.
    pub fn translate(
        &mut self,
        batch: &Batch,
        mut take: impl FnMut(CloudEvent),
    ) -> Result<(), BatchError> {
        take(batch_event(batch));
        let header = batch.header();
        for item in batch.stored_records() {
            let stored = item?;
            self.learn(header.shard, &stored.record);
            take(self.record_event(header.shard, header.time, &stored));
        }
        Ok(())
    }

    /// Whether that player's name was introduced, be it erased since.
    pub(crate) fn has_met(&self, shard: ShardId, number: PlayerNumber) -> bool {
        let names = self.players.get(&shard);
        names.is_some_and(|names| {
            let index = number.get().checked_sub(names.first);
            index.is_some_and(|index| (index as usize) < names.ids.len())
        })
    }

    fn learn(&mut self, shard: ShardId, record: &Record<'_>) {
        match record {
            Record::Player(player) => self.introduce(shard, player),
            Record::Control { record, .. } => {
                if let ControlRecord::HuntCreated(created) = &**record {
                    self.hunts.insert(created.hunt, created.id.clone());
                }
            }
            Record::Time
            | Record::Claim(_)
            | Record::Score(_)
            | Record::BoardClosed(_)
            | Record::Correction(_) => {}
        }
    }

    fn introduce(&mut self, shard: ShardId, player: &PlayerRecord<'_>) {
        let number = player.number.get();
        let names = self.players.entry(shard).or_insert_with(|| Names {
            first: number,
            ids: Vec::new(),
        });
        let id = player.id.and_then(|id| PlayerId::new(id).ok());
        let index = number.checked_sub(names.first).map(|index| index as usize);
        // Numbers are given out one after another; a forged one must not cost memory.
        match index {
            Some(index) if index == names.ids.len() => names.ids.push(id),
            Some(index) if index < names.ids.len() => names.ids[index] = id,
            _ => {}
        }
    }

    fn player(&self, shard: ShardId, number: PlayerNumber) -> Option<&PlayerId> {
        let names = self.players.get(&shard)?;
        let index = number.get().checked_sub(names.first)?;
        names.ids.get(index as usize)?.as_ref()
    }

    fn record_event(
        &self,
        shard: ShardId,
        time: TimeMicros,
        stored: &StoredRecord<'_>,
    ) -> CloudEvent {
        let player = |number| self.player(shard, number).map(ToString::to_string);
        let (kind, hunt, subject, data) = match &stored.record {
            Record::Time => (CloudEventType::Time, None, None, json!({})),
            Record::Player(record) => (
                CloudEventType::Player,
                None,
                record.id.map(str::to_owned),
                json!({
                    "number": record.number,
                    "fingerprint": hex::encode(record.fingerprint),
                    "erased": record.id.is_none(),
                }),
            ),
            Record::Claim(claim) => (
                CloudEventType::Claim,
                Some(claim.hunt),
                player(claim.player),
                json!({
                    "hunt": self.hunt_value(claim.hunt),
                    "round": claim.round,
                    "tile": claim.tile,
                    "player_number": claim.player,
                    "points": claim.points,
                }),
            ),
            Record::Score(event) => (
                CloudEventType::Score,
                Some(event.hunt),
                player(event.player),
                json!({
                    "hunt": self.hunt_value(event.hunt),
                    "player_number": event.player,
                    "event_id": event.event_id,
                    "event_type": event.event_type,
                    "score": event.score,
                    "ts": event.sent_at.map(whole_millis),
                    "payload": payload(event.payload),
                }),
            ),
            Record::Control { at, record } => (
                CloudEventType::Control,
                record.hunt(),
                None,
                json!({"at": at, "entry": record}),
            ),
            Record::BoardClosed(closed) => {
                let entries = closed.entries.iter().map(|(number, score)| {
                    json!({"player": player(*number), "player_number": number, "score": score})
                });
                (
                    CloudEventType::BoardClosed,
                    Some(closed.hunt),
                    Some(closed.board.to_string()),
                    json!({
                        "hunt": self.hunt_value(closed.hunt),
                        "board": closed.board,
                        "start": whole_millis(closed.start),
                        "end": whole_millis(closed.end),
                        "players": closed.players,
                        "entries": entries.collect::<Vec<_>>(),
                    }),
                )
            }
            Record::Correction(correction) => (
                CloudEventType::Correction,
                Some(correction.hunt),
                player(correction.player),
                json!({
                    "hunt": self.hunt_value(correction.hunt),
                    "player_number": correction.player,
                    "what": correction_value(correction.what),
                    "reason": correction.reason,
                }),
            ),
        };
        CloudEvent {
            specversion: SpecVersion::V1,
            id: format!("{}/{}", stream_name(shard), stored.sequence),
            source: hunt.map_or_else(|| LOG_SOURCE.to_owned(), |hunt| self.source(hunt)),
            kind,
            subject,
            time: whole_millis(time),
            datacontenttype: DataContentType::Json,
            stream: stream_name(shard).into_owned(),
            sequence: padded(stored.sequence),
            record: stored.body.to_vec(),
            personal: stored.personal.to_vec(),
            data,
        }
    }

    fn source(&self, hunt: HuntNumber) -> String {
        match self.hunts.get(&hunt) {
            Some(id) => format!("{HUNT_SOURCE}{id}"),
            None => format!("{LOG_SOURCE}{UNNAMED_HUNT}{hunt}"),
        }
    }

    fn hunt_value(&self, hunt: HuntNumber) -> Value {
        match self.hunts.get(&hunt) {
            Some(id) => json!(id),
            None => json!(hunt),
        }
    }
}

fn correction_value(what: Correction) -> Value {
    match what {
        Correction::ClaimVoided {
            round,
            tile,
            points,
            claimed,
        } => json!({
            "kind": "claim-voided",
            "round": round,
            "tile": tile,
            "points": points,
            "claimed": claimed,
        }),
        Correction::Disqualified => json!({"kind": "disqualified"}),
        Correction::Reinstated => json!({"kind": "reinstated"}),
    }
}

/// Whether an event comes from a hunt whose name is known.
pub(crate) fn is_of_named_hunt(event: &CloudEvent) -> bool {
    event.source.starts_with(HUNT_SOURCE)
}

fn batch_event(batch: &Batch) -> CloudEvent {
    let header = batch.header();
    let stream = stream_name(header.shard).into_owned();
    CloudEvent {
        specversion: SpecVersion::V1,
        id: format!("{stream}/{}/batch", header.first_sequence),
        source: LOG_SOURCE.to_owned(),
        kind: CloudEventType::Batch,
        subject: None,
        time: whole_millis(header.time),
        datacontenttype: DataContentType::Json,
        stream,
        sequence: padded(header.first_sequence),
        record: batch.bytes()[..HEADER_BYTES].to_vec(),
        personal: Vec::new(),
        data: json!({
            "count": header.count,
            "time_us": header.time,
            "epoch": header.epoch,
            "durable": header.durable,
            "previous_chain": header.previous_chain,
            "chain": batch.chain(),
        }),
    }
}

/// As it is read back: the text of a time has milliseconds.
fn whole_millis(time: TimeMicros) -> Timestamp {
    Timestamp::new(TimeMicros::from_millis(time.millis()))
}

fn padded(sequence: Sequence) -> String {
    format!("{:020}", sequence.get())
}

/// A score event's payload: the sender's JSON as such; whatever else stands there, as a text.
#[must_use]
pub fn payload(text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
