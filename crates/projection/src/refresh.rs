//! How boards are brought up to date, as the flags say, and what came of it.
//!
//! Ranking a board anew costs as much as sorting all who are on it, on the one thread that
//! publishes every board. So a board rests for as long as that took last time: all boards that
//! are made anew, or compared, take half of the thread's time at most each for itself, and any
//! other board waits no longer than one of them takes. Meanwhile it stays as it is shown.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use huntcore_board::{Refresh, Refresher};
use huntcore_model::{BoardName, Flags, HuntNumber, RefreshMode};

/// What bringing boards up to date has come to since the process began.
#[derive(Debug, Default)]
pub struct RefreshMeters {
    incremental: ModeMeter,
    rebuild: ModeMeter,
    compared: AtomicU64,
    differences: AtomicU64,
}

#[derive(Debug, Default)]
struct ModeMeter {
    count: AtomicU64,
    nanos: AtomicU64,
    nanos_last: AtomicU64,
}

/// What one mode has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeFigures {
    /// How often a board was made so.
    pub count: u64,
    /// How long that took in all.
    pub total: Duration,
    /// How long it took the last time.
    pub last: Duration,
}

impl RefreshMeters {
    /// How often boards were made in a mode, and how long it took; nothing is made to freeze.
    #[must_use]
    pub fn mode(&self, mode: RefreshMode) -> ModeFigures {
        let meter = match mode {
            RefreshMode::Incremental => &self.incremental,
            RefreshMode::Rebuild => &self.rebuild,
            RefreshMode::Frozen => return ModeFigures::default(),
        };
        let nanos = |value: &AtomicU64| Duration::from_nanos(value.load(Ordering::Relaxed));
        ModeFigures {
            count: meter.count.load(Ordering::Relaxed),
            total: nanos(&meter.nanos),
            last: nanos(&meter.nanos_last),
        }
    }

    /// How often both modes' results were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.compared.load(Ordering::Relaxed)
    }

    /// On how many ranks they differed, in all. Anything but 0 is a fault of huntcore.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differences.load(Ordering::Relaxed)
    }

    fn made(&self, mode: RefreshMode, took: Duration) {
        let meter = match mode {
            RefreshMode::Incremental => &self.incremental,
            RefreshMode::Rebuild => &self.rebuild,
            RefreshMode::Frozen => return,
        };
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        meter.count.fetch_add(1, Ordering::Relaxed);
        meter.nanos.fetch_add(nanos, Ordering::Relaxed);
        meter.nanos_last.store(nanos, Ordering::Relaxed);
    }
}

/// When each board may be ranked anew again.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    rests_until: HashMap<(HuntNumber, BoardName), Instant>,
}

/// Tells a publication what the flags say.
pub(crate) struct Refreshing<'a> {
    flags: &'a Flags,
    pace: &'a mut Pace,
    meters: &'a RefreshMeters,
    lap: Instant,
}

impl<'a> Refreshing<'a> {
    pub(crate) fn new(flags: &'a Flags, pace: &'a mut Pace, meters: &'a RefreshMeters) -> Self {
        Self {
            flags,
            pace,
            meters,
            lap: Instant::now(),
        }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.lap, now))
    }
}

