//! What came of the load: counts, times, and what nobody was promised in vain.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use huntcore_engine::AHEAD_MS_MAX;
use huntcore_model::Position;
use huntcore_wire::{BoardEntry, ProblemKind};

use super::generator::PlannedEvent;
use crate::load::Latency;

/// The run is told in so many parts.
const PARTS: usize = 120;
/// No part is shorter.
const PART_MIN: Duration = Duration::from_millis(100);
/// Of what went wrong so many are named; all are counted.
const NAMED_MAX: usize = 20;
/// A log's time may be behind that of the senders by so much.
const LOG_BEHIND_MS_MAX: u64 = 10_000;

/// Everything that is counted while the load runs.
#[derive(Debug)]
pub(crate) struct Tally {
    start: Instant,
    part: Duration,
    pub(crate) parts: Vec<Part>,
    pub(crate) acknowledged_after: Latency,
    pub(crate) visible_after: Latency,
    pub(crate) counts: Counts,
    /// One bit for each different event that was acknowledged.
    acknowledged: Vec<u64>,
    /// By player, the highest score that was acknowledged.
    pub(crate) best: Vec<Option<i64>>,
    /// Covers everything that was acknowledged.
    pub(crate) position: Position,
    /// Acknowledged, and not seen on a board since.
    waiting: Vec<Waiting>,
    pub(crate) phantoms: Vec<String>,
}

/// A part of the run.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Events that were due.
    pub(crate) due: u64,
    /// Events that were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) acknowledged_after: Latency,
    pub(crate) visible_after: Latency,
}

/// Counts of events, but where it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    /// Different ones that were sent.
    pub(crate) different: u64,
    /// Sent again, as the shape says.
    pub(crate) again: u64,
    /// Sent again because the answer was lost, or the server asked for that.
    pub(crate) repeated: u64,
    /// Requests whose answer was lost.
    pub(crate) answers_lost: u64,
    /// Events of those requests that nobody had told anything about.
    pub(crate) in_doubt: u64,
    /// What the server says: taken now.
    pub(crate) accepted: u64,
    /// What the server says: taken before.
    pub(crate) duplicates: u64,
    /// Not taken, by the reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Of those, the ones whose time the shape sets so far ahead that they may be.
    pub(crate) refused_by_shape: u64,
    /// Nobody told what became of them, within the patience.
    pub(crate) unanswered: u64,
    /// Acknowledged, and not on the board.
    pub(crate) phantoms: u64,
}

#[derive(Debug)]
struct Waiting {
    position: Position,
    since: Instant,
    events: Vec<PlannedEvent>,
}

impl Tally {
    pub(crate) fn new(start: Instant, length: Duration, players: u32) -> Self {
        let part = (length / u32::try_from(PARTS).unwrap_or(1)).max(PART_MIN);
        let parts = usize::try_from(length.as_nanos().div_ceil(part.as_nanos())).unwrap_or(PARTS);
        let empty = Part {
            due: 0,
            acknowledged: 0,
            acknowledged_after: Latency::coarse(),
            visible_after: Latency::coarse(),
        };
        Self {
            start,
            part,
            parts: vec![empty; parts.max(1)],
            acknowledged_after: Latency::new(),
            visible_after: Latency::new(),
            counts: Counts::default(),
            acknowledged: Vec::new(),
            best: vec![None; players as usize],
            position: Position::start(),
            waiting: Vec::new(),
            phantoms: Vec::new(),
        }
    }

    /// How long a part of the run is.
    pub(crate) const fn part(&self) -> Duration {
        self.part
    }

    /// A request was due.
    pub(crate) fn due(&mut self, at: Instant, events: &[PlannedEvent]) {
        let again = events.iter().filter(|event| event.again).count() as u64;
        let events = events.len() as u64;
        self.counts.requests += 1;
        self.counts.again += again;
        self.counts.different += events - again;
        self.part_at(at).due += events;
    }

