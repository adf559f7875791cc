//! How boards are brought up to date, as the flags say, and what came of it.
//!
//! Ranking a board anew costs as much as sorting all who are on it, on the one thread that
//! publishes every board. So at most one board is made anew, or compared, for a version, the one
//! that has waited longest; and after it none, for as long as it took. However many they are, they
//! take half of the thread's time together, and any other board waits no longer than one of them
//! takes. Meanwhile those that wait stay as they are shown.

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

type Key = (HuntNumber, BoardName);

/// When a board may be ranked anew again, and which.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    rests_until: Option<Instant>,
    made_at: HashMap<Key, Instant>,
    /// Those that were to be made anew for the last version, and were not.
    waiting: Vec<Key>,
}

/// Tells a publication what the flags say.
pub(crate) struct Refreshing<'a> {
    flags: &'a Flags,
    pace: &'a mut Pace,
    meters: &'a RefreshMeters,
    lap: Instant,
    is_rested: bool,
    /// Whose turn it is, if any waits; whoever comes first, if none does.
    turn: Option<Key>,
    /// What is made anew for this version, and since when.
    made: Option<(Key, Instant)>,
}

impl<'a> Refreshing<'a> {
    pub(crate) fn new(flags: &'a Flags, pace: &'a mut Pace, meters: &'a RefreshMeters) -> Self {
        let now = Instant::now();
        let waiting = std::mem::take(&mut pace.waiting);
        let turn = waiting
            .into_iter()
            .min_by_key(|key| pace.made_at.get(key).copied());
        Self {
            is_rested: pace.rests_until.is_none_or(|until| until <= now),
            flags,
            pace,
            meters,
            lap: now,
            turn,
            made: None,
        }
    }

    /// Whether this board may be made anew now; one that may not waits for its turn.
    fn takes_turn(&mut self, key: Key) -> bool {
        let may = self.is_rested && self.made.is_none() && self.turn.is_none_or(|turn| turn == key);
        if may {
            self.lap = Instant::now();
            self.made = Some((key, self.lap));
        } else {
            self.pace.waiting.push(key);
        }
        may
    }

    /// Lets boards rest for as long as this one took.
    fn rest(&mut self, key: Key) {
        if let Some((made, since)) = self.made
            && made == key
        {
            self.pace.made_at.insert(key, self.lap);
            self.pace.rests_until = Some(self.lap + self.lap.duration_since(since));
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
        let may = self.takes_turn((hunt, board));
        let waits = mode == RefreshMode::Rebuild && !may;
        Refresh {
            mode: (!waits).then_some(mode),
            shadow: shadow && may,
        }
    }

    fn refreshed(&mut self, hunt: HuntNumber, board: BoardName, mode: RefreshMode) {
        let took = self.lap();
        self.meters.made(mode, took);
        self.rest((hunt, board));
    }

    fn compared(&mut self, hunt: HuntNumber, board: BoardName, differences: u64) {
        self.lap();
        self.rest((hunt, board));
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
        pace.rests_until = None;
        set(
            &mut catalog,
            Flag::BoardsRefresh,
            FlagValue::Refresh(RefreshMode::Rebuild),
        );
        let (score, is_current, _) = publish(&mut boards, &catalog, &mut pace);
        assert_eq!((score, is_current), (Some(2), true));
        // It rests now, for longer than this test takes.
        let far = Instant::now() + Duration::from_secs(3_600);
        pace.rests_until = Some(far);
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

    #[test]
    fn boards_to_be_made_anew_take_turns_and_one_is_made_for_a_version() {
        let mut catalog = Catalog::new();
        let flag = ControlRecord::FlagSet(FlagSet {
            flag: Flag::BoardsRefresh,
            hunt: None,
            board: None,
            value: Some(FlagValue::Refresh(RefreshMode::Rebuild)),
            by: FlagSource::Api,
            reason: String::new(),
            set_at: TimeMicros::ZERO,
        });
        catalog.apply(catalog.next(), &flag).expect("a flag");
        let (meters, mut pace) = (RefreshMeters::default(), Pace::default());
        let mut made = Vec::new();
        for _ in 0..6 {
            pace.rests_until = None;
            let mut refreshing = Refreshing::new(catalog.flags(), &mut pace, &meters);
            for board in BoardName::BUILT_IN {
                if refreshing.refresh(HUNT, board).mode.is_some() {
                    refreshing.refreshed(HUNT, board, RefreshMode::Rebuild);
                    made.push(board);
                }
            }
        }
        let [total, best, second] = BoardName::BUILT_IN;
        assert_eq!(made, [total, best, second, total, best, second]);
        assert!(pace.rests_until.is_some(), "and none right after it");
    }
}
