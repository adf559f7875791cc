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
        if judge.time < record.end {
            fault(format!(
                "they were written at {} ms, before the end",
                judge.time.millis()
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
