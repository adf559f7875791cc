//! The boards against a naive count of the same records.
//!
//! Naive: a table of each player's score and when it was reached, sorted whole when it is
//! compared. A window is compared when it becomes final and then forgotten, the boards of
//! whole hunts at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use huntcore_board::{BoardLimits, BoardName, BoardView, Boards, BoardsVersion, Entry};
use huntcore_model::{
    Batch, HuntNumber, SCORE_MAGNITUDE_MAX, Sequence, ShardId, ShardMap, TimeMicros,
};

use crate::fault::{BoardLine, Fault, Place};
use crate::players::{PlayerIndex, Players};
use crate::report::Report;

const WINDOW_MICROS: u64 = 1_000_000;

/// Boards, and what they should show.
#[derive(Debug)]
pub(crate) struct BoardsCheck {
    /// `None` once they could not follow.
    boards: Option<Boards>,
    totals: BTreeMap<HuntNumber, Table>,
    bests: BTreeMap<HuntNumber, Table>,
    /// Windows that are not final.
    windows: BTreeMap<(TimeMicros, HuntNumber), Table>,
    /// Windows that anybody scored in.
    known: BTreeSet<(HuntNumber, TimeMicros)>,
}

type Table = HashMap<PlayerIndex, Standing>;

#[derive(Clone, Copy, Debug)]
struct Standing {
    score: i64,
    reached: Moment,
}

/// The order of all records of all streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    time: TimeMicros,
    shard: ShardId,
    sequence: Sequence,
}

impl Moment {
    pub(crate) const fn new(time: TimeMicros, at: Place) -> Self {
        Self {
            time,
            shard: at.stream,
            sequence: at.sequence,
        }
    }
}

