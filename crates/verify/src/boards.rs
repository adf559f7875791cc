//! The boards against a naive count of the same records.
//!
//! A window is compared when it becomes final, the boards of whole hunts at the end. Results that
//! stand in the log are held against the same boards.

use std::collections::BTreeSet;

use huntcore_board::{BoardLimits, BoardView, Boards, BoardsVersion, Entry};
use huntcore_model::{Batch, BoardName, HuntNumber, PlayerId};

use crate::closings::Closings;
use crate::counts::{Expected, ExpectedAll, Judged};
use crate::fault::{BoardLine, Fault, Place};
use crate::report::BoardsReport;
use crate::verifier::Settings;

/// The boards as huntcore makes them, held against what [`RuleCheck`](crate::RuleCheck)
/// counted.
#[derive(Debug)]
pub struct BoardCheck {
    /// `None` once they could not follow, or if the log does not begin at its beginning.
    boards: Option<Boards>,
    closings: Closings,
    report: BoardsReport,
}

impl BoardCheck {
    /// Nothing read so far.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        // One stream may be read far ahead of another, and nobody is to be left out.
        let limits = BoardLimits {
            open_window_entries_max: usize::MAX,
            players_max: u32::MAX,
            ..BoardLimits::default()
        };
        Self {
            boards: settings
                .is_whole()
                .then(|| Boards::new(settings.shards, limits)),
            closings: Closings::default(),
            report: BoardsReport::default(),
        }
    }

    /// Takes the next batch of its stream, and what the rules said of it.
    pub fn feed(&mut self, batch: &Batch, judged: Judged) {
        let Some(boards) = &mut self.boards else {
            return;
        };
        if !judged.is_new {
            return;
        }
        if let Err(error) = boards.apply(batch) {
            self.boards = None;
            let header = batch.header();
            self.report.fault(Fault::BoardsRefuse {
                at: Place::new(header.shard, header.first_sequence),
                reason: error.to_string(),
            });
            return;
        }
        self.closings.take(judged.said, boards, &mut self.report);
        if !judged.windows.is_empty() {
            let version = boards.publish();
            for window in judged.windows {
                self.compare_window(&version, &window, true);
            }
        }
    }

    /// What was found, now that all batches were fed; `expected` is what was counted in all.
    #[must_use]
    pub fn finish(mut self, expected: &ExpectedAll) -> BoardsReport {
        let Some(mut boards) = self.boards.take() else {
            return self.report;
        };
        if expected.is_all {
            let closings = std::mem::take(&mut self.closings);
            closings.finish(&mut boards, &mut self.report);
        }
        let version = boards.publish();
        for window in &expected.open_windows {
            self.compare_window(&version, window, false);
        }
        let mut hunts: BTreeSet<HuntNumber> = version.hunts().collect();
        hunts.extend(
            expected
                .totals
                .iter()
                .chain(&expected.bests)
                .map(|e| e.hunt),
        );
        for hunt in hunts {
            let name = expected.name(hunt);
            for (board, all) in [
                (BoardName::TOTAL, &expected.totals),
                (BoardName::BEST, &expected.bests),
            ] {
                let counted = all.iter().find(|counted| counted.hunt == hunt);
                let table = counted.map_or(&[][..], |counted| &counted.table);
                if let Some(view) = version.board(hunt, board) {
                    self.compare(&view, table, &name);
                }
            }
            for view in version.windows(hunt, BoardName::SECOND) {
                let Some(starts_at) = view.window().start else {
                    continue;
                };
                if !expected.windows.contains(&(hunt, starts_at)) {
                    self.report.fault(Fault::WindowDiffers {
                        hunt: name.clone(),
                        starts_at,
                        expected: "not there",
                        found: "there",
                    });
                }
            }
        }
        self.report
    }

    fn compare_window(&mut self, version: &BoardsVersion, expected: &Expected, is_final: bool) {
        // One that has made room for newer ones cannot be compared.
        let Ok(view) = version.window(expected.hunt, BoardName::SECOND, expected.starts_at) else {
            return;
        };
        let word = |is_final| if is_final { "final" } else { "open" };
        if view.window().is_final != is_final {
            self.report.fault(Fault::WindowDiffers {
                hunt: expected.name.clone(),
                starts_at: expected.starts_at,
                expected: word(is_final),
                found: word(!is_final),
            });
        }
        self.compare(&view, &expected.table, &expected.name);
    }

    fn compare(&mut self, view: &BoardView<'_>, table: &[(PlayerId, i64)], hunt: &str) {
        self.report.compared += 1;
        let mut expected = table.iter().map(|(player, score)| (player, *score));
        let mut found = view.entries(0);
        for rank in 1.. {
            let (expected, found): (_, Option<Entry<'_>>) = (expected.next(), found.next());
            if expected.is_none() && found.is_none() {
                return;
            }
            let same = found.map(|entry| (entry.player, entry.score)) == expected
                && found.is_none_or(|entry| entry.rank == rank);
            if !same {
                let line = |(player, score): (&PlayerId, i64)| BoardLine {
                    player: player.to_string(),
                    score,
                };
                self.report.fault(Fault::BoardDiffers {
                    hunt: hunt.to_owned(),
                    board: counted_name(view.name()),
                    starts_at: view.window().start,
                    rank,
                    expected: expected.map(line),
                    found: found.map(|entry| line((entry.player, entry.score))),
                });
                return;
            }
        }
    }
}

