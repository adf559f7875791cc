//! Which hunts there are, how each is configured and which rounds are known: the fold of
//! the control stream.
//!
//! Arbiters, the controller and every reader fold the same entries, so all see the same
//! hunts. The catalog knows no clock: what holds *now* is asked with a time.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{
    ConfigVersion, ControlRecord, Hash32, HuntCreated, HuntId, HuntNumber, RoundNumber,
    RoundOpened, RoundSchedule, Sequence, TimeMicros,
};

/// Rounds that a catalog remembers for each hunt: six hours of one-second rounds. Those that
/// are still open stay in any case.
pub const ROUNDS_KEPT: usize = 21_600;

/// All hunts, as of one entry of the control stream. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    hunts: Vec<Arc<HuntEntry>>,
    next: Sequence,
}

/// Why an entry cannot be folded: the log holds what no controller writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// An entry about a hunt that was never created.
    #[error("control entry {at} concerns hunt number {hunt}, which was never created")]
    UnknownHunt {
        /// The entry.
        at: Sequence,
        /// The hunt.
        hunt: HuntNumber,
    },
    /// A creation out of turn.
    #[error("control entry {at} creates hunt number {found}, expected {expected}")]
    HuntOutOfTurn {
        /// The entry.
        at: Sequence,
        /// The number it gives.
        found: HuntNumber,
        /// The number that is due.
        expected: HuntNumber,
    },
}

/// What a hunt is doing at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HuntState {
    /// Its first round has not opened.
    Scheduled,
    /// Rounds open and are claimed.
    Running,
    /// Rounds go on, claims are refused.
    Paused,
    /// Its end has come; the last rounds' answers are kept.
    Ended,
    /// An operator ended it for ever.
    Closed,
}

impl HuntState {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Closed => "closed",
        }
    }
}

/// One hunt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HuntEntry {
    /// Its number in the logs.
    pub number: HuntNumber,
    /// Its public name.
    pub id: HuntId,
    /// When it was created.
    pub created_at: TimeMicros,
    /// When round 1 opens.
    pub starts_at: TimeMicros,
    /// No round opens at this time or later.
    pub ends_at: Option<TimeMicros>,
    /// Its configurations, oldest first; never empty.
    pub versions: Vec<ConfigVersion>,
    /// Whether attempts on unclaimed tiles are refused for now.
    pub paused: bool,
    /// When an operator closed it.
    pub closed_at: Option<TimeMicros>,
    /// seed(0) of each seed chain published so far, chain 0 first.
    pub anchors: Vec<Hash32>,
    rounds: VecDeque<Arc<RoundEntry>>,
}

/// A round that has been announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundEntry {
    /// Its map and schedule.
    pub opened: RoundOpened,
    /// Its seed, once it may be known.
    pub seed: Option<Hash32>,
}

impl Catalog {
    /// No hunts; nothing of the control stream seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first entry of the control stream that has not been folded.
    #[must_use]
    pub const fn next(&self) -> Sequence {
        self.next
    }

    /// Folds the entry at `at`. Entries before [`Self::next`] are skipped, and so are gaps:
    /// a shard copies only the entries that concern it.
    pub fn apply(&mut self, at: Sequence, record: &ControlRecord) -> Result<(), CatalogError> {
        if at < self.next {
            return Ok(());
        }
        if let ControlRecord::HuntCreated(created) = record {
            let expected = HuntNumber::new(self.hunts.len().try_into().expect("fewer than 2^32"));
            if created.hunt != expected {
                return Err(CatalogError::HuntOutOfTurn {
                    at,
                    found: created.hunt,
                    expected,
                });
            }
            self.hunts.push(Arc::new(HuntEntry::new(created)));
        } else {
            let hunt = record.hunt();
            let entry = self
                .hunts
                .get_mut(hunt.get() as usize)
                .ok_or(CatalogError::UnknownHunt { at, hunt })?;
            Arc::make_mut(entry).apply(record);
        }
        self.next = at.advanced(1);
        Ok(())
    }

    /// The hunt of that name.
    #[must_use]
    pub fn hunt(&self, id: &HuntId) -> Option<&Arc<HuntEntry>> {
        // Hunts number in the tens; a second index would only have to be kept in step.
        self.hunts.iter().find(|entry| entry.id == *id)
    }