impl Refresher for Refreshing<'_> {
    fn refresh(&mut self, hunt: HuntNumber, board: BoardName) -> Refresh {
        let mode = self.flags.refresh(hunt, board);
        let shadow = self.flags.shadow(hunt, board);
        if mode != RefreshMode::Rebuild && !shadow {
            return Refresh {
                mode: Some(mode),
                shadow,
            };
        }
        let rests_until = self.pace.rests_until.get(&(hunt, board));
        let is_rested = rests_until.is_none_or(|until| *until <= Instant::now());
        let waits = mode == RefreshMode::Rebuild && !is_rested;
        Refresh {
            mode: (!waits).then_some(mode),
            shadow: shadow && is_rested,
        }
    }

    fn refreshed(&mut self, hunt: HuntNumber, board: BoardName, mode: RefreshMode) {
        let took = self.lap();
        self.meters.made(mode, took);
        if mode == RefreshMode::Rebuild {
            let until = self.lap + took;
            self.pace.rests_until.insert((hunt, board), until);
        }
    }

    fn compared(&mut self, _: HuntNumber, _: BoardName, differences: u64) {
        self.lap();
        self.meters.compared.fetch_add(1, Ordering::Relaxed);
        self.meters
            .differences
            .fetch_add(differences, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use huntcore_board::{BoardLimits, Boards};
    use huntcore_model::{
        BatchBuilder, Catalog, ClaimRecord, ControlRecord, Epoch, Flag, FlagSet, FlagSource,
        FlagValue, PlayerNumber, Record, RoundNumber, Salt, Sequence, ShardId, ShardMap, Tail,
        TileIndex, TimeMicros,
    };

    use super::*;

    const HUNT: HuntNumber = HuntNumber::new(0);

    fn set(catalog: &mut Catalog, flag: Flag, value: FlagValue) {
        let set = ControlRecord::FlagSet(FlagSet {
            flag,
            hunt: None,
            board: Some(BoardName::TOTAL),
            value: Some(value),
            by: FlagSource::Api,
            reason: String::new(),
            set_at: TimeMicros::ZERO,
        });
        catalog.apply(catalog.next(), &set).expect("a flag");
    }

    #[test]
    fn a_board_follows_the_flags_from_one_version_to_the_next() {
        let shards = ShardMap::new(1).expect("one");
        let mut boards = Boards::new(shards, BoardLimits::default());
        let mut catalog = Catalog::new();
        let (meters, mut pace) = (RefreshMeters::default(), Pace::default());
        let mut tail = Tail::default();
        let mut win = |boards: &mut Boards| {
            let mut builder = BatchBuilder::new();
            if tail.sequence == Sequence::ZERO {
                builder.push_player(PlayerNumber::new(0), "ada", Salt([1; 16]));
            }
            builder.push(&Record::Claim(ClaimRecord {
                hunt: HUNT,
                round: RoundNumber::FIRST,
                tile: TileIndex::new(0),
                player: PlayerNumber::new(0),
                points: 1,
            }));
            let time = TimeMicros::from_millis(1_000);
            let shard = ShardId::new(0);
            let batch = builder.finish(shard, Epoch::new(1), &tail, time, Sequence::ZERO);
            boards.apply(&batch).expect("in order");
            tail = batch.tail();
        };
        let publish = |boards: &mut Boards, catalog: &Catalog, pace: &mut Pace| {
            let version = boards.publish_by(&mut Refreshing::new(catalog.flags(), pace, &meters));
            let view = version.board(HUNT, BoardName::TOTAL).expect("there");
            let score = view.top(1).first().map(|entry| entry.score);
            let is_current = view.position() == version.position();
            (score, is_current, Arc::clone(&version))
        };
        win(&mut boards);
        let (score, is_current, _) = publish(&mut boards, &catalog, &mut pace);
        assert_eq!((score, is_current), (Some(1), true));
        set(
            &mut catalog,
            Flag::BoardsRefresh,
            FlagValue::Refresh(RefreshMode::Frozen),
        );
        set(&mut catalog, Flag::BoardsShadow, FlagValue::On(true));
        win(&mut boards);
        let (score, is_current, _) = publish(&mut boards, &catalog, &mut pace);
        assert_eq!((score, is_current), (Some(1), false));
        assert_eq!((meters.compared(), meters.differences()), (1, 0));
        // As if the board had rested.
        pace.rests_until.clear();
        set(
            &mut catalog,
            Flag::BoardsRefresh,
            FlagValue::Refresh(RefreshMode::Rebuild),
        );
        let (score, is_current, _) = publish(&mut boards, &catalog, &mut pace);
        assert_eq!((score, is_current), (Some(2), true));
        // It rests now, for longer than this test takes.
        let far = Instant::now() + Duration::from_secs(3_600);
        pace.rests_until.insert((HUNT, BoardName::TOTAL), far);
        win(&mut boards);
        let (score, is_current, resting) = publish(&mut boards, &catalog, &mut pace);
        assert_eq!((score, is_current), (Some(2), false));
        let (_, _, same) = publish(&mut boards, &catalog, &mut pace);
        assert!(Arc::ptr_eq(&resting, &same), "nothing has changed");
        set(
            &mut catalog,
            Flag::BoardsRefresh,
            FlagValue::Refresh(RefreshMode::Incremental),
        );
        let (score, is_current, _) = publish(&mut boards, &catalog, &mut pace);
        assert_eq!((score, is_current), (Some(3), true));
        assert_eq!(meters.differences(), 0);
        assert!(meters.mode(RefreshMode::Rebuild).count >= 2);
    }
}
