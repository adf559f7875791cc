//! Which hunts there are, how each is configured and which rounds are known: the fold of
//! the control stream.
//!
//! Arbiters, the controller and every reader fold the same entries, so all see the same
//! hunts. The catalog knows no clock: what holds *now* is asked with a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hunt::RoundQuota;
use crate::{ControlRecord, Flags, HuntEntry, HuntId, HuntNumber, Sequence, TimeMicros};

/// Rounds that a catalog remembers for each hunt: six hours of one-second rounds. Those that
/// are still open stay in any case.
pub const ROUNDS_KEPT: usize = 21_600;

/// Rounds that a reader's catalog remembers for all hunts together, about 200 bytes each:
/// with more than 20 hunts each gets its share.
pub const ROUNDS_KEPT_TOTAL: usize = 20 * ROUNDS_KEPT;

/// A hunt's share of [`ROUNDS_KEPT_TOTAL`] is not less.
const ROUNDS_KEPT_MIN: usize = 64;

/// All hunts, as of one entry of the control stream.
///
/// A clone shares everything with its original; writing to one of the two copies only what
/// the entry changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    pub(crate) hunts: Arc<Vec<Arc<HuntEntry>>>,
    pub(crate) by_id: Arc<BTreeMap<HuntId, HuntNumber>>,
    pub(crate) flags: Arc<Flags>,
    pub(crate) next: Sequence,
    pub(crate) keeps: Keeps,
}