impl BoardsCheck {
    pub(crate) fn new(shards: ShardMap) -> Self {
        // One stream may be read far ahead of another, and nobody is to be left out.
        let limits = BoardLimits {
            open_window_entries_max: usize::MAX,
            players_max: u32::MAX,
            ..BoardLimits::default()
        };
        Self {
            boards: Some(Boards::new(shards, limits)),
            totals: BTreeMap::new(),
            bests: BTreeMap::new(),
            windows: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// Counts a claim: the sum is reached with the last claim that was worth anything, or
    /// else with the first.
    pub(crate) fn claim(&mut self, hunt: HuntNumber, player: PlayerIndex, points: u32, at: Moment) {
        let table = self.totals.entry(hunt).or_default();
        let new = Standing {
            score: i64::from(points),
            reached: at,
        };
        let standing = table.entry(player).or_insert(Standing { score: 0, ..new });
        standing.reached = match (standing.score, points) {
            (0, 0) => standing.reached.min(at),
            (0, _) => at,
            (_, 0) => standing.reached,
            _ => standing.reached.max(at),
        };
        let sum = standing.score.saturating_add(new.score);
        standing.score = sum.min(SCORE_MAGNITUDE_MAX);
    }

    /// Counts a score event: the highest counts, of equal ones the earliest.
    pub(crate) fn score(&mut self, hunt: HuntNumber, player: PlayerIndex, score: i64, at: Moment) {
        let start = TimeMicros::new(at.time.get() - at.time.get() % WINDOW_MICROS);
        self.known.insert((hunt, start));
        let tables = [
            self.bests.entry(hunt).or_default(),
            self.windows.entry((start, hunt)).or_default(),
        ];
        for table in tables {
            let new = Standing { score, reached: at };
            let standing = table.entry(player).or_insert(new);
            let better = (score, std::cmp::Reverse(at));
            if better > (standing.score, std::cmp::Reverse(standing.reached)) {
                *standing = new;
            }
        }
    }

    /// Applies a batch whose records have been counted.
    pub(crate) fn apply(&mut self, batch: &Batch, report: &mut Report) {
        let Some(boards) = &mut self.boards else {
            return;
        };
        if let Err(error) = boards.apply(batch) {
            self.boards = None;
            self.windows.clear();
            let header = batch.header();
            report.fault(Fault::BoardsRefuse {
                at: Place::new(header.shard, header.first_sequence),
                reason: error.to_string(),
            });
        }
    }

    /// Compares the windows that are final now that every shard has got to `time`.
    pub(crate) fn pass(
        &mut self,
        time: TimeMicros,
        players: &Players,
        name: impl Fn(HuntNumber) -> String,
        report: &mut Report,
    ) {
        let Some(boards) = &mut self.boards else {
            self.windows.clear();
            return;
        };
        while let Some(entry) = self.windows.first_entry()
            && entry.key().0.get().saturating_add(WINDOW_MICROS) <= time.get()
        {
            let ((start, hunt), table) = entry.remove_entry();
            compare_window(
                &boards.publish(),
                (start, hunt),
                &table,
                true,
                players,
                &name,
                report,
            );
        }
    }

    /// Compares all that is left.
    pub(crate) fn finish(
        mut self,
        players: &Players,
        name: impl Fn(HuntNumber) -> String,
        report: &mut Report,
    ) {
        let Some(mut boards) = self.boards.take() else {
            return;
        };
        let version = boards.publish();
        for ((start, hunt), table) in std::mem::take(&mut self.windows) {
            compare_window(
                &version,
                (start, hunt),
                &table,
                false,
                players,
                &name,
                report,
            );
        }
        let mut hunts: BTreeSet<HuntNumber> = version.hunts().collect();
        hunts.extend(self.totals.keys());
        hunts.extend(self.bests.keys());
        for hunt in hunts {
            for (board, tables) in [
                (BoardName::Total, &self.totals),
                (BoardName::Best, &self.bests),
            ] {
                let nobody = Table::new();
                let table = tables.get(&hunt).unwrap_or(&nobody);
                if let Some(view) = version.board(hunt, board) {
                    compare(&view, table, players, &name(hunt), report);
                }
            }
            for view in version.windows(hunt) {
                let Some(starts_at) = view.window().start else {
                    continue;
                };
                if !self.known.contains(&(hunt, starts_at)) {
                    report.fault(Fault::WindowDiffers {
                        hunt: name(hunt),
                        starts_at,
                        expected: "not there",
                        found: "there",
                    });
                }
            }
        }
    }
}

fn compare_window(
    version: &BoardsVersion,
    (start, hunt): (TimeMicros, HuntNumber),
    table: &Table,
    is_final: bool,
    players: &Players,
    name: &impl Fn(HuntNumber) -> String,
    report: &mut Report,
) {
    // One that has made room for newer ones cannot be compared.
    let Ok(view) = version.window(hunt, start) else {
        return;
    };
    let word = |is_final| if is_final { "final" } else { "open" };
    if view.window().is_final != is_final {
        report.fault(Fault::WindowDiffers {
            hunt: name(hunt),
            starts_at: start,
            expected: word(is_final),
            found: word(!is_final),
        });
    }
    compare(&view, table, players, &name(hunt), report);
}

fn compare(
    view: &BoardView<'_>,
    table: &Table,
    players: &Players,
    hunt: &str,
    report: &mut Report,
) {
    report.boards_compared += 1;
    let mut sorted: Vec<(&PlayerIndex, &Standing)> = table.iter().collect();
    sorted.sort_unstable_by(|(_, a), (_, b)| b.score.cmp(&a.score).then(a.reached.cmp(&b.reached)));
    let mut expected = sorted
        .into_iter()
        .map(|(player, standing)| (players.id(*player), standing.score));
    let mut found = view.entries(0);
    for rank in 1.. {
        let (expected, found): (_, Option<Entry<'_>>) = (expected.next(), found.next());
        if expected.is_none() && found.is_none() {
            return;
        }
        let same = found.map(|entry| (entry.player, entry.score)) == expected
            && found.is_none_or(|entry| entry.rank == rank);
        if !same {
            report.fault(Fault::BoardDiffers {
                hunt: hunt.to_owned(),
                board: view.name().as_str(),
                starts_at: view.window().start,
                rank,
                expected: expected.map(|(player, score)| BoardLine {
                    player: player.to_string(),
                    score,
                }),
                found: found.map(|entry| BoardLine {
                    player: entry.player.to_string(),
                    score: entry.score,
                }),
            });
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{
        BatchBuilder, ClaimRecord, Epoch, EventDigest, PlayerNumber, PlayerRecord, Record,
        RoundNumber, Salt, ScoreRecord, Tail, TileIndex,
    };

    use super::*;

    const SHARD: ShardId = ShardId::new(0);
    const HUNT: HuntNumber = HuntNumber::new(0);

    /// Boards of a batch in which ada wins 5 points and scores 3, counted naively as `count`
    /// says, and the faults that come of it once `time` has been reached.
    fn faults(count: impl Fn(&mut BoardsCheck, PlayerIndex, Moment)) -> Vec<Fault> {
        let mut report = Report::default();
        let mut players = Players::new(1);
        let at = Place::new(SHARD, Sequence::ZERO);
        let (number, id) = (PlayerNumber::new(0), Some("ada"));
        let fingerprint = [0; 32];
        players.meet(
            at,
            &PlayerRecord {
                number,
                fingerprint,
                id,
            },
            &mut report,
        );
        let ada = match players.of(at, number) {
            crate::players::Known::Player(index) => index,
            _ => unreachable!("just met"),
        };
        let mut builder = BatchBuilder::new();
        builder.push_player(number, "ada", Salt([1; 16]));
        builder.push(&Record::Claim(ClaimRecord {
            hunt: HUNT,
            round: RoundNumber::FIRST,
            tile: TileIndex::new(0),
            player: number,
            points: 5,
        }));
        builder.push(&Record::Score(ScoreRecord {
            hunt: HUNT,
            player: number,
            event_id: "e",
            event_type: "t",
            score: 3,
            sent_at: None,
            payload: "",
            digest: EventDigest([0; 16]),
        }));
        let time = TimeMicros::from_millis(1_500);
        let tail = Tail::default();
        let batch = builder.finish(SHARD, Epoch::new(1), &tail, time, Sequence::ZERO);
        let mut check = BoardsCheck::new(ShardMap::new(1).expect("one"));
        count(&mut check, ada, Moment::new(time, at));
        check.apply(&batch, &mut report);
        check.finish(&players, |_| "park".to_owned(), &mut report);
        report.faults
    }

    #[test]
    fn boards_that_show_what_was_counted_have_no_fault() {
        let found = faults(|check, ada, at| {
            check.claim(HUNT, ada, 5, at);
            check.score(HUNT, ada, 3, at);
        });
        assert_eq!(found, []);
    }

    #[test]
    fn a_board_that_shows_something_else_is_named_with_its_first_wrong_rank() {
        let found = faults(|check, ada, at| {
            check.claim(HUNT, ada, 6, at);
            check.score(HUNT, ada, 3, at);
        });
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [r#"board total of hunt park has "ada" with 5 on rank 1, expected "ada" with 6"#]
        );
    }

    #[test]
    fn a_window_that_nobody_scored_in_and_an_entry_too_many_are_named() {
        let found = faults(|check, ada, at| check.claim(HUNT, ada, 5, at));
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                r#"board best of hunt park has "ada" with 3 on rank 1, expected nobody"#,
                "board second of hunt park, window 1970-01-01T00:00:01.000000Z is there, \
                 expected not there"
            ]
        );
    }
}