    /// Events of a request that was due at `due` are acknowledged with a position that covers
    /// them.
    pub(crate) fn acknowledged(
        &mut self,
        due: Instant,
        now: Instant,
        position: Position,
        events: Vec<PlannedEvent>,
    ) {
        let count = events.len() as u64;
        let after = now.saturating_duration_since(due);
        self.acknowledged_after.record(after, count);
        let part = self.part_at(due);
        part.acknowledged += count;
        part.acknowledged_after.record(after, count);
        for event in &events {
            self.mark(event.index);
            let best = &mut self.best[event.player as usize];
            *best = (*best).max(Some(event.score));
        }
        self.position.merge(&position);
        self.waiting.push(Waiting {
            position,
            since: now,
            events,
        });
    }

    /// Events of a request that was due at `due` are not taken, for this reason.
    pub(crate) fn refused(&mut self, due: Instant, reason: &str, events: &[PlannedEvent]) {
        *self.counts.refused.entry(reason.to_owned()).or_default() += events.len() as u64;
        if ProblemKind::from_name(reason) != Some(ProblemKind::TooNew) {
            return;
        }
        let due_ms = due.saturating_duration_since(self.start).as_millis();
        let too_new_ms = due_ms + u128::from(AHEAD_MS_MAX.saturating_sub(LOG_BEHIND_MS_MAX));
        let may_be = |event: &&PlannedEvent| {
            u128::try_from(event.sent_at_ms).is_ok_and(|sent_at_ms| sent_at_ms > too_new_ms)
        };
        self.counts.refused_by_shape += events.iter().filter(may_be).count() as u64;
    }

    /// A reader has the top of the board as of `position`, at `now`: whatever it covers must be
    /// on it. `name` is a player's.
    pub(crate) fn visible(
        &mut self,
        now: Instant,
        position: &Position,
        entries: &[BoardEntry],
        shows_all: bool,
        name: impl Fn(u32) -> String,
    ) {
        let mut shown = Vec::new();
        self.waiting.retain_mut(|waiting| {
            let is_covered = position.covers(&waiting.position);
            if is_covered {
                shown.push((waiting.since, std::mem::take(&mut waiting.events)));
            }
            !is_covered
        });
        let last = entries.last().map(|entry| entry.score);
        for (since, events) in shown {
            let count = events.len() as u64;
            let after = now.saturating_duration_since(since);
            self.visible_after.record(after, count);
            self.part_at(since).visible_after.record(after, count);
            for event in events {
                // Who is not above the last one may be anywhere below.
                if !shows_all && last.is_some_and(|last| event.score <= last) {
                    continue;
                }
                let player = name(event.player);
                let entry = entries.iter().find(|entry| entry.player.as_str() == player);
                let found = entry.map(|entry| entry.score);
                if found < Some(event.score) {
                    self.phantom(&player, event.score, found);
                }
            }
        }
    }

    /// A player's acknowledged score is not on the board.
    pub(crate) fn phantom(&mut self, player: &str, score: i64, found: Option<i64>) {
        self.counts.phantoms += 1;
        if self.phantoms.len() < NAMED_MAX {
            let found = found.map_or_else(|| "is not there".to_owned(), |f| format!("has {f}"));
            self.phantoms
                .push(format!("{player} scored {score} and {found}"));
        }
    }

