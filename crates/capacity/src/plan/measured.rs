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
    /// Batches that were committed.
    pub batches: f64,
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
/// With fewer attempts and events in a batch it is the batches that cost, and not what is in them.
const IN_BATCH_MIN: f64 = 50.0;
/// Who handles batches, each part with the messages that it does for its own sake.
const OF_BATCHES: [&[Part]; 4] = [
    &[Part::Deciding, Part::Control],
    &[Part::Writing, Part::Keeping],
    &[Part::Ranking],
    &[Part::Framing],
];

/// What batches cost, or what is left for the messages in them.
#[derive(Clone, Copy, Debug)]
struct OfBatches {
    /// If they were small enough to tell.
    batch_cpu_us: Option<f64>,
    /// The share of the CPU time that the messages took.
    share_by_message: f64,
}

impl Observed {
    /// Costs in which everything that was observed often enough stands instead of what `before`
    /// says.
    ///
    /// What is done for batches costs by the batch and by the message. Large batches tell what a
    /// message costs, small ones what a batch does; the other one stays.
    ///
    /// Where one figure was observed and two are wanted, what is known of their ratio stays:
    /// what a win costs beside an attempt, what a KiB costs beside a write.
    #[must_use]
    pub fn costs(&self, before: &UnitCosts) -> FromObserved {
        let mut costs = before.clone();
        let mut kept = Vec::new();
        let of_batches = self.of_batches(before);
        if let Some(batch_cpu_us) = of_batches.batch_cpu_us {
            costs.log.batch_cpu_us = batch_cpu_us;
        } else {
            kept.push("log.batch_cpu_us");
        }
        let mut unit = |name, parts: &[Part]| {
            let mut sum = self.sum(parts);
            let mut enough = sum.messages >= MESSAGES_MIN;
            if OF_BATCHES.contains(&parts) {
                sum.cpu_s *= of_batches.share_by_message;
                enough &= of_batches.batch_cpu_us.is_none();
            }
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

    fn of_batches(&self, before: &UnitCosts) -> OfBatches {
        let decided = self.sum(&[Part::Deciding]).messages;
        let all_us: f64 = OF_BATCHES
            .iter()
            .map(|parts| self.sum(parts).cpu_s * 1e6)
            .sum();
        if self.batches >= MESSAGES_MIN && decided < self.batches * IN_BATCH_MIN {
            let won = before.arbiter.won_cpu_us * self.win_share;
            let units = [
                before.arbiter.attempt_cpu_us + won,
                before.log.record_cpu_us,
                before.boards.record_cpu_us,
                before.broadcast.record_cpu_us,
            ];
            let by_message = OF_BATCHES.iter().zip(units);
            let known: f64 = by_message
                .map(|(parts, unit)| self.sum(parts).messages * unit)
                .sum();
            return OfBatches {
                batch_cpu_us: Some((all_us - known).max(0.0) / self.batches),
                share_by_message: 0.0,
            };
        }
        let known = self.batches * before.log.batch_cpu_us;
        OfBatches {
            batch_cpu_us: None,
            share_by_message: if all_us > 0.0 {
                (1.0 - known / all_us).max(0.0)
            } else {
                0.0
            },
        }
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
