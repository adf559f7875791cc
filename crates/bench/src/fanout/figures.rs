//! What listeners have heard, in a form that adds up over processes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What came of a time of listening.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Connections that are open and follow.
    pub(crate) open: u64,
    /// Of those that read, how many did not hear in time what they were awaited to.
    pub(crate) late: u64,
    /// Frames with a message.
    pub(crate) messages: u64,
    /// Bytes received, heads of frames included.
    pub(crate) bytes: u64,
    /// Claims told.
    pub(crate) claims: u64,
    /// Rounds announced.
    pub(crate) rounds: u64,
    /// Deltas that stand for several ticks.
    pub(crate) merged: u64,
    /// Snapshots in place of changes.
    pub(crate) snapshots: u64,
    /// Handshakes that were refused with a word, and tried again.
    pub(crate) refused: u64,
    /// Connections that ended unasked, by what was said: a close code, or `lost`.
    pub(crate) ended: BTreeMap<String, u64>,
    /// Claims that connections were told which followed all the time: the fewest and the most.
    pub(crate) claims_least: Option<u64>,
    pub(crate) claims_most: Option<u64>,
    /// What should not be; empty if all is well.
    pub(crate) faults: Vec<String>,
    /// Deliveries by the microseconds from the stamp until a reading connection had it.
    pub(crate) latency_micros: BTreeMap<u64, u64>,
    /// Rounds by the microseconds from their opening to the last connection.
    pub(crate) round_micros: Vec<u64>,
    /// For each stamp what became of it.
    pub(crate) ticks: BTreeMap<u64, TickFigures>,
    /// The texts of all deltas, if they were asked for.
    pub(crate) texts: Vec<String>,
}

/// One tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TickFigures {
    /// Connections that heard of it.
    pub(crate) told: u64,
    /// From the stamp to the last that read.
    pub(crate) last_micros: u64,
}

impl Figures {
    /// Adds what another process has heard at the same time.
    pub(crate) fn add(&mut self, other: Self) {
        self.open += other.open;
        self.late += other.late;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.claims += other.claims;
        self.rounds += other.rounds;
        self.merged += other.merged;
        self.snapshots += other.snapshots;
        self.refused += other.refused;
        for (reason, count) in other.ended {
            *self.ended.entry(reason).or_default() += count;
        }
        self.claims_least = least(self.claims_least, other.claims_least, u64::min);
        self.claims_most = least(self.claims_most, other.claims_most, u64::max);
        self.faults.extend(other.faults);
        for (micros, count) in other.latency_micros {
            *self.latency_micros.entry(micros).or_default() += count;
        }
        if self.round_micros.len() < other.round_micros.len() {
            self.round_micros.resize(other.round_micros.len(), 0);
        }
        for (last, micros) in self.round_micros.iter_mut().zip(other.round_micros) {
            *last = (*last).max(micros);
        }
        for (stamp, tick) in other.ticks {
            let sum = self.ticks.entry(stamp).or_default();
            sum.told += tick.told;
            sum.last_micros = sum.last_micros.max(tick.last_micros);
        }
        if self.texts.is_empty() {
            self.texts = other.texts;
        }
    }
}

fn least(one: Option<u64>, other: Option<u64>, of: fn(u64, u64) -> u64) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(of(one, other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_two_processes_add_up_to_those_of_one() {
        let tick = |told, last_micros| TickFigures { told, last_micros };
        let mut one = Figures {
            open: 2,
            messages: 10,
            claims_least: Some(3),
            claims_most: Some(4),
            ticks: [(7, tick(2, 90))].into(),
            round_micros: vec![5],
            ..Figures::default()
        };
        one.add(Figures {
            open: 1,
            messages: 5,
            claims_least: Some(2),
            ticks: [(7, tick(1, 200)), (8, tick(1, 1))].into(),
            round_micros: vec![3, 9],
            ..Figures::default()
        });
        assert_eq!((one.open, one.messages), (3, 15));
        assert_eq!((one.claims_least, one.claims_most), (Some(2), Some(4)));
        assert_eq!(one.ticks[&7], tick(3, 200));
        assert_eq!(one.ticks[&8], tick(1, 1));
        assert_eq!(one.round_micros, [5, 9]);
    }
}
