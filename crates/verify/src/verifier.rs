//! The whole: every batch goes to all who judge it.

use huntcore_map::FairnessKey;
use huntcore_model::{
    Batch, BatchHeader, ClaimRecord, ControlRecord, HuntNumber, Record, ScoreRecord, Sequence,
    ShardId, ShardMap, Slot, TimeMicros,
};

use crate::boards::{BoardsCheck, Moment};
use crate::claims::{CLAIM, EVENT, Hunts, check_claim};
use crate::control::{Bench, Control};
use crate::copies::Copies;
use crate::events::Events;
use crate::fault::{Fault, Place};
use crate::maps::Maps;
use crate::players::{Known, Players};
use crate::report::Report;
use crate::rounds::Rounds;
use crate::streams::Stream;

/// What the log does not say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards there are.
    pub shards: ShardMap,
    /// Of the deployment; without it, values are checked only of rounds whose seed is
    /// published.
    pub fairness_key: Option<FairnessKey>,
    /// How long score events are remembered, in milliseconds; longer than the arbiters'
    /// own horizon makes faults of events that were rightly taken again.
    pub event_horizon_ms: u64,
}

/// What the end of the batches is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The log's: nothing writes to it, and all of it was read.
    OfLog,
    /// A moment of a log that goes on, or was read in part: one stream may have been read
    /// further than another, and that is no fault.
    OfReading,
}

/// Takes all batches of a log and says what is wrong with them.
#[derive(Debug)]
pub struct Verifier {
    shards: ShardMap,
    /// By shard.
    streams: Vec<ShardStream>,
    control_stream: Stream,
    control: Control,
    copies: Copies,
    rounds: Rounds,
    maps: Maps,
    players: Players,
    boards: BoardsCheck,
    report: Report,
}

#[derive(Clone, Debug)]
struct ShardStream {
    stream: Stream,
    hunts: Hunts,
    events: Events,
}

