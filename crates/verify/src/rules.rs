//! Each record against the rules and against what came before; and what the boards should
//! show, counted along the way.

use huntcore_model::{
    Batch, BatchHeader, BoardClosedRecord, ClaimRecord, ControlRecord, Correction,
    CorrectionRecord, HuntNumber, PlayerNumber, Record, ScoreRecord, Sequence, ShardId, ShardMap,
    Slot, TimeMicros,
};

use crate::claims::{CLAIM, CORRECTION, EVENT, Hunts, RESULTS};
use crate::closings::{Recorded, Said};
use crate::control::{Bench, Control};
use crate::copies::Copies;
use crate::corrections::{Corrections, claim_of};
use crate::counts::{Counts, Expected, ExpectedAll, Judged};
use crate::events::Events;
use crate::fault::{Fault, Place};
use crate::maps::Maps;
use crate::players::{Known, PlayerIndex, Players};
use crate::report::Report;
use crate::results::{Judge, Results};
use crate::rounds::{self, Claimed, Rounds};
use crate::streams::{Beginning, Stream};
use crate::table::Moment;
use crate::verifier::{End, Settings};

/// Takes all batches of a log and judges them by all rules but those for boards.
#[derive(Debug)]
pub struct RuleCheck {
    shards: ShardMap,
    /// By shard.
    streams: Vec<ShardStream>,
    control_stream: Stream,
    control: Control,
    copies: Copies,
    rounds: Rounds,
    maps: Maps,
    players: Players,
    results: Results,
    corrections: Corrections,
    /// `None` if the log does not begin at its beginning.
    counts: Option<Counts>,
    /// What the batch at hand says that results depend on.
    said: Said,
    report: Report,
}

#[derive(Clone, Debug)]
struct ShardStream {
    stream: Stream,
    hunts: Hunts,
    events: Events,
}