    /// The hunt of that number.
    #[must_use]
    pub fn by_number(&self, number: HuntNumber) -> Option<&Arc<HuntEntry>> {
        self.hunts.get(number.get() as usize)
    }

    /// Every hunt in order of creation.
    pub fn hunts(&self) -> impl ExactSizeIterator<Item = &Arc<HuntEntry>> {
        self.hunts.iter()
    }
}

impl HuntEntry {
    fn new(created: &HuntCreated) -> Self {
        Self {
            number: created.hunt,
            id: created.id.clone(),
            created_at: created.created_at,
            starts_at: created.starts_at,
            ends_at: created.ends_at,
            versions: vec![created.first_version()],
            paused: false,
            closed_at: None,
            anchors: vec![created.anchor],
            rounds: VecDeque::new(),
        }
    }

    fn apply(&mut self, record: &ControlRecord) {
        match record {
            ControlRecord::HuntCreated(_) => {}
            ControlRecord::HuntChanged { version, .. } => {
                // A later version that starts no later replaces the one before it.
                self.versions
                    .retain(|known| known.from_round < version.from_round);
                self.versions.push(version.clone());
            }
            ControlRecord::HuntEndMoved { ends_at, .. } => self.ends_at = *ends_at,
            ControlRecord::HuntPaused { .. } => self.paused = true,
            ControlRecord::HuntResumed { .. } => self.paused = false,
            ControlRecord::HuntClosed { closed_at, .. } => self.closed_at = Some(*closed_at),
            ControlRecord::RoundOpened(opened) => {
                while self.rounds.len() >= ROUNDS_KEPT
                    && let Some(oldest) = self.rounds.front()
                    && oldest.opened.schedule.closes_at <= opened.schedule.opens_at
                {
                    self.rounds.pop_front();
                }
                self.rounds.push_back(Arc::new(RoundEntry {
                    opened: opened.clone(),
                    seed: None,
                }));
            }
            ControlRecord::SeedPublished { round, seed, .. } => {
                if let Some(index) = self.round_index(*round) {
                    Arc::make_mut(&mut self.rounds[index]).seed = Some(*seed);
                }
            }
            ControlRecord::ChainAnchored { anchor, .. } => self.anchors.push(*anchor),
        }
    }

    fn round_index(&self, round: RoundNumber) -> Option<usize> {
        self.rounds
            .binary_search_by_key(&round, |entry| entry.opened.round)
            .ok()
    }

    /// What the hunt is doing at `now`.
    #[must_use]
    pub fn state(&self, now: TimeMicros) -> HuntState {
        if self.closed_at.is_some() {
            HuntState::Closed
        } else if self.ends_at.is_some_and(|end| now >= end) {
            HuntState::Ended
        } else if self.paused {
            HuntState::Paused
        } else if now < self.starts_at {
            HuntState::Scheduled
        } else {
            HuntState::Running
        }
    }

    /// The configuration that `round` has; `None` for round 0, which never is.
    #[must_use]
    pub fn version_for(&self, round: RoundNumber) -> Option<&ConfigVersion> {
        self.versions
            .iter()
            .rev()
            .find(|version| version.from_round <= round)
    }

