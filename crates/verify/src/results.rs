//! What windows came to: one record for each, in the order of time, by what the board says.

use std::collections::{BTreeMap, HashSet};

use huntcore_model::{
    BoardClosedRecord, BoardDefinition, BoardName, BoardOrder, HuntNumber, TimeMicros,
};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// The results that were written so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    last: BTreeMap<(HuntNumber, BoardName), Closed>,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    at: Place,
    end: TimeMicros,
}

/// What a record of results is judged by.
pub(crate) struct Judge<'a> {
    /// The time of its batch.
    pub(crate) time: TimeMicros,
    /// The hunt's name.
    pub(crate) hunt: String,
    /// The board as the shard knows it; `None` if it has none of that name.
    pub(crate) board: Option<&'a BoardDefinition>,
    /// What the shard knows of boards may have been trimmed.
    pub(crate) on_trust: bool,
}

impl Results {
    /// Judges a record of results.
    pub(crate) fn take(
        &mut self,
        at: Place,
        record: &BoardClosedRecord,
        judge: &Judge<'_>,
        report: &mut Report,
    ) {
        report.results += 1;
        let mut fault = |reason: String| {
            report.fault(Fault::BadResults {
                at,
                hunt: judge.hunt.clone(),
                board: record.board.to_string(),
                end: record.end,
                reason,
            });
        };
        let key = (record.hunt, record.board);
        if let Some(last) = self.last.get(&key)
            && record.end <= last.end
        {
            let (first, before) = (last.at, last.end.millis());
            fault(match record.end == last.end {
                true => format!("this window's results were written before, at {first}"),
                false => {
                    format!("results of a later window, to {before} ms, came before at {first}")
                }
            });
            return;
        }
        let end = record.end;
        self.last.insert(key, Closed { at, end });
        if record.start >= record.end {
            fault(format!(
                "the window starts at {} ms, after it ends",
                record.start.millis()
            ));
        }
        let final_at = record
            .end
            .plus_millis(judge.board.map_or(0, BoardDefinition::lateness_ms));
        if judge.time < final_at {
            fault(format!(
                "they were written at {} ms, before the window was final at {} ms",
                judge.time.millis(),
                final_at.millis()
            ));
        }
        if record.entries.len() as u64 > record.players {
            fault(format!(
                "{} of {} players",
                record.entries.len(),
                record.players
            ));
        }
        let players: HashSet<_> = record.entries.iter().map(|(player, _)| player).collect();
        if players.len() < record.entries.len() {
            fault("a player stands there twice".to_owned());
        }
        let Some(board) = judge.board else {
            if !judge.on_trust {
                fault("the shard had heard of no such board".to_owned());
            }
            return;
        };
        let best = u64::from(board.results).min(record.players);
        if record.entries.len() as u64 != best {
            fault(format!("{} entries, expected {best}", record.entries.len()));
        }
        let in_order = match board.order {
            BoardOrder::Descending => record.entries.is_sorted_by(|a, b| a.1 >= b.1),
            BoardOrder::Ascending => record.entries.is_sorted_by(|a, b| a.1 <= b.1),
        };
        if !in_order {
            fault("they are not in the board's order".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{PlayerNumber, Sequence, ShardId};

    use super::*;

    fn board() -> BoardDefinition {
        let [total, _, _] = BoardDefinition::built_in();
        BoardDefinition {
            name: BoardName::new("daily").expect("a name"),
            results: 2,
            ..total
        }
    }

    fn record(end_s: u64, entries: &[(u32, i64)]) -> BoardClosedRecord {
        BoardClosedRecord {
            hunt: HuntNumber::new(0),
            board: board().name,
            start: TimeMicros::from_millis((end_s - 1) * 1_000),
            end: TimeMicros::from_millis(end_s * 1_000),
            players: 3,
            entries: entries
                .iter()
                .map(|&(player, score)| (PlayerNumber::new(player), score))
                .collect(),
        }
    }

    fn faults(records: &[BoardClosedRecord], time_s: u64) -> Vec<String> {
        let (mut results, mut report) = (Results::default(), Report::default());
        let board = board();
        let judge = Judge {
            time: TimeMicros::from_millis(time_s * 1_000),
            hunt: "park".to_owned(),
            board: Some(&board),
            on_trust: false,
        };
        for (sequence, record) in (0..).zip(records) {
            let at = Place::new(ShardId::new(0), Sequence::new(sequence));
            results.take(at, record, &judge, &mut report);
        }
        report.faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_window_has_one_record_in_the_order_of_time() {
        let (one, two) = (record(5, &[(0, 9), (1, 7)]), record(6, &[(1, 3), (0, 3)]));
        assert_eq!(faults(&[one.clone(), two.clone()], 7), Vec::<String>::new());
        for (records, expected) in [
            (
                [one.clone(), one.clone()],
                "this window's results were written before",
            ),
            ([two, one], "results of a later window"),
        ] {
            let found = faults(&records, 7);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn results_are_the_best_in_order_after_the_end() {
        for (record, time_s, expected) in [
            (
                record(5, &[(0, 9), (1, 7)]),
                4,
                "before the window was final at 5000 ms",
            ),
            (record(5, &[(0, 7), (1, 9)]), 7, "not in the board's order"),
            (record(5, &[(0, 7), (0, 7)]), 7, "stands there twice"),
            (record(5, &[(0, 7)]), 7, "1 entries, expected 2"),
        ] {
            let found = faults(&[record], time_s);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        }
    }
}
