//! Batches in, events out.

use huntcore_log::stream_name;
use huntcore_model::{
    Batch, BatchError, ControlRecord, Correction, HEADER_BYTES, HuntNumber, Record, Sequence,
    ShardId, StoredRecord, TimeMicros,
};
use huntcore_wire::{CloudEvent, CloudEventType, DataContentType, SpecVersion, Timestamp};
use serde_json::{Value, json};

use crate::names::{Introduced, Names};

/// Where events about no hunt in particular come from.
const LOG_SOURCE: &str = "/v1/log";
const HUNT_SOURCE: &str = "/v1/hunts/";
/// Stands before the number of a hunt whose name was introduced before reading began.
pub(crate) const UNNAMED_HUNT: &str = "#hunt-";

/// Turns batches into events.
///
/// It is to be fed every batch of the log from where its names end, each stream's in order:
/// names are introduced once and used ever after. What `names` does not know stays a number.
#[derive(Clone, Debug, Default)]
pub struct Translator<N = Introduced> {
    names: N,
}

impl Translator {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<N: Names> Translator<N> {
    /// One that knows these names already.
    pub const fn with_names(names: N) -> Self {
        Self { names }
    }

    /// The names that it knows.
    pub const fn names(&self) -> &N {
        &self.names
    }

    /// The names that it knows, to be exchanged for others.
    pub const fn names_mut(&mut self) -> &mut N {
        &mut self.names
    }

    /// Takes note of what a record introduces.
    pub fn learn(&mut self, shard: ShardId, record: &Record<'_>) {
        self.names.learn(shard, record);
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
            take(self.event(header.shard, header.time, &stored));
        }
        Ok(())
    }

    /// The event of one record that was written at that time. What it introduces itself is to
    /// be learnt ahead of it.
    #[must_use]
    pub fn event(&self, shard: ShardId, time: TimeMicros, stored: &StoredRecord<'_>) -> CloudEvent {
        let player = |number| self.names.player(shard, number).map(ToString::to_string);
        let (hunt, subject, data) = match &stored.record {
            Record::Time => (None, None, json!({})),
            Record::Player(record) => (
                None,
                record.id.map(str::to_owned),
                json!({
                    "number": record.number,
                    "fingerprint": hex::encode(record.fingerprint),
                    "erased": record.id.is_none(),
                }),
            ),
            Record::Claim(claim) => (
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
            Record::Control { at, record } => (record.hunt(), None, self.control_data(*at, record)),
            Record::BoardClosed(closed) => {
                let entries = closed.entries.iter().map(|(number, score)| {
                    json!({"player": player(*number), "player_number": number, "score": score})
                });
                (
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
            kind: type_of(&stored.record),
            subject,
            time: whole_millis(time),
            datacontenttype: DataContentType::Json,
            stream: stream_name(shard).into_owned(),
            sequence: padded(stored.sequence),
            record: stored.body.to_vec(),
            personal: stored.personal.to_vec(),
            position: None,
            data,
        }
    }

    fn control_data(&self, at: Sequence, record: &ControlRecord) -> Value {
        match record {
            ControlRecord::BoardsChanged { hunt, boards } => json!({
                "at": at,
                "hunt": self.hunt_value(*hunt),
                "boards": boards,
            }),
            ControlRecord::FlagSet(set) => json!({
                "at": at,
                "hunt": set.hunt.map(|hunt| self.hunt_value(hunt)),
                "board": set.board,
                "flag": set.flag,
                "value": set.value,
                "by": set.by,
                "reason": set.reason,
                "set_at": whole_millis(set.set_at),
            }),
            _ => json!({"at": at, "entry": record}),
        }
    }

    fn source(&self, hunt: HuntNumber) -> String {
        match self.names.hunt(hunt) {
            Some(id) => format!("{HUNT_SOURCE}{id}"),
            None => format!("{LOG_SOURCE}{UNNAMED_HUNT}{hunt}"),
        }
    }

    fn hunt_value(&self, hunt: HuntNumber) -> Value {
        match self.names.hunt(hunt) {
            Some(id) => json!(id),
            None => json!(hunt),
        }
    }
}

/// The type of a record's event.
pub(crate) fn type_of(record: &Record<'_>) -> CloudEventType {
    match record {
        Record::Time => CloudEventType::Time,
        Record::Player(_) => CloudEventType::Player,
        Record::Claim(_) => CloudEventType::Claim,
        Record::Score(_) => CloudEventType::Score,
        Record::Control { record, .. } => match **record {
            ControlRecord::BoardsChanged { .. } => CloudEventType::BoardsChanged,
            ControlRecord::FlagSet(_) => CloudEventType::FlagSet,
            _ => CloudEventType::Control,
        },
        Record::BoardClosed(_) => CloudEventType::BoardClosed,
        Record::Correction(_) => CloudEventType::Correction,
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
        position: None,
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