impl RuleCheck {
    /// Nothing read so far.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let counts = settings.is_whole().then(Counts::default);
        let Settings {
            shards,
            fairness_key,
            event_horizon_ms,
            begins,
            catalog,
        } = settings;
        let begin = |shard: ShardId| begins.get(&shard).copied().unwrap_or_default();
        let mut copies = Copies::new(shards.count());
        let mut players = Players::new(shards.count());
        let mut streams = Vec::new();
        for (index, shard) in shards.shards().enumerate() {
            let stream = Stream::trimmed(begin(shard));
            let mut hunts = Hunts::default();
            if stream.is_trimmed() {
                copies.begin_trimmed(shard, begin(shard));
                players.begin_trimmed(index);
                hunts = Hunts::trimmed();
            }
            streams.push(ShardStream {
                stream,
                hunts,
                events: Events::new(event_horizon_ms),
            });
        }
        let control_stream = Stream::trimmed(begin(ShardId::CONTROL));
        let mut control = Control::default();
        if control_stream.is_trimmed() {
            copies.begin_trimmed(ShardId::CONTROL, begin(ShardId::CONTROL));
            control = Control::trimmed(catalog);
        }
        Self {
            shards,
            streams,
            control_stream,
            control,
            copies,
            rounds: Rounds::default(),
            maps: Maps::new(fairness_key),
            players,
            results: Results::default(),
            corrections: Corrections::default(),
            counts,
            said: Said::default(),
            report: Report::default(),
        }
    }

    /// Takes the next batch of its stream; what it says goes with the batch to the boards.
    pub fn feed(&mut self, batch: &Batch) -> Judged {
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
            return Judged::default();
        };
        if !stream.has_begun() {
            self.report.streams += 1;
            if stream.is_trimmed() {
                self.report.begins.push(Beginning::of(batch));
            }
        }
        self.report.batches += 1;
        self.report.bytes += batch.bytes().len() as u64;
        if !stream.follow(batch, &mut self.report) {
            return Judged::default();
        }
        self.said.time = header.time;
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
        Judged {
            is_new: true,
            windows: self.pass(header),
            said: std::mem::take(&mut self.said),
        }
    }

    /// The rest of a stream cannot be read.
    pub fn unreadable(&mut self, stream: ShardId, reason: String) {
        self.report.fault(Fault::Unreadable { stream, reason });
    }

    /// What was found, now that all batches were fed, and what the boards should show.
    #[must_use]
    pub fn finish(mut self, end: End) -> (Report, ExpectedAll) {
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
        report.players = self.players.count() as u64;
        report.begins.sort_by(|a, b| a.stream.cmp(&b.stream));
        let counted = self.counts.map(|counts| {
            let name = |hunt| control.name(hunt);
            counts.finish(&self.players, &self.corrections, name)
        });
        let counted = counted.unwrap_or_default();
        let is_all = end == End::OfLog;
        (self.report, ExpectedAll { is_all, ..counted })
    }

    fn record(&mut self, header: &BatchHeader, at: Place, record: &Record<'_>) {
        let in_control = header.shard.is_control();
        match record {
            Record::Control { at: entry, record } if in_control => {
                self.entry(header.time, at, *entry, record);
            }
            Record::Control { at: entry, record } => self.copy(at, *entry, record),
            Record::Time => {}
            Record::Player(_)
            | Record::Claim(_)
            | Record::Score(_)
            | Record::BoardClosed(_)
            | Record::Correction(_)
                if in_control =>
            {
                let reason = "a record of players in the control stream".to_owned();
                self.report.fault(Fault::BadRecord { at, reason });
            }
            Record::Player(player) => self.players.meet(at, player, &mut self.report),
            Record::Claim(claim) => self.claim(header.time, at, claim),
            Record::Score(event) => self.score(header.time, at, event),
            Record::BoardClosed(results) => self.results(header.time, at, results),
            Record::Correction(correction) => self.correction(at, correction),
        }
    }

    fn entry(&mut self, time: TimeMicros, at: Place, entry: Sequence, record: &ControlRecord) {
        self.report.control_entries += 1;
        if entry != at.sequence {
            let reason = format!("a control entry that calls its place {entry}");
            self.report.fault(Fault::BadEntry { at, reason });
        }
        if record.concerns_arbiters() {
            self.copies.entry(at.sequence, record, &mut self.report);
        }
        let mut bench = Bench {
            rounds: &mut self.rounds,
            maps: &mut self.maps,
            report: &mut self.report,
        };
        self.control.entry(at.sequence, time, record, &mut bench);
    }

    fn copy(&mut self, at: Place, entry: Sequence, record: &ControlRecord) {
        self.report.control_copies += 1;
        if !record.concerns_arbiters() {
            self.report.fault(Fault::CopyUnknown { at, entry });
            return;
        }
        self.copies.copy(at, entry, record, &mut self.report);
        if let ControlRecord::RoundOpened(opened) = record {
            self.rounds.announce(entry, opened);
        }
        let Some(hunt) = record.hunt() else { return };
        match record {
            ControlRecord::BoardsChanged { .. } => self.said.redefined.push(hunt),
            ControlRecord::HuntEndMoved { .. } => self.said.end_moved.push(hunt),
            _ => {}
        }
        let control = &self.control;
        let name = || control.name(hunt);
        let hunts = &mut self.streams[usize::from(at.stream.get())].hunts;
        hunts.apply(hunt, record, name, &mut self.report);
    }

    fn claim(&mut self, time: TimeMicros, at: Place, claim: &ClaimRecord) {
        self.report.claims += 1;
        let owner = self
            .shards
            .shard_of(Slot::of_tile(claim.hunt, claim.round, claim.tile));
        self.check_owner(at, CLAIM, owner);
        let control = &self.control;
        let name = || control.name(claim.hunt);
        let hunts = &mut self.streams[usize::from(at.stream.get())].hunts;
        hunts.check(at, CLAIM, claim.hunt, name, &mut self.report);
        self.check_claim(time, at, claim);
        match self.players.of(at, claim.player) {
            Known::Player(player) => {
                if let Some(counts) = &mut self.counts {
                    let moment = Moment::new(time, at);
                    counts.claim(claim.hunt, player, claim.points, moment);
                }
            }
            Known::Erased | Known::Earlier => {}
            Known::Nobody => {
                let number = claim.player;
                self.report.fault(Fault::PlayerUnknown { at, number });
            }
        }
    }

    /// Judges a claim by its round.
    fn check_claim(&mut self, time: TimeMicros, at: Place, claim: &ClaimRecord) {
        let ClaimRecord { round, tile, .. } = *claim;
        let key = (claim.hunt, round);
        let control = &self.control;
        let hunt = || control.name(claim.hunt);
        let report = &mut self.report;
        if self
            .rounds
            .find(key)
            .is_none_or(|known| known.facts.is_none())
        {
            let hunts = &mut self.streams[usize::from(at.stream.get())].hunts;
            if hunts.trusts(at, claim.hunt, round) {
                self.rounds.take_on_trust(key, report);
            } else {
                let hunt = hunt();
                report.fault(Fault::RoundNotAnnounced { at, hunt, round });
            }
        }
        let Some(known) = self.rounds.find(key) else {
            return;
        };
        if let Some(facts) = known.facts {
            if !self.copies.has_copied(at.stream, facts.entry) {
                let hunt = hunt();
                report.fault(Fault::RoundNotAnnounced { at, hunt, round });
            }
            if tile.get() >= facts.tiles {
                report.fault(Fault::NoSuchTile {
                    at,
                    hunt: hunt(),
                    round,
                    tile,
                    tiles: facts.tiles,
                });
            }
            let schedule = facts.schedule;
            if time < schedule.opens_at || time >= schedule.closes_at {
                report.fault(Fault::OutsideWindow {
                    at,
                    hunt: hunt(),
                    round,
                    time,
                    opens_at: schedule.opens_at,
                    closes_at: schedule.closes_at,
                });
            }
        }
        if let Claimed::Again(first) = known.claim(at, tile, claim.points) {
            report.fault(Fault::ClaimedTwice {
                at,
                hunt: hunt(),
                round,
                tile,
                first,
            });
        }
    }

    fn score(&mut self, time: TimeMicros, at: Place, event: &ScoreRecord<'_>) {
        self.report.score_events += 1;
        let control = &self.control;
        let name = || control.name(event.hunt);
        let report = &mut self.report;
        let shard = &mut self.streams[usize::from(at.stream.get())];
        shard.hunts.check(at, EVENT, event.hunt, name, report);
        shard.events.take(at, time, event, name, report);
        match self.players.of(at, event.player) {
            Known::Player(player) => {
                let id = self.players.id(player);
                let owner = self.shards.shard_of(Slot::of_player(event.hunt, id));
                if let Some(counts) = &mut self.counts {
                    counts.score(event.hunt, player, event.score, Moment::new(time, at));
                }
                self.check_owner(at, EVENT, owner);
            }
            Known::Erased | Known::Earlier => {}
            Known::Nobody => report.fault(Fault::PlayerUnknown {
                at,
                number: event.player,
            }),
        }
    }

    /// What a window came to.
    fn results(&mut self, time: TimeMicros, at: Place, record: &BoardClosedRecord) {
        let owner = self
            .shards
            .shard_of(Slot::of_board(record.hunt, record.board));
        self.check_owner(at, RESULTS, owner);
        self.check_hunt(at, RESULTS, record.hunt);
        let entries = record.entries.iter().map(|&(number, score)| {
            let player = self.check_player(at, number);
            (player.map(|player| self.players.id(player).clone()), score)
        });
        let entries = entries.collect();
        let hunts = &self.streams[usize::from(at.stream.get())].hunts;
        let judge = Judge {
            time,
            hunt: self.control.name(record.hunt),
            board: hunts.board(record.hunt, record.board),
            on_trust: hunts.is_trimmed(),
        };
        self.results.take(at, record, &judge, &mut self.report);
        let name = judge.hunt;
        let recorded = Recorded::new((at, time), name, record, entries);
        self.said.results.push(recorded);
    }

    fn correction(&mut self, at: Place, record: &CorrectionRecord) {
        self.report.corrections += 1;
        self.check_hunt(at, CORRECTION, record.hunt);
        let Some(player) = self.check_player(at, record.player) else {
            return;
        };
        let whom = (record.hunt, self.players.id(player).clone());
        self.said.corrected.push(whom);
        let on_trust = self.streams[usize::from(at.stream.get())]
            .stream
            .is_trimmed();
        let control = &self.control;
        let name = || control.name(record.hunt);
        let Some(claim) = claim_of(record, record.player) else {
            let owner = Slot::of_player(record.hunt, self.players.id(player));
            let report = &mut self.report;
            self.corrections
                .player(at, record, player, on_trust, name, report);
            self.check_owner(at, CORRECTION, self.shards.shard_of(owner));
            return;
        };
        let Correction::ClaimVoided { claimed, .. } = record.what else {
            return;
        };
        let round = self.rounds.find((record.hunt, claim.round));
        let known = match round.map_or(rounds::Known::Nobody, |round| round.known(claim.tile)) {
            rounds::Known::Nobody if on_trust => rounds::Known::Trimmed,
            known => known,
        };
        let claimed = Place::new(at.stream, claimed);
        let report = &mut self.report;
        let counts = self
            .corrections
            .void(at, &claim, claimed, known, name, report);
        if let (true, Some(all)) = (counts, &mut self.counts) {
            all.void(record.hunt, player, claim.points);
        }
        let owner = Slot::of_tile(record.hunt, claim.round, claim.tile);
        self.check_owner(at, CORRECTION, self.shards.shard_of(owner));
    }

    fn check_hunt(&mut self, at: Place, what: &'static str, hunt: HuntNumber) {
        let control = &self.control;
        let name = || control.name(hunt);
        let hunts = &mut self.streams[usize::from(at.stream.get())].hunts;
        hunts.check(at, what, hunt, name, &mut self.report);
    }

    /// Who a number of a stream is, if that is known and allowed to be.
    fn check_player(&mut self, at: Place, number: PlayerNumber) -> Option<PlayerIndex> {
        match self.players.of(at, number) {
            Known::Player(player) => Some(player),
            Known::Erased | Known::Earlier => None,
            Known::Nobody => {
                self.report.fault(Fault::PlayerUnknown { at, number });
                None
            }
        }
    }

    fn check_owner(&mut self, at: Place, what: &'static str, owner: ShardId) {
        if owner != at.stream {
            self.report.fault(Fault::WrongShard { at, what, owner });
        }
    }

    /// Time has passed in a stream; perhaps in all. The windows that are final by it.
    fn pass(&mut self, header: &BatchHeader) -> Vec<Expected> {
        if !header.shard.is_control() {
            let shard = &mut self.streams[usize::from(header.shard.get())];
            shard.events.pass(header.time);
        }
        let times = self.streams.iter().map(|shard| shard.stream.tail.time);
        let everywhere = times.min().unwrap_or_default();
        let report = &mut self.report;
        self.rounds
            .pass(everywhere, &self.control.catalog, &mut self.maps, report);
        let control = &self.control;
        let name = |hunt| control.name(hunt);
        let counts = self.counts.as_mut();
        counts.map_or_else(Vec::new, |counts| {
            counts.pass(everywhere, &self.players, &self.corrections, name)
        })
    }
}
