//! Events in, the proof out.

use std::collections::BTreeMap;

use huntcore_model::{BATCH_BYTES_MAX, Batch, PlayerNumber, Sequence, ShardId, Tail};
use huntcore_wire::{CloudEvent, CloudEventType};
use serde_json::Value;

use crate::translate::{UNNAMED_HUNT, is_of_named_hunt};
use crate::{Fault, Translator};

/// Puts the batches of a trail together again and judges them. See the crate.
///
/// It is to be fed the trail's events in their order. After a fault it goes on as well as it
/// can.
#[derive(Debug)]
pub struct Checker {
    translator: Translator,
    faults_max: usize,
    index: u64,
    open: Option<OpenBatch>,
    streams: BTreeMap<ShardId, StreamSpan>,
    report: Report,
}

/// What a trail turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Batches that are whole.
    pub batches: u64,
    /// Their records.
    pub records: u64,
    /// Names of players and hunts that were introduced before the trail begins, so that they
    /// are shown but not proved.
    pub names_on_trust: u64,
    /// The stretch of each stream that the trail holds.
    pub streams: Vec<StreamSpan>,
    /// The first faults, as many as were asked for.
    pub faults: Vec<Fault>,
    /// How many there are.
    pub faults_total: u64,
}

/// A stretch of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSpan {
    /// Which stream.
    pub stream: ShardId,
    /// Its first record in the trail.
    pub first: Sequence,
    /// Where it ends: what the log said there must be the same.
    pub end: Tail,
}

/// A batch whose events are coming in.
#[derive(Debug)]
struct OpenBatch {
    index: u64,
    events: Vec<CloudEvent>,
    bytes: usize,
    /// How many records its event says it has.
    expected: u64,
}

impl Checker {
    /// One that lists at most so many faults.
    #[must_use]
    pub fn new(faults_max: usize) -> Self {
        Self {
            translator: Translator::new(),
            faults_max,
            index: 0,
            open: None,
            streams: BTreeMap::new(),
            report: Report::default(),
        }
    }

    /// Takes the next event.
    pub fn push(&mut self, event: CloudEvent) {
        let index = self.index;
        self.index += 1;
        if event.kind == CloudEventType::Batch {
            self.close();
            self.open = Some(OpenBatch {
                index,
                expected: event.data["count"].as_u64().unwrap_or_default(),
                bytes: event.record.len(),
                events: vec![event],
            });
            return;
        }
        let has_room =
            |open: &&mut OpenBatch| open.records() < open.expected && open.bytes <= BATCH_BYTES_MAX;
        match self.open.as_mut().filter(has_room) {
            Some(open) => {
                open.bytes += event.record.len() + event.personal.len();
                open.events.push(event);
            }
            None => self.fault(Fault::Stray {
                index,
                id: event.id,
            }),
        }
    }

