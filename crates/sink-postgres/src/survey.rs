//! What is in the batches of a transaction, found out before any of it is written.

use std::collections::BTreeSet;

use hashbrown::HashSet;
use huntcore_model::{
    Batch, BatchHeader, ClaimRecord, ControlRecord, CorrectionRecord, HuntNumber, PlayerNumber,
    Record, RecordSink, Sequence, ShardId, TimeMicros,
};

use crate::error::SinkError;
use crate::names::{Names, key};
use crate::partitions::Day;

/// A correction, and where it stands.
#[derive(Debug)]
pub(crate) struct Corrected {
    pub(crate) at: TimeMicros,
    pub(crate) shard: ShardId,
    pub(crate) sequence: Sequence,
    pub(crate) record: CorrectionRecord,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) players: bool,
    pub(crate) events: bool,
    pub(crate) claims: bool,
    pub(crate) results: bool,
    /// Hunts that were created.
    pub(crate) hunts: Vec<(HuntNumber, String)>,
    pub(crate) corrections: Vec<Corrected>,
    /// Players of whom only the tables know.
    pub(crate) unknown: HashSet<u64>,
    /// The days that rows fall on.
    pub(crate) days: BTreeSet<Day>,
    /// Hunts whose boards changed, and which boards.
    pub(crate) changed: BTreeSet<(HuntNumber, Board)>,
}

/// A board that changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Board {
    Best,
    Total,
    /// Whichever the hunt has.
    All,
    Named(String),
}

impl Survey {
    /// Looks through all batches. Players and hunts that they name are met.
    pub(crate) fn of(batches: &[Batch], names: &mut Names) -> Result<Self, SinkError> {
        let mut survey = Self::default();
        for batch in batches {
            let mut surveyor = Surveyor {
                header: batch.header(),
                survey: &mut survey,
                names,
                hunt: None,
                has_rows: false,
            };
            batch.scan(&mut surveyor)?;
            if surveyor.has_rows {
                survey.days.insert(Day::of(batch.header().time));
            }
        }
        Ok(survey)
    }
}

struct Surveyor<'s> {
    header: &'s BatchHeader,
    survey: &'s mut Survey,
    names: &'s mut Names,
    /// Of the claim before: claims come in runs.
    hunt: Option<HuntNumber>,
    has_rows: bool,
}

impl Surveyor<'_> {
    fn need(&mut self, player: PlayerNumber) {
        let player = key(self.header.shard, player);
        if !self.names.recall(player) {
            self.survey.unknown.insert(player);
        }
    }
}

impl<'a> RecordSink<'a> for Surveyor<'_> {
    fn claim(&mut self, _: Sequence, claim: ClaimRecord) {
        self.need(claim.player);
        if self.hunt.replace(claim.hunt) != Some(claim.hunt) {
            self.survey.claims = true;
            self.has_rows = true;
            self.survey.changed.insert((claim.hunt, Board::Total));
        }
    }

    fn other(&mut self, sequence: Sequence, record: Record<'a>) {
        match record {
            Record::Time | Record::Claim(_) => {}
            Record::Player(player) => {
                self.survey.players = true;
                let key = key(self.header.shard, player.number);
                self.names.meet(key, player.id);
            }
            Record::Score(event) => {
                self.need(event.player);
                self.has_rows = true;
                self.survey.events = true;
                self.survey.changed.insert((event.hunt, Board::Best));
            }
            Record::Control { record, .. } => {
                if let ControlRecord::HuntCreated(created) = *record {
                    self.names
                        .meet_hunt(created.hunt.get(), created.id.as_str());
                    let hunt = (created.hunt, created.id.as_str().to_owned());
                    self.survey.hunts.push(hunt);
                }
            }
            Record::BoardClosed(closed) => {
                for (player, _) in &closed.entries {
                    self.need(*player);
                }
                self.has_rows = true;
                self.survey.results = true;
                let board = Board::Named(closed.board.as_str().to_owned());
                self.survey.changed.insert((closed.hunt, board));
            }
            Record::Correction(correction) => {
                self.need(correction.player);
                self.survey.changed.insert((correction.hunt, Board::All));
                self.survey.corrections.push(Corrected {
                    at: self.header.time,
                    shard: self.header.shard,
                    sequence,
                    record: *correction,
                });
            }
        }
    }
}