    /// A configuration by its version.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&ConfigVersion> {
        self.versions.iter().find(|known| known.version == version)
    }

    /// The newest configuration, which may hold only from a future round on.
    ///
    /// # Panics
    /// Never: a hunt is created with one.
    #[must_use]
    pub fn latest_version(&self) -> &ConfigVersion {
        self.versions
            .last()
            .expect("a hunt is created with a configuration")
    }

    /// When `round` opens and closes by the clock, whether or not it has been announced.
    ///
    /// `None` for rounds that never are: round 0 and those at or after the hunt's end.
    #[must_use]
    pub fn schedule(&self, round: RoundNumber) -> Option<RoundSchedule> {
        let schedule = self.version_for(round)?.schedule(round)?;
        let ended = self.ends_at.is_some_and(|end| schedule.opens_at >= end);
        (!ended).then_some(schedule)
    }

    /// The newest round that has opened by the clock at `now`, announced or not.
    #[must_use]
    pub fn newest_round(&self, now: TimeMicros) -> Option<RoundNumber> {
        // The last moment before the end still belongs to a round.
        let now = match self.ends_at {
            Some(end) if now >= end => TimeMicros::new(end.get().checked_sub(1)?),
            _ => now,
        };
        let version = self
            .versions
            .iter()
            .rev()
            .find(|version| version.from_time <= now)?;
        version.newest_round(now)
    }

    /// An announced round.
    #[must_use]
    pub fn round(&self, round: RoundNumber) -> Option<&Arc<RoundEntry>> {
        self.round_index(round).map(|index| &self.rounds[index])
    }

    /// The announced rounds that are remembered, oldest first.
    pub fn rounds(&self) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> {
        self.rounds.iter()
    }

    /// The announced rounds whose claim window ends after `time`, oldest first.
    pub fn rounds_closing_after(
        &self,
        time: TimeMicros,
    ) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> {
        // Rounds open in order, but after a change a later one may close before an earlier one.
        let windows_ms = self
            .versions
            .iter()
            .map(|version| version.config.claim_window_ms);
        let longest_ms = windows_ms.max().unwrap_or(0);
        let first = self.rounds.partition_point(|entry| {
            entry.opened.schedule.opens_at.plus_millis(longest_ms) <= time
        });
        self.rounds
            .range(first..)
            .filter(move |entry| entry.opened.schedule.closes_at > time)
    }

    /// The announced rounds whose tiles may be claimed at `now`, oldest first.
    pub fn open_rounds(
        &self,
        now: TimeMicros,
    ) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> {
        let closed = self.closed_at.is_some();
        self.rounds_closing_after(now)
            .filter(move |entry| !closed && entry.opened.schedule.opens_at <= now)
    }

    /// The newest announced round whose tiles may be claimed at `now`.
    #[must_use]
    pub fn newest_open_round(&self, now: TimeMicros) -> Option<&Arc<RoundEntry>> {
        self.open_rounds(now).next_back()
    }

    /// The newest announced round, which may open in the future.
    #[must_use]
    pub fn last_announced(&self) -> Option<&Arc<RoundEntry>> {
        self.rounds.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HuntConfig, ValueWeight};

    fn config(round_ms: u64) -> HuntConfig {
        HuntConfig {
            area: "{}".to_owned(),
            resolution: 12,
            round_ms,
            claim_window_ms: 3_000,
            tiles: 4,
            values: vec![ValueWeight {
                points: 1,
                weight: 1,
            }],
            values_hidden: false,
            cells: 9,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        }
    }

    fn created() -> ControlRecord {
        ControlRecord::HuntCreated(HuntCreated {
            hunt: HuntNumber::new(0),
            id: HuntId::new("park").expect("a slug"),
            created_at: TimeMicros::from_millis(500),
            starts_at: TimeMicros::from_millis(1_000),
            ends_at: Some(TimeMicros::from_millis(11_000)),
            config: config(1_000),
            anchor: Hash32::ZERO,
        })
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::new();
        catalog
            .apply(Sequence::ZERO, &created())
            .expect("first entry");
        catalog
    }

    fn at(millis: u64) -> TimeMicros {
        TimeMicros::from_millis(millis)
    }

    #[test]
    fn a_hunt_runs_from_its_start_to_its_end() {
        let catalog = catalog();
        let hunt = catalog
            .hunt(&HuntId::new("park").expect("a slug"))
            .expect("created");
        assert_eq!(hunt.state(at(999)), HuntState::Scheduled);
        assert_eq!(hunt.state(at(1_000)), HuntState::Running);
        assert_eq!(hunt.state(at(11_000)), HuntState::Ended);
        assert_eq!(hunt.newest_round(at(999)), None);
        assert_eq!(hunt.newest_round(at(1_000)), Some(RoundNumber::new(1)));
        assert_eq!(hunt.newest_round(at(99_000)), Some(RoundNumber::new(10)));
        assert_eq!(hunt.schedule(RoundNumber::new(11)), None);
        assert_eq!(hunt.schedule(RoundNumber::new(0)), None);
    }

    #[test]
    fn a_change_holds_from_its_round_on() {
        let mut catalog = catalog();
        let version = ConfigVersion {
            version: 2,
            from_round: RoundNumber::new(3),
            from_time: at(3_000),
            config: config(250),
        };
        let hunt = HuntNumber::new(0);
        catalog
            .apply(
                Sequence::new(1),
                &ControlRecord::HuntChanged { hunt, version },
            )
            .expect("known hunt");
        let entry = catalog.by_number(hunt).expect("created");
        assert_eq!(entry.newest_round(at(2_999)), Some(RoundNumber::new(2)));
        assert_eq!(entry.newest_round(at(3_250)), Some(RoundNumber::new(4)));
        assert_eq!(
            entry.schedule(RoundNumber::new(2)).map(|s| s.opens_at),
            Some(at(2_000))
        );
        assert_eq!(
            entry.schedule(RoundNumber::new(5)).map(|s| s.opens_at),
            Some(at(3_500))
        );
    }

    fn opened(round: u64, opens_ms: u64, window_ms: u64) -> ControlRecord {
        ControlRecord::RoundOpened(RoundOpened {
            hunt: HuntNumber::new(0),
            round: RoundNumber::new(round),
            config_version: 1,
            map: Hash32::ZERO,
            commitment: Hash32::ZERO,
            layout: Hash32::ZERO,
            tiles: 4,
            schedule: RoundSchedule {
                opens_at: at(opens_ms),
                closes_at: at(opens_ms + window_ms),
            },
        })
    }

    #[test]
    fn rounds_that_close_out_of_order_are_all_found() {
        let mut catalog = catalog();
        let windows_ms = [3_000, 3_000, 500, 500, 500];
        for (round, window_ms) in (1_u64..).zip(windows_ms) {
            let entry = opened(round, round * 1_000, window_ms);
            catalog
                .apply(Sequence::new(round), &entry)
                .expect("known hunt");
        }
        let hunt = catalog.by_number(HuntNumber::new(0)).expect("created");
        let numbers = |rounds: Vec<&Arc<RoundEntry>>| -> Vec<u64> {
            rounds
                .iter()
                .map(|round| round.opened.round.get())
                .collect()
        };
        for (now, closing, open) in [
            (3_600, vec![1, 2, 4, 5], vec![1, 2]),
            (4_000, vec![2, 4, 5], vec![2, 4]),
            (4_999, vec![2, 5], vec![2]),
            (5_499, vec![5], vec![5]),
            (5_500, vec![], vec![]),
        ] {
            assert_eq!(
                numbers(hunt.rounds_closing_after(at(now)).collect()),
                closing
            );
            assert_eq!(numbers(hunt.open_rounds(at(now)).collect()), open);
        }
    }

    #[test]
    fn old_rounds_are_forgotten_but_open_ones_are_not() {
        let mut catalog = catalog();
        let rounds = ROUNDS_KEPT as u64 + 10;
        for round in 1..=rounds {
            let window_ms = if round <= 2 { 100 } else { 3_600_000 };
            let entry = opened(round, round * 100, window_ms);
            catalog
                .apply(Sequence::new(round), &entry)
                .expect("known hunt");
        }
        let hunt = catalog.by_number(HuntNumber::new(0)).expect("created");
        assert_eq!(hunt.rounds().count() as u64, rounds - 2);
        assert!(hunt.round(RoundNumber::new(2)).is_none());
        assert!(hunt.round(RoundNumber::new(3)).is_some());
    }

    #[test]
    fn an_entry_is_folded_once() {
        let mut catalog = catalog();
        let before = catalog.clone();
        catalog.apply(Sequence::ZERO, &created()).expect("skipped");
        assert_eq!(catalog, before);
    }

    #[test]
    fn an_entry_about_nothing_is_refused() {
        let mut catalog = Catalog::new();
        let paused = ControlRecord::HuntPaused {
            hunt: HuntNumber::new(0),
        };
        assert!(matches!(
            catalog.apply(Sequence::ZERO, &paused),
            Err(CatalogError::UnknownHunt { .. })
        ));
    }
}