/// The boards that are counted naively, too, are those that every hunt has.
fn counted_name(board: BoardName) -> &'static str {
    match board {
        BoardName::TOTAL => "total",
        BoardName::BEST => "best",
        _ => "second",
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{
        BatchBuilder, ClaimRecord, Epoch, EventDigest, PlayerNumber, PlayerRecord, Record,
        RoundNumber, Salt, ScoreRecord, Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
    };

    use super::*;
    use crate::corrections::Corrections;
    use crate::counts::Counts;
    use crate::players::{Known, PlayerIndex, Players};
    use crate::report::Report;
    use crate::table::Moment;

    const SHARD: ShardId = ShardId::new(0);
    const HUNT: HuntNumber = HuntNumber::new(0);

    /// Boards of a batch in which ada wins 5 points and scores 3, counted naively as `count`
    /// says, and the faults that come of it.
    fn faults(count: impl Fn(&mut Counts, PlayerIndex, Moment)) -> Vec<Fault> {
        let number = PlayerNumber::new(0);
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

        let mut players = Players::new(1);
        let at = Place::new(SHARD, Sequence::ZERO);
        let record = PlayerRecord {
            number,
            fingerprint: [0; 32],
            id: Some("ada"),
        };
        players.meet(at, &record, &mut Report::default());
        let Known::Player(ada) = players.of(at, number) else {
            unreachable!("just met");
        };
        let mut counts = Counts::default();
        count(&mut counts, ada, Moment::new(time, at));
        let settings = Settings::new(ShardMap::new(1).expect("one"), 1_000);
        let mut check = BoardCheck::new(&settings);
        let judged = Judged {
            is_new: true,
            ..Judged::default()
        };
        check.feed(&batch, judged);
        let expected = counts.finish(&players, &Corrections::default(), |_| "park".to_owned());
        check.finish(&expected).faults
    }

    #[test]
    fn boards_that_show_what_was_counted_have_no_fault() {
        let found = faults(|counts, ada, at| {
            counts.claim(HUNT, ada, 5, at);
            counts.score(HUNT, ada, 3, at);
        });
        assert_eq!(found, []);
    }

    #[test]
    fn a_board_that_shows_something_else_is_named_with_its_first_wrong_rank() {
        let found = faults(|counts, ada, at| {
            counts.claim(HUNT, ada, 6, at);
            counts.score(HUNT, ada, 3, at);
        });
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [r#"board total of hunt park has "ada" with 5 on rank 1, expected "ada" with 6"#]
        );
    }

    #[test]
    fn a_window_that_nobody_scored_in_and_an_entry_too_many_are_named() {
        let found = faults(|counts, ada, at| {
            counts.claim(HUNT, ada, 5, at);
        });
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
