//! Claims and score events against what their shard had heard by then.

use std::collections::BTreeMap;

use huntcore_model::{ClaimRecord, ControlRecord, HuntNumber, TimeMicros};

use crate::fault::{Fault, Place};
use crate::report::Report;
use crate::rounds::{Claimed, Rounds};

/// What a shard's copies say of hunts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hunts {
    hunts: BTreeMap<HuntNumber, Hunt>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Hunt {
    is_paused: bool,
    is_closed: bool,
}

impl Hunts {
    /// Folds a copy.
    pub(crate) fn apply(&mut self, record: &ControlRecord) {
        let hunt = record.hunt();
        match record {
            ControlRecord::HuntCreated(_) => {
                self.hunts.entry(hunt).or_default();
            }
            ControlRecord::HuntPaused { .. } => self.change(hunt, |hunt| hunt.is_paused = true),
            ControlRecord::HuntResumed { .. } => self.change(hunt, |hunt| hunt.is_paused = false),
            ControlRecord::HuntClosed { .. } => self.change(hunt, |hunt| hunt.is_closed = true),
            ControlRecord::HuntChanged { .. }
            | ControlRecord::HuntEndMoved { .. }
            | ControlRecord::RoundOpened(_)
            | ControlRecord::SeedPublished { .. }
            | ControlRecord::ChainAnchored { .. } => {}
        }
    }

    fn change(&mut self, hunt: HuntNumber, change: impl FnOnce(&mut Hunt)) {
        if let Some(hunt) = self.hunts.get_mut(&hunt) {
            change(hunt);
        }
    }

    /// Whether the hunt took such a thing then.
    pub(crate) fn check(
        &self,
        at: Place,
        what: &'static str,
        number: HuntNumber,
        name: &str,
        report: &mut Report,
    ) {
        let hunt = name.to_owned();
        let Some(known) = self.hunts.get(&number) else {
            report.fault(Fault::UnknownHunt { at, what, hunt });
            return;
        };
        // A pause stops claims only.
        let state = match known {
            Hunt {
                is_closed: true, ..
            } => "closed",
            Hunt {
                is_paused: true, ..
            } if what == CLAIM => "paused",
            _ => return,
        };
        report.fault(Fault::NotTaken {
            at,
            what,
            hunt,
            state,
        });
    }
}

pub(crate) const CLAIM: &str = "claim";
pub(crate) const EVENT: &str = "score event";

/// Judges a claim by its round; `copied` is how many control entries the shard had copied.
pub(crate) fn check_claim(
    at: Place,
    time: TimeMicros,
    claim: &ClaimRecord,
    hunt: &str,
    copied: u64,
    rounds: &mut Rounds,
    report: &mut Report,
) {
    let (round, tile) = (claim.round, claim.tile);
    let hunt = || hunt.to_owned();
    match rounds.get(claim.hunt, round) {
        Some(known) if known.entry < copied => {
            if tile.get() >= known.tiles {
                report.fault(Fault::NoSuchTile {
                    at,
                    hunt: hunt(),
                    round,
                    tile,
                    tiles: known.tiles,
                });
            }
            let schedule = known.schedule;
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
        _ => report.fault(Fault::RoundNotAnnounced {
            at,
            hunt: hunt(),
            round,
        }),
    }
    if let Claimed::Again(first) = rounds.claim(at, (claim.hunt, round), tile, claim.points) {
        report.fault(Fault::ClaimedTwice {
            at,
            hunt: hunt(),
            round,
            tile,
            first,
        });
    }
}
