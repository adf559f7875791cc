//! What is in the batches of a transaction, found out before any of it is written.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};
use huntcore_model::{
    Batch, BatchHeader, BoardDefinition, BoardName, BoardSource, ClaimRecord, ControlRecord,
    CorrectionRecord, HuntNumber, PlayerNumber, Record, RecordSink, Sequence, ShardId, TimeMicros,
};

use crate::error::SinkError;
use crate::names::{BoardsBefore, Names, key};
use crate::notice::{ALL_BOARDS, Changed};
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
    /// Hunts that were created or given other boards.
    pub(crate) boards_changed: BTreeSet<HuntNumber>,
    /// What happened to boards, by hunt; events apart.
    touched: BTreeSet<(HuntNumber, Touched)>,
    /// The types of a hunt's events.
    event_types: HashMap<HuntNumber, HashSet<Box<str>>>,
}

/// Which of a hunt's boards something concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Touched {
    /// Those that count claims.
    Claims,
    /// All that it has.
    All,
    /// All that it had, too, and these are not known.
    Unknown,
    Named(BoardName),
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

    /// The boards on which something may be shown otherwise than before, by hunt; `finished` are
    /// hunts that seconds became final of.
    pub(crate) fn changed(
        &self,
        names: &Names,
        finished: Vec<String>,
    ) -> Result<Changed, SinkError> {
        let mut changed = Changed::new();
        for (number, touched) in &self.touched {
            let boards = changed.entry(names.hunt(*number)?.to_owned()).or_default();
            let mut insert = |board: &str| boards.extend([board.to_owned()]);
            let configured = names.boards(*number).map(|boards| boards.defined.iter());
            match (touched, configured) {
                (Touched::Named(board), _) => insert(board.as_str()),
                (Touched::Unknown, _) | (_, None) => insert(ALL_BOARDS),
                (Touched::All, Some(configured)) => {
                    BoardName::BUILT_IN
                        .iter()
                        .for_each(|name| insert(name.as_str()));
                    configured.for_each(|board| insert(board.name.as_str()));
                }
                (Touched::Claims, Some(configured)) => {
                    insert(BoardName::TOTAL.as_str());
                    configured
                        .filter(|board| board.from != BoardSource::Events)
                        .for_each(|board| insert(board.name.as_str()));
                }
            }
        }
        for (number, types) in &self.event_types {
            let boards = changed.entry(names.hunt(*number)?.to_owned()).or_default();
            let mut insert = |board: &str| boards.extend([board.to_owned()]);
            let Some(configured) = names.boards(*number) else {
                insert(ALL_BOARDS);
                continue;
            };
            insert(BoardName::BEST.as_str());
            let counts = configured.defined.iter().filter(|board| {
                let wanted = &board.event_types;
                board.from != BoardSource::Claims
                    && (wanted.is_empty() || wanted.iter().any(|wanted| types.contains(&**wanted)))
            });
            counts.for_each(|board| insert(board.name.as_str()));
        }
        for hunt in finished {
            let boards = changed.entry(hunt).or_default();
            boards.insert(BoardName::SECOND.as_str().to_owned());
        }
        Ok(changed)
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

    fn give_boards(&mut self, hunt: HuntNumber, at: Sequence, boards: Vec<BoardDefinition>) {
        let Some(before) = self.names.define(hunt, at, boards) else {
            return;
        };
        self.survey.boards_changed.insert(hunt);
        let touched = &mut self.survey.touched;
        touched.insert((hunt, Touched::All));
        match before {
            BoardsBefore::Unknown => touched.extend([(hunt, Touched::Unknown)]),
            BoardsBefore::Named(names) => {
                touched.extend(names.into_iter().map(|name| (hunt, Touched::Named(name))));
            }
        }
    }
}

impl<'a> RecordSink<'a> for Surveyor<'_> {
    fn claim(&mut self, _: Sequence, claim: ClaimRecord) {
        self.need(claim.player);
        if self.hunt.replace(claim.hunt) != Some(claim.hunt) {
            self.survey.claims = true;
            self.has_rows = true;
            self.survey.touched.insert((claim.hunt, Touched::Claims));
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
                let types = self.survey.event_types.entry(event.hunt).or_default();
                if !types.contains(event.event_type) {
                    types.insert(event.event_type.into());
                }
            }
            Record::Control { at, record } => match *record {
                ControlRecord::HuntCreated(created) => {
                    let id = created.id.as_str();
                    self.names.meet_hunt(created.hunt, id, at);
                    self.survey.boards_changed.insert(created.hunt);
                    self.survey.hunts.push((created.hunt, id.to_owned()));
                }
                ControlRecord::BoardsChanged { hunt, boards } => {
                    self.give_boards(hunt, at, boards);
                }
                _ => {}
            },
            Record::BoardClosed(closed) => {
                for (player, _) in &closed.entries {
                    self.need(*player);
                }
                self.has_rows = true;
                self.survey.results = true;
                let board = Touched::Named(closed.board);
                self.survey.touched.insert((closed.hunt, board));
            }
            Record::Correction(correction) => {
                self.need(correction.player);
                self.survey.touched.insert((correction.hunt, Touched::All));
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
