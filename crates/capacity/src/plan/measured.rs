//! Unit costs from what a running server says of itself.

use super::costs::UnitCosts;
use crate::Part;

/// What a part has done and taken between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartWork {
    /// CPU time.
    pub cpu_s: f64,
    /// Messages dealt with.
    pub messages: f64,
    /// Their bytes.
    pub bytes: f64,
}

/// What a server has done and taken between two looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// By part, as often as there is any.
    pub parts: Vec<(Part, PartWork)>,
    /// Attempts that won, of all that were decided.
    pub win_share: f64,
}

/// Unit costs, and which of them nothing was observed of.
#[derive(Clone, Debug, PartialEq)]
pub struct FromObserved {
    /// The costs.
    pub costs: UnitCosts,
    /// Those that stay as they were, for want of messages.
    pub kept: Vec<&'static str>,
}

/// Fewer messages than this say nothing of what one costs.
const MESSAGES_MIN: f64 = 1_000.0;

impl Observed {
    /// Costs in which everything that was observed often enough stands instead of what `before`
    /// says.
    ///
    /// Where one figure was observed and two are wanted, what is known of their ratio stays:
    /// what a win costs beside an attempt, what a KiB costs beside a write.
    #[must_use]
    pub fn costs(&self, before: &UnitCosts) -> FromObserved {
        let mut costs = before.clone();
        let mut kept = Vec::new();
        let mut unit = |name, parts: &[Part]| {
            let sum = self.sum(parts);
            let enough = sum.messages >= MESSAGES_MIN;
            if !enough {
                kept.push(name);
            }
            enough.then(|| sum.cpu_s * 1e6 / sum.messages)
        };
        if let Some(cpu_us) = unit("edge.http_claim_cpu_us", &[Part::Http]) {
            costs.edge.http_claim_cpu_us = cpu_us;
        }
        if let Some(cpu_us) = unit("edge.socket_claim_cpu_us", &[Part::Sockets]) {
            costs.edge.socket_claim_cpu_us = cpu_us;
        }
        let decided = unit("arbiter.attempt_cpu_us", &[Part::Deciding, Part::Control]);
        if let Some(cpu_us) = decided {
            let arbiter = &mut costs.arbiter;
            let known = arbiter.attempt_cpu_us + arbiter.won_cpu_us * self.win_share;
            if known > 0.0 {
                arbiter.attempt_cpu_us *= cpu_us / known;
                arbiter.won_cpu_us *= cpu_us / known;
            }
        }
        if let Some(cpu_us) = unit("log.record_cpu_us", &[Part::Writing, Part::Keeping]) {
            costs.log.record_cpu_us = cpu_us;
        }
        if let Some(cpu_us) = unit("boards.record_cpu_us", &[Part::Ranking]) {
            costs.boards.record_cpu_us = cpu_us;
        }
        if let Some(cpu_us) = unit("broadcast.record_cpu_us", &[Part::Framing]) {
            costs.broadcast.record_cpu_us = cpu_us;
        }
        if let Some(cpu_us) = unit("broadcast.write_cpu_us", &[Part::FanOut]) {
            let fan_out = self.sum(&[Part::FanOut]);
            let kib = fan_out.bytes / fan_out.messages / 1_024.0;
            let broadcast = &mut costs.broadcast;
            let known = broadcast.write_cpu_us + broadcast.kib_cpu_us * kib;
            if known > 0.0 {
                broadcast.write_cpu_us *= cpu_us / known;
                broadcast.kib_cpu_us *= cpu_us / known;
            }
        }
        FromObserved { costs, kept }
    }

    /// CPU time of all of these for the messages of the first: what the others do is done for
    /// its sake.
    fn sum(&self, parts: &[Part]) -> PartWork {
        let of = |part: &Part| {
            let found = self.parts.iter().find(|(known, _)| known == part);
            found.map_or_else(PartWork::default, |(_, work)| *work)
        };
        let first = parts.first().map(of).unwrap_or_default();
        PartWork {
            cpu_s: parts.iter().map(|part| of(part).cpu_s).sum(),
            ..first
        }
    }
}