    /// Events that were acknowledged and that no board has shown yet.
    pub(crate) fn is_all_visible(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many different events were acknowledged.
    pub(crate) fn different_acknowledged(&self) -> u64 {
        let ones = self.acknowledged.iter().map(|bits| bits.count_ones());
        ones.map(u64::from).sum()
    }

    fn mark(&mut self, index: u64) {
        let (word, bit) = (
            usize::try_from(index / 64).expect("events fit memory"),
            index % 64,
        );
        if self.acknowledged.len() <= word {
            self.acknowledged.resize(word + 1, 0);
        }
        self.acknowledged[word] |= 1 << bit;
    }

    fn part_at(&mut self, at: Instant) -> &mut Part {
        let since = at.saturating_duration_since(self.start);
        let index = usize::try_from(since.as_nanos() / self.part.as_nanos()).unwrap_or(usize::MAX);
        let last = self.parts.len() - 1;
        &mut self.parts[index.min(last)]
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{PlayerId, Sequence, ShardId};

    use super::*;

    fn position(sequence: u64) -> Position {
        Position::after(ShardId::new(0), Sequence::new(sequence))
    }

    fn event(index: u64, player: u32, score: i64) -> PlannedEvent {
        PlannedEvent {
            index,
            again: false,
            player,
            score,
            sent_at_ms: 0,
        }
    }

    fn entry(player: &str, score: i64) -> BoardEntry {
        BoardEntry {
            rank: 1,
            player: PlayerId::new(player).expect("short"),
            score,
        }
    }

    fn name(player: u32) -> String {
        format!("p{player}")
    }

    fn tally() -> (Tally, Instant) {
        let start = Instant::now();
        (Tally::new(start, Duration::from_secs(12), 4), start)
    }

    #[test]
    fn an_event_is_visible_once_a_board_covers_it() {
        let (mut tally, start) = tally();
        let due = start + Duration::from_millis(250);
        let told = due + Duration::from_millis(3);
        tally.acknowledged(due, told, position(5), vec![event(0, 1, 10)]);
        tally.visible(told, &position(4), &[], true, name);
        assert!(!tally.is_all_visible());
        let seen = told + Duration::from_millis(20);
        tally.visible(seen, &position(5), &[entry("p1", 10)], true, name);
        assert!(tally.is_all_visible());
        assert_eq!(tally.counts.phantoms, 0);
        let lag_ms = tally.visible_after.quantile_ms(0.5);
        assert!((19.9..=20.1).contains(&lag_ms), "{lag_ms}");
        assert_eq!(tally.parts[2].acknowledged, 1);
    }

    #[test]
    fn a_covered_score_that_should_be_on_the_page_and_is_not_is_a_phantom() {
        for (entries, shows_all, phantoms) in [
            (vec![entry("p1", 10)], false, 0),
            (vec![entry("p1", 9), entry("p2", 8)], false, 1),
            (vec![entry("p2", 10)], false, 0),
            (vec![entry("p2", 9)], false, 1),
            (vec![entry("p2", 10)], true, 1),
            (vec![], true, 1),
        ] {
            let (mut tally, start) = tally();
            tally.acknowledged(start, start, position(5), vec![event(0, 1, 10)]);
            tally.visible(start, &position(5), &entries, shows_all, name);
            assert_eq!(tally.counts.phantoms, phantoms, "{entries:?}");
        }
    }

    #[test]
    fn only_events_from_far_ahead_may_be_refused_and_only_as_too_new() {
        let hour_ms = 3_600_000;
        for (reason, sent_at_ms, by_shape) in [
            ("too-new", hour_ms, 1),
            ("too-new", 20_000 + 299_000, 1),
            ("too-new", 200_000, 0),
            ("too-new", -hour_ms, 0),
            ("unauthorized", hour_ms, 0),
        ] {
            let (mut tally, start) = tally();
            let event = PlannedEvent {
                sent_at_ms,
                ..event(0, 1, 10)
            };
            tally.refused(start + Duration::from_secs(20), reason, &[event]);
            assert_eq!(tally.counts.refused[reason], 1);
            assert_eq!(
                tally.counts.refused_by_shape, by_shape,
                "{sent_at_ms} {reason}"
            );
        }
    }

    #[test]
    fn an_event_that_is_acknowledged_twice_is_one() {
        let (mut tally, start) = tally();
        for index in [0, 64, 64, 1_000] {
            tally.acknowledged(start, start, position(index), vec![event(index, 0, 1)]);
        }
        assert_eq!(tally.different_acknowledged(), 3);
    }
}
