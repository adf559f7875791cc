//! Watches every part that can be had more of.

use std::collections::BTreeMap;
use std::time::Duration;

use huntcore_capacity::{Autoscaler, Component, Part, Policy, Recommendation, Sample, UnitCosts};
use huntcore_wire::ComponentStats;

/// The parts that more can be had of. The others follow: the control stream its shards, and
/// checkpoints the log.
const SCALED: [Part; 8] = [
    Part::Http,
    Part::Sockets,
    Part::Deciding,
    Part::Writing,
    Part::Ranking,
    Part::Framing,
    Part::FanOut,
    Part::Sinking,
];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Scaling(BTreeMap<Part, Autoscaler>);

impl Scaling {
    /// Takes a look at all parts that there are.
    pub(super) fn observe(&mut self, at: Duration, parts: &[ComponentStats]) {
        for part in SCALED {
            let Some(stats) = parts.iter().find(|stats| stats.part == part.name()) else {
                continue;
            };
            // What has no messages of its own in this process has only taken CPU time.
            if stats.count == 0 {
                continue;
            }
            let autoscaler = self.0.entry(part).or_insert_with(|| {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let cores = u32::try_from(cores).unwrap_or(u32::MAX);
                Autoscaler::new(Policy::of(part, &UnitCosts::default(), cores))
            });
            autoscaler.observe(Sample {
                at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                count: stats.count,
                done_total: stats.messages_total,
                lag_messages: stats.lag_messages,
                lag_s: stats.lag_s,
            });
        }
    }

    /// What the part says that needs most. A component that has nothing to do in this process
    /// gets no recommendation.
    pub(super) fn recommend(
        &self,
        component: Component,
        lead_s: f64,
    ) -> Option<(Part, Recommendation)> {
        let of_component = self
            .0
            .iter()
            .filter(|(part, _)| part.component() == Some(component));
        let all = of_component.map(|(part, autoscaler)| (*part, autoscaler.recommend(lead_s)));
        all.max_by(|(_, one), (_, other)| one.wanted.total_cmp(&other.wanted))
    }
}