/// Which rounds a catalog remembers besides those that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// As many as anybody may ask for.
    Past,
    /// Those whose seeds have to be published.
    Unpublished,
    /// None.
    Open,
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

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalog {
    /// No hunts; nothing of the control stream seen. For readers: remembers past rounds.
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(Keeps::Past)
    }

    /// The same for a controller: forgets a round once it has closed and its seed is known.
    #[must_use]
    pub fn for_controller() -> Self {
        Self::keeping(Keeps::Unpublished)
    }

    /// The same for an arbiter: forgets a round once it has closed.
    #[must_use]
    pub fn for_arbiter() -> Self {
        Self::keeping(Keeps::Open)
    }

    pub(crate) fn keeping(keeps: Keeps) -> Self {
        Self {
            hunts: Arc::default(),
            by_id: Arc::default(),
            flags: Arc::default(),
            next: Sequence::ZERO,
            keeps,
        }
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
        let quota = self.quota();
        if let ControlRecord::HuntCreated(created) = record {
            let expected = HuntNumber::new(self.hunts.len().try_into().expect("fewer than 2^32"));
            if created.hunt != expected {
                return Err(CatalogError::HuntOutOfTurn {
                    at,
                    found: created.hunt,
                    expected,
                });
            }
            self.add(HuntEntry::new(created));
            self.share_rounds(created.created_at);
        } else if let ControlRecord::FlagSet(set) = record {
            Arc::make_mut(&mut self.flags).apply(set);
        } else if let Some(hunt) = record.hunt() {
            let entry = Arc::make_mut(&mut self.hunts)
                .get_mut(hunt.get() as usize)
                .ok_or(CatalogError::UnknownHunt { at, hunt })?;
            Arc::make_mut(entry).apply(at, record, quota);
        }
        self.next = at.advanced(1);
        Ok(())
    }

    /// Adds a hunt with the next number. One that has the name of another hides it.
    pub(crate) fn add(&mut self, entry: HuntEntry) {
        Arc::make_mut(&mut self.by_id).insert(entry.id.clone(), entry.number);
        Arc::make_mut(&mut self.hunts).push(Arc::new(entry));
    }

    /// How many rounds each hunt may remember.
    fn quota(&self) -> RoundQuota {
        let rounds = match self.keeps {
            Keeps::Past => {
                let share = ROUNDS_KEPT_TOTAL / self.hunts.len().max(1);
                share.clamp(ROUNDS_KEPT_MIN, ROUNDS_KEPT)
            }
            Keeps::Unpublished | Keeps::Open => 1,
        };
        let unpublished = match self.keeps {
            Keeps::Past | Keeps::Unpublished => ROUNDS_KEPT,
            Keeps::Open => rounds,
        };
        RoundQuota {
            rounds,
            unpublished,
        }
    }

    /// Takes from the hunts there are what another one's share is.
    fn share_rounds(&mut self, now: TimeMicros) {
        let quota = self.quota();
        for entry in Arc::make_mut(&mut self.hunts) {
            if entry.has_more_rounds_than(quota, now) {
                Arc::make_mut(entry).forget_rounds(now, quota);
            }
        }
    }

    /// The hunt of that name.
    #[must_use]
    pub fn hunt(&self, id: &HuntId) -> Option<&Arc<HuntEntry>> {
        self.by_number(*self.by_id.get(id)?)
    }

    /// The hunt of that number.
    #[must_use]
    pub fn by_number(&self, number: HuntNumber) -> Option<&Arc<HuntEntry>> {
        self.hunts.get(number.get() as usize)
    }

    /// How flags are set; only a catalog that folds the control stream itself knows.
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// Every hunt in order of creation.
    pub fn hunts(&self) -> impl ExactSizeIterator<Item = &Arc<HuntEntry>> {
        self.hunts.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ConfigVersion, Hash32, HuntConfig, HuntCreated, HuntState, RoundEntry, RoundNumber,
        RoundOpened, RoundSchedule, ValueWeight,
    };

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

    fn published(round: u64) -> ControlRecord {
        ControlRecord::SeedPublished {
            hunt: HuntNumber::new(0),
            round: RoundNumber::new(round),
            seed: Hash32::ZERO,
        }
    }

    #[test]
    fn each_kind_of_catalog_forgets_what_its_owner_has_no_use_for() {
        let remembered = |mut catalog: Catalog| -> Vec<u64> {
            let mut entries = vec![created()];
            // Twenty rounds, open for three seconds each; the seeds of four of them. The last
            // to have closed ten seconds before the next one opens is the eighth.
            entries.extend((1..=20).map(|round| opened(round, round * 1_000, 3_000)));
            entries.extend((1..=4).map(published));
            entries.push(opened(21, 21_000, 3_000));
            for (at, entry) in (0..).map(Sequence::new).zip(&entries) {
                catalog.apply(at, entry).expect("known hunt");
            }
            let hunt = catalog.by_number(HuntNumber::new(0)).expect("created");
            hunt.rounds()
                .map(|round| round.opened.round.get())
                .collect()
        };
        assert_eq!(remembered(Catalog::new()), (1..=21).collect::<Vec<u64>>());
        assert_eq!(
            remembered(Catalog::for_controller()),
            (5..=21).collect::<Vec<u64>>()
        );
        assert_eq!(
            remembered(Catalog::for_arbiter()),
            (9..=21).collect::<Vec<u64>>()
        );
    }

    #[test]
    fn many_hunts_share_the_rounds_that_are_remembered() {
        let mut catalog = catalog();
        let mut next = (1..).map(Sequence::new);
        let mut apply = |entry: ControlRecord| {
            let at = next.next().expect("endless");
            catalog.apply(at, &entry).expect("known hunt");
        };
        for round in 1..=1_000 {
            apply(opened(round, round * 1_000, 3_000));
            apply(published(round));
        }
        for hunt in 1..=999 {
            let ControlRecord::HuntCreated(mut other) = created() else {
                panic!("a creation");
            };
            other.hunt = HuntNumber::new(hunt);
            other.id = HuntId::new(&format!("park-{hunt}")).expect("a slug");
            other.created_at = at(2_000_000);
            apply(ControlRecord::HuntCreated(other));
        }
        let first = catalog.by_number(HuntNumber::new(0)).expect("created");
        assert_eq!(first.rounds().count(), ROUNDS_KEPT_TOTAL / 1_000);
        assert!(first.round(RoundNumber::new(1_000)).is_some());
        let last = HuntId::new("park-999").expect("a slug");
        assert_eq!(catalog.hunt(&last).map(|hunt| hunt.number.get()), Some(999));
    }

    #[test]
    fn a_clone_stays_as_it_was_and_shares_what_did_not_change() {
        let mut catalog = catalog();
        let before = catalog.clone();
        catalog
            .apply(Sequence::new(1), &opened(1, 1_000, 3_000))
            .expect("known hunt");
        let hunt = |catalog: &Catalog| catalog.by_number(HuntNumber::new(0)).cloned();
        let (old, new) = (
            hunt(&before).expect("created"),
            hunt(&catalog).expect("created"),
        );
        assert_eq!((old.rounds().count(), new.rounds().count()), (0, 1));
        assert!(Arc::ptr_eq(&old.versions, &new.versions));
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
