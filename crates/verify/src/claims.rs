//! Claims and score events against what their shard had heard by then.

use std::collections::BTreeMap;

use huntcore_model::{BoardDefinition, BoardName, ControlRecord, HuntNumber, RoundNumber};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// What a shard's copies say of hunts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hunts {
    hunts: BTreeMap<HuntNumber, Hunt>,
    /// The shard's first copies were trimmed, so it may have heard of more than is there.
    is_trimmed: bool,
    /// By hunt, the boards that it was given.
    boards: BTreeMap<HuntNumber, Vec<BoardDefinition>>,
    /// The hunt of the last record, which is most often that of the next one.
    last: Option<(HuntNumber, Hunt)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hunt {
    is_paused: bool,
    is_closed: bool,
    /// The first round that the shard's copies announce.
    first_round: Option<RoundNumber>,
    /// The last round that was taken on trust, and one of its claims.
    trusted: Option<(RoundNumber, Place)>,
}

impl Hunts {
    /// Of a stream whose beginning was trimmed.
    pub(crate) fn trimmed() -> Self {
        Self {
            is_trimmed: true,
            ..Self::default()
        }
    }

    /// Folds a copy; `name` is the hunt's.
    pub(crate) fn apply(
        &mut self,
        number: HuntNumber,
        record: &ControlRecord,
        name: impl Fn() -> String,
        report: &mut Report,
    ) {
        self.last = None;
        if let ControlRecord::BoardsChanged { boards, .. } = record {
            self.boards.insert(number, boards.clone());
        }
        let creates = self.is_trimmed || matches!(record, ControlRecord::HuntCreated(_));
        let hunt = if creates {
            self.hunts.entry(number).or_default()
        } else if let Some(hunt) = self.hunts.get_mut(&number) {
            hunt
        } else {
            return;
        };
        match record {
            ControlRecord::HuntPaused { .. } => hunt.is_paused = true,
            ControlRecord::HuntResumed { .. } => hunt.is_paused = false,
            ControlRecord::HuntClosed { .. } => hunt.is_closed = true,
            ControlRecord::RoundOpened(opened) if hunt.first_round.is_none() => {
                hunt.first_round = Some(opened.round);
                // Rounds are announced in order, so that one came too early.
                if let Some((round, at)) = hunt.trusted
                    && round >= opened.round
                {
                    let hunt = name();
                    report.fault(Fault::RoundNotAnnounced { at, hunt, round });
                }
            }
            ControlRecord::HuntCreated(_)
            | ControlRecord::HuntChanged { .. }
            | ControlRecord::HuntEndMoved { .. }
            | ControlRecord::RoundOpened(_)
            | ControlRecord::SeedPublished { .. }
            | ControlRecord::ChainAnchored { .. }
            | ControlRecord::BoardsChanged { .. }
            | ControlRecord::FlagSet(_) => {}
        }
    }

    /// Whether the hunt took such a thing then.
    pub(crate) fn check(
        &mut self,
        at: Place,
        what: &'static str,
        number: HuntNumber,
        name: impl Fn() -> String,
        report: &mut Report,
    ) {
        let Some(known) = self.get(number) else {
            let hunt = name();
            report.fault(Fault::UnknownHunt { at, what, hunt });
            return;
        };
        // A pause stops claims only.
        let state = match known {
            Hunt {
                is_closed: true, ..
            } if what == CLAIM || what == EVENT => "closed",
            Hunt {
                is_paused: true, ..
            } if what == CLAIM => "paused",
            _ => return,
        };
        let hunt = name();
        report.fault(Fault::NotTaken {
            at,
            what,
            hunt,
            state,
        });
    }

    /// A board that a hunt was given.
    pub(crate) fn board(&self, hunt: HuntNumber, name: BoardName) -> Option<&BoardDefinition> {
        let boards = self.boards.get(&hunt)?;
        boards.iter().find(|board| board.name == name)
    }

    /// Whether the shard may have heard of more than is there.
    pub(crate) const fn is_trimmed(&self) -> bool {
        self.is_trimmed
    }

    /// Whether a round that nothing announced may have been announced by what was trimmed.
    pub(crate) fn trusts(&mut self, at: Place, number: HuntNumber, round: RoundNumber) -> bool {
        if !self.is_trimmed {
            return false;
        }
        self.last = None;
        let hunt = self.hunts.entry(number).or_default();
        if hunt.first_round.is_some_and(|first| first <= round) {
            return false;
        }
        if hunt.trusted.is_none_or(|(last, _)| last < round) {
            hunt.trusted = Some((round, at));
        }
        true
    }

    fn get(&mut self, number: HuntNumber) -> Option<Hunt> {
        if let Some((last, hunt)) = self.last
            && last == number
        {
            return Some(hunt);
        }
        let known = self.hunts.get(&number).copied();
        let hunt = known.or_else(|| self.is_trimmed.then(Hunt::default))?;
        self.last = Some((number, hunt));
        Some(hunt)
    }
}

pub(crate) const CLAIM: &str = "claim";
pub(crate) const EVENT: &str = "score event";
pub(crate) const RESULTS: &str = "record of results";
pub(crate) const CORRECTION: &str = "correction";