    /// What came of it.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.close();
        self.report.streams = self.streams.into_values().collect();
        self.report
    }

    /// Judges the batch whose events are all there.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.records() != open.expected {
            self.fault(Fault::Incomplete {
                index: open.index,
                found: open.records(),
                expected: open.expected,
            });
            return;
        }
        let batch = match Batch::decode(open.put_together().into()) {
            Ok(batch) => batch,
            Err(source) => {
                let index = open.index;
                return self.fault(Fault::Altered { index, source });
            }
        };
        self.follow(open.index, &batch);
        let mut expected = Vec::with_capacity(open.events.len());
        let translated = self
            .translator
            .translate(&batch, |event| expected.push(event));
        let mut names_on_trust = 0;
        for (index, (found, expected)) in (open.index..).zip(open.events.iter().zip(&expected)) {
            match self.difference(batch.header().shard, found, expected) {
                Difference::None => {}
                Difference::Names => names_on_trust += 1,
                Difference::Attribute(attribute) => self.fault(Fault::Misstated {
                    index,
                    id: found.id.clone(),
                    attribute,
                }),
            }
        }
        match translated {
            Ok(()) => {
                self.report.batches += 1;
                self.report.records += u64::from(batch.header().count);
                self.report.names_on_trust += names_on_trust;
            }
            Err(source) => self.fault(Fault::Altered {
                index: open.index,
                source,
            }),
        }
    }

    /// Holds a batch against the one before in its stream.
    fn follow(&mut self, index: u64, batch: &Batch) {
        let header = batch.header();
        let stream = header.shard;
        let fault = match self.streams.get(&stream) {
            Some(known) if known.end.sequence != header.first_sequence => Some(Fault::Gap {
                index,
                stream,
                found: header.first_sequence,
                expected: known.end.sequence,
            }),
            Some(known) if known.end.chain != header.previous_chain => Some(Fault::Chain {
                index,
                stream,
                found: header.previous_chain,
                expected: known.end.chain,
            }),
            _ => None,
        };
        if let Some(fault) = fault {
            self.fault(fault);
        }
        let span = self.streams.entry(stream).or_insert(StreamSpan {
            stream,
            first: header.first_sequence,
            end: Tail::default(),
        });
        span.end = batch.tail();
    }

    /// How an event differs from the one that its bytes make.
    fn difference(&self, stream: ShardId, found: &CloudEvent, expected: &CloudEvent) -> Difference {
        let hunt_on_trust = is_of_named_hunt(found) && expected.source.contains(UNNAMED_HUNT);
        let is_new = |data: &Value| {
            let number = data["player_number"].as_u64();
            let number = number.and_then(|number| u32::try_from(number).ok());
            let names = self.translator.names();
            number.is_some_and(|number| !names.has_met(stream, PlayerNumber::new(number)))
        };
        let player_on_trust = found.subject.is_some() && is_new(&expected.data);
        let mut results_on_trust = false;
        let mut data = |event: &CloudEvent| {
            let mut data = event.data.clone();
            if hunt_on_trust && let Some(data) = data.as_object_mut() {
                data.remove("hunt");
            }
            // A board's results name players, too.
            let results = data.get_mut("entries").and_then(Value::as_array_mut);
            for result in results
                .into_iter()
                .flatten()
                .filter(|result| is_new(result))
            {
                let result = result.as_object_mut();
                let name = result.and_then(|result| result.remove("player"));
                results_on_trust |= name.is_some_and(|name| !name.is_null());
            }
            data
        };
        let has_same_data = data(found) == data(expected);
        let attributes = [
            ("id", found.id == expected.id),
            ("source", found.source == expected.source || hunt_on_trust),
            ("type", found.kind == expected.kind),
            (
                "subject",
                found.subject == expected.subject || player_on_trust,
            ),
            ("time", found.time == expected.time),
            ("stream", found.stream == expected.stream),
            ("sequence", found.sequence == expected.sequence),
            ("record", found.record == expected.record),
            ("personal", found.personal == expected.personal),
            ("data", has_same_data),
        ];
        match attributes.iter().find(|(_, is_same)| !is_same) {
            Some((attribute, _)) => Difference::Attribute(attribute),
            None if hunt_on_trust || player_on_trust || results_on_trust => Difference::Names,
            None => Difference::None,
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.report.faults_total += 1;
        if self.report.faults.len() < self.faults_max {
            self.report.faults.push(fault);
        }
    }
}

impl OpenBatch {
    fn records(&self) -> u64 {
        self.events.len() as u64 - 1
    }

    fn put_together(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes);
        for event in &self.events {
            bytes.extend_from_slice(&event.record);
        }
        for event in &self.events {
            bytes.extend_from_slice(&event.personal);
        }
        bytes
    }
}

/// How an event differs from what its bytes say.
enum Difference {
    None,
    /// It has a name for what was introduced before the trail began.
    Names,
    Attribute(&'static str),
}
