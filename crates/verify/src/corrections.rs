//! What operators corrected: something that is there, and not twice.

use std::collections::BTreeSet;

use huntcore_model::{
    ClaimRecord, Correction, CorrectionRecord, HuntNumber, PlayerNumber, RoundNumber, TileIndex,
};

use crate::fault::{Fault, Place};
use crate::players::PlayerIndex;
use crate::report::Report;
use crate::rounds::Known;

/// The corrections that were made so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Corrections {
    voided: BTreeSet<(HuntNumber, RoundNumber, TileIndex)>,
    disqualified: BTreeSet<(HuntNumber, PlayerIndex)>,
}

impl Corrections {
    /// Judges a voided claim by what is `known` of its tile; whether it is to be taken away.
    pub(crate) fn void(
        &mut self,
        at: Place,
        claim: &ClaimRecord,
        claimed: Place,
        known: Known,
        hunt: impl Fn() -> String,
        report: &mut Report,
    ) -> bool {
        let mut fault = |reason: String| {
            let hunt = hunt();
            report.fault(Fault::BadCorrection { at, hunt, reason });
        };
        let (round, tile) = (claim.round, claim.tile);
        if !self.voided.insert((claim.hunt, round, tile)) {
            fault(format!(
                "the claim on tile {tile} of round {round} was voided before"
            ));
            return false;
        }
        match known {
            Known::Nobody => {
                fault(format!("nobody claimed tile {tile} of round {round}"));
                return false;
            }
            Known::Claim(first, points) if first != claimed || points != claim.points => {
                fault(format!(
                    "the claim on tile {tile} of round {round} is {first} and worth {points}, not \
                     {claimed} and worth {}",
                    claim.points
                ));
            }
            Known::Claim(..) | Known::Somebody | Known::Trimmed => {}
        }
        true
    }

    /// Judges a disqualification or a reinstatement of somebody whose number is known; `None` if
    /// the beginning of the stream was trimmed and it may be right.
    pub(crate) fn player(
        &mut self,
        at: Place,
        record: &CorrectionRecord,
        player: PlayerIndex,
        on_trust: bool,
        hunt: impl Fn() -> String,
        report: &mut Report,
    ) {
        let key = (record.hunt, player);
        let is_new = match record.what {
            Correction::Disqualified => self.disqualified.insert(key),
            Correction::Reinstated => self.disqualified.remove(&key) || on_trust,
            Correction::ClaimVoided { .. } => true,
        };
        if !is_new {
            let reason = match record.what {
                Correction::Disqualified => "the player was disqualified before",
                _ => "the player was not disqualified",
            };
            report.fault(Fault::BadCorrection {
                at,
                hunt: hunt(),
                reason: reason.to_owned(),
            });
        }
    }

    /// Whether a player is on none of a hunt's boards.
    pub(crate) fn is_disqualified(&self, hunt: HuntNumber, player: PlayerIndex) -> bool {
        !self.disqualified.is_empty() && self.disqualified.contains(&(hunt, player))
    }
}

/// The claim that a correction speaks of.
pub(crate) fn claim_of(record: &CorrectionRecord, number: PlayerNumber) -> Option<ClaimRecord> {
    let Correction::ClaimVoided {
        round,
        tile,
        points,
        ..
    } = record.what
    else {
        return None;
    };
    Some(ClaimRecord {
        hunt: record.hunt,
        round,
        tile,
        player: number,
        points,
    })
}
