//! One hunt as its control records have made it.

use std::sync::Arc;

use crate::round_list::RoundList;
use crate::{
    ConfigVersion, ControlRecord, DefinedBoard, Hash32, HuntCreated, HuntId, HuntNumber,
    RoundNumber, RoundOpened, RoundSchedule, Sequence, TimeMicros,
};

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

/// One hunt. Cheap to clone: what is large in it is shared.
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
    pub versions: Arc<Vec<Arc<ConfigVersion>>>,
    /// Whether attempts on unclaimed tiles are refused for now.
    pub paused: bool,
    /// When an operator closed it.
    pub closed_at: Option<TimeMicros>,
    /// seed(0) of each seed chain published so far, chain 0 first.
    pub anchors: Vec<Hash32>,
    /// The boards that it has been given, besides the built-in ones.
    pub boards: Arc<Vec<DefinedBoard>>,
    pub(crate) rounds: RoundList,
    // Of all versions, so that rounds that close out of order are found.
    claim_window_ms_max: u64,
}

/// A round that has been announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundEntry {
    /// Its map and schedule.
    pub opened: RoundOpened,
    /// Its seed, once it may be known.
    pub seed: Option<Hash32>,
}

/// A round is announced ahead of its opening, to shards whose clocks differ. So it takes as
/// much longer than the next one's opening until a round has surely closed.
const SURELY_CLOSED_AFTER_MS: u64 = 10_000;

/// Which rounds a hunt forgets when there are more than so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundQuota {
    /// A round that has closed is forgotten when the hunt has this many.
    pub(crate) rounds: usize,
    /// But not before its seed is known, until the hunt has this many.
    pub(crate) unpublished: usize,
}

impl HuntEntry {
    pub(crate) fn new(created: &HuntCreated) -> Self {
        let mut entry = Self {
            number: created.hunt,
            id: created.id.clone(),
            created_at: created.created_at,
            starts_at: created.starts_at,
            ends_at: created.ends_at,
            versions: Arc::default(),
            paused: false,
            closed_at: None,
            anchors: vec![created.anchor],
            boards: Arc::default(),
            rounds: RoundList::default(),
            claim_window_ms_max: 0,
        };
        entry.set_versions(vec![Arc::new(created.first_version())]);
        entry
    }

    /// Replaces the configurations; there must be one.
    pub(crate) fn set_versions(&mut self, versions: Vec<Arc<ConfigVersion>>) {
        let windows_ms = versions.iter().map(|known| known.config.claim_window_ms);
        self.claim_window_ms_max = windows_ms.max().unwrap_or(0);
        self.versions = Arc::new(versions);
    }

    pub(crate) fn apply(&mut self, at: Sequence, record: &ControlRecord, quota: RoundQuota) {
        match record {
            ControlRecord::HuntCreated(_) | ControlRecord::FlagSet(_) => {}
            ControlRecord::HuntChanged { version, .. } => {
                // A later version that starts no later replaces the one before it.
                let kept = self.versions.iter();
                let kept = kept.filter(|known| known.from_round < version.from_round);
                let new = Arc::new(version.clone());
                self.set_versions(kept.cloned().chain([new]).collect());
            }
            ControlRecord::HuntEndMoved { ends_at, .. } => self.ends_at = *ends_at,
            ControlRecord::HuntPaused { .. } => self.paused = true,
            ControlRecord::HuntResumed { .. } => self.paused = false,
            ControlRecord::HuntClosed { closed_at, .. } => self.closed_at = Some(*closed_at),
            ControlRecord::RoundOpened(opened) => {
                // Room for the one that comes.
                let quota = RoundQuota {
                    rounds: quota.rounds.saturating_sub(1),
                    unpublished: quota.unpublished.saturating_sub(1),
                };
                let now = opened.schedule.opens_at;
                self.forget_rounds(now.minus_millis(SURELY_CLOSED_AFTER_MS), quota);
                self.rounds.push_back(Arc::new(RoundEntry {
                    opened: opened.clone(),
                    seed: None,
                }));
            }
            ControlRecord::SeedPublished { round, seed, .. } => {
                if let Some(entry) = self.rounds.find_mut(*round) {
                    entry.seed = Some(*seed);
                }
            }
            ControlRecord::ChainAnchored { anchor, .. } => self.anchors.push(*anchor),
            ControlRecord::BoardsChanged { boards, .. } => {
                self.boards = Arc::new(DefinedBoard::redefined(&self.boards, at, boards));
            }
        }
    }

    /// Whether it would forget rounds that had closed by `now`.
    pub(crate) fn has_more_rounds_than(&self, quota: RoundQuota, now: TimeMicros) -> bool {
        self.rounds.front().is_some_and(|oldest| {
            let kept_max = match oldest.seed {
                Some(_) => quota.rounds,
                None => quota.unpublished,
            };
            self.rounds.len() > kept_max && oldest.opened.schedule.closes_at <= now
        })
    }

    /// Forgets the oldest rounds over the quota that had closed by `now`.
    pub(crate) fn forget_rounds(&mut self, now: TimeMicros, quota: RoundQuota) {
        while self.has_more_rounds_than(quota, now) {
            self.rounds.pop_front();
        }
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
            .map(AsRef::as_ref)
    }

    /// A configuration by its version.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&ConfigVersion> {
        let mut versions = self.versions.iter();
        versions
            .find(|known| known.version == version)
            .map(AsRef::as_ref)
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
        self.rounds.find(round)
    }

    /// The announced rounds that are remembered, oldest first.
    pub fn rounds(&self) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> + ExactSizeIterator {
        self.rounds.iter_from(0)
    }

    /// The announced rounds whose seeds have not been published, oldest first.
    pub fn rounds_without_seed(
        &self,
    ) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> + ExactSizeIterator {
        // Seeds are published in order, and few wait.
        let newest_first = self.rounds().rev();
        let waiting = newest_first
            .take_while(|round| round.seed.is_none())
            .count();
        self.rounds.iter_from(self.rounds.len() - waiting)
    }

    /// The announced rounds whose claim window ends after `time`, oldest first.
    pub fn rounds_closing_after(
        &self,
        time: TimeMicros,
    ) -> impl DoubleEndedIterator<Item = &Arc<RoundEntry>> {
        // Rounds open in order, but after a change a later one may close before an earlier one.
        let longest_ms = self.claim_window_ms_max;
        let first = self.rounds.partition_point(|entry| {
            entry.opened.schedule.opens_at.plus_millis(longest_ms) <= time
        });
        self.rounds
            .iter_from(first)
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