impl Verifier {
    /// Nothing read so far.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings {
            shards,
            fairness_key,
            event_horizon_ms,
        } = settings;
        let stream = ShardStream {
            stream: Stream::default(),
            hunts: Hunts::default(),
            events: Events::new(event_horizon_ms),
        };
        Self {
            shards,
            streams: vec![stream; usize::from(shards.count())],
            control_stream: Stream::default(),
            control: Control::default(),
            copies: Copies::new(shards.count()),
            rounds: Rounds::default(),
            maps: Maps::new(fairness_key),
            players: Players::new(shards.count()),
            boards: BoardsCheck::new(shards),
            report: Report::default(),
        }
    }

    /// Takes the next batch of its stream.
    pub fn feed(&mut self, batch: &Batch) {
        let header = batch.header();
        let at = Place::new(header.shard, header.first_sequence);
        let stream = if header.shard.is_control() {
            Some(&mut self.control_stream)
        } else {
            let shard = self.streams.get_mut(usize::from(header.shard.get()));
            shard.map(|shard| &mut shard.stream)
        };
        let Some(stream) = stream else {
            self.report.fault(Fault::UnknownStream { at });
            return;
        };
        self.report.streams += u64::from(stream.tail.sequence == Sequence::ZERO);
        self.report.batches += 1;
        self.report.bytes += batch.bytes().len() as u64;
        if !stream.follow(batch, &mut self.report) {
            return;
        }
        for item in batch.records() {
            match item {
                Ok((sequence, record)) => {
                    self.report.records += 1;
                    self.record(header, Place::new(header.shard, sequence), &record);
                }
                Err(error) => {
                    let reason = error.to_string();
                    self.report.fault(Fault::BadRecord { at, reason });
                }
            }
        }
        self.boards.apply(batch, &mut self.report);
        self.pass(header);
    }

    /// The rest of a stream cannot be read.
    pub fn unreadable(&mut self, stream: ShardId, reason: String) {
        self.report.fault(Fault::Unreadable { stream, reason });
    }

    /// What was found, now that all batches were fed.
    #[must_use]
    pub fn finish(mut self, end: End) -> Report {
        let report = &mut self.report;
        let control = &self.control;
        if end == End::OfLog {
            self.copies.finish(report);
            for ((hunt, round), closes_at) in self.rounds.published_open() {
                for (stream, shard) in self.shards.shards().zip(&self.streams) {
                    let ends_at = shard.stream.tail.time;
                    if ends_at < closes_at {
                        report.fault(Fault::SeedBeforeShard {
                            stream,
                            hunt: control.name(hunt),
                            round,
                            ends_at,
                            closes_at,
                        });
                    }
                }
            }
        }
        self.rounds.finish(&control.catalog, &mut self.maps, report);
        self.boards
            .finish(&self.players, |hunt| control.name(hunt), report);
        report.players = self.players.count() as u64;
        self.report
    }

    fn record(&mut self, header: &BatchHeader, at: Place, record: &Record<'_>) {
        let in_control = header.shard.is_control();
        match record {
            Record::Control { at: entry, record } if in_control => {
                self.entry(header.time, at, *entry, record);
            }
            Record::Control { at: entry, record } => self.copy(at, *entry, record),
            Record::Time => {}
            Record::Player(_) | Record::Claim(_) | Record::Score(_) if in_control => {
                let reason = "a record of players in the control stream".to_owned();
                self.report.fault(Fault::BadRecord { at, reason });
            }
            Record::Player(player) => self.players.meet(at, player, &mut self.report),
            Record::Claim(claim) => self.claim(header.time, at, claim),
            Record::Score(event) => self.score(header.time, at, event),
        }
    }

    fn entry(&mut self, time: TimeMicros, at: Place, entry: Sequence, record: &ControlRecord) {
        self.report.control_entries += 1;
        if entry != at.sequence {
            let reason = format!("a control entry that calls its place {entry}");
            self.report.fault(Fault::BadEntry { at, reason });
        }
        let concerns = record.concerns_arbiters();
        let number = concerns.then(|| self.copies.entry(at.sequence, record, &mut self.report));
        let mut bench = Bench {
            rounds: &mut self.rounds,
            maps: &mut self.maps,
            report: &mut self.report,
        };
        let number = number.unwrap_or_default();
        self.control
            .entry(at.sequence, time, record, number, &mut bench);
    }

    fn copy(&mut self, at: Place, entry: Sequence, record: &ControlRecord) {
        self.report.control_copies += 1;
        if !record.concerns_arbiters() {
            self.report.fault(Fault::CopyUnknown { at, entry });
            return;
        }
        let number = self.copies.copy(at, entry, record, &mut self.report);
        if let ControlRecord::RoundOpened(opened) = record {
            self.rounds.announce(number, opened);
        }
        self.streams[usize::from(at.stream.get())]
            .hunts
            .apply(record);
    }

    fn claim(&mut self, time: TimeMicros, at: Place, claim: &ClaimRecord) {
        self.report.claims += 1;
        let owner = self
            .shards
            .shard_of(Slot::of_tile(claim.hunt, claim.round, claim.tile));
        self.check_owner(at, CLAIM, owner);
        let hunt = self.control.name(claim.hunt);
        let report = &mut self.report;
        let hunts = &self.streams[usize::from(at.stream.get())].hunts;
        hunts.check(at, CLAIM, claim.hunt, &hunt, report);
        let copied = self.copies.copied(at.stream);
        check_claim(at, time, claim, &hunt, copied, &mut self.rounds, report);
        match self.players.of(at, claim.player) {
            Known::Player(player) => {
                let moment = Moment::new(time, at);
                self.boards.claim(claim.hunt, player, claim.points, moment);
            }
            Known::Erased => {}
            Known::Nobody => report.fault(Fault::PlayerUnknown {
                at,
                number: claim.player,
            }),
        }
    }

    fn score(&mut self, time: TimeMicros, at: Place, event: &ScoreRecord<'_>) {
        self.report.score_events += 1;
        let hunt = self.control.name(event.hunt);
        let report = &mut self.report;
        let shard = &mut self.streams[usize::from(at.stream.get())];
        shard.hunts.check(at, EVENT, event.hunt, &hunt, report);
        shard.events.take(at, time, event, &hunt, report);
        match self.players.of(at, event.player) {
            Known::Player(player) => {
                let id = self.players.id(player);
                let owner = self.shards.shard_of(Slot::of_player(event.hunt, id));
                let moment = Moment::new(time, at);
                self.boards.score(event.hunt, player, event.score, moment);
                self.check_owner(at, EVENT, owner);
            }
            Known::Erased => {}
            Known::Nobody => report.fault(Fault::PlayerUnknown {
                at,
                number: event.player,
            }),
        }
    }

    fn check_owner(&mut self, at: Place, what: &'static str, owner: ShardId) {
        if owner != at.stream {
            self.report.fault(Fault::WrongShard { at, what, owner });
        }
    }

    /// Time has passed in a stream; perhaps in all.
    fn pass(&mut self, header: &BatchHeader) {
        if !header.shard.is_control() {
            let shard = &mut self.streams[usize::from(header.shard.get())];
            shard.events.pass(header.time);
        }
        let times = self.streams.iter().map(|shard| shard.stream.tail.time);
        let everywhere = times.min().unwrap_or_default();
        let report = &mut self.report;
        self.rounds
            .pass(everywhere, &self.control.catalog, &mut self.maps, report);
        let name = |hunt: HuntNumber| self.control.name(hunt);
        self.boards.pass(everywhere, &self.players, name, report);
    }
}
