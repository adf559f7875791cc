//! What boards' windows came to, written down once for each window and in the order of time.
//!
//! The results are counted right of the log, by whoever folds all shards; here they become
//! facts. That a window has one record and no more is decided here alone: whoever hands
//! results in may do so again after a crash, or beside another, and gets the same answer.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use huntcore_model::{
    BoardClosedRecord, BoardName, ControlRecord, HuntNumber, PlayerId, RESULTS_MAX, Record,
    Sequence, SnapshotError, SnapshotReader, SnapshotWriter, TimeMicros,
};

use crate::arbiter::Arbiter;
use crate::claims::Known;
use crate::exchange::Decided;
use crate::fold::ApplyError;
use crate::heartbeat::over_at;

/// Boards of one hunt, those that it has no more included, whose last results a shard
/// remembers. Beyond it those that the hunt has no more are forgotten, oldest results first.
const BOARDS_REMEMBERED_MAX: usize = 256;

/// What a board's window came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowResults<'a> {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which board.
    pub board: BoardName,
    /// From when on the window counted.
    pub start: TimeMicros,
    /// Up to when.
    pub end: TimeMicros,
    /// How many players were on it.
    pub players: u64,
    /// The best of them, best first; at most [`RESULTS_MAX`].
    pub entries: &'a [(PlayerId, i64)],
}

/// What became of a window's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseVerdict {
    /// Written now, as the record at this sequence.
    Closed(Sequence),
    /// This window's results, or a later window's, stand at this sequence: nothing was written.
    AlreadyClosed(Sequence),
    /// The hunt does not exist.
    UnknownHunt,
    /// The hunt has no such board, or none that writes results: it was changed.
    UnknownBoard,
    /// The window's end has not come here, and the hunt is not over.
    NotYet,
    /// The batch is full; nothing changed.
    Overloaded,
    /// The log takes no more for lack of space; nothing changed.
    StorageFull,
}

/// The last results of each board.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closings(BTreeMap<(HuntNumber, BoardName), LastClosed>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastClosed {
    end: TimeMicros,
    sequence: Sequence,
}

impl Arbiter {
    /// Writes down what a window came to, unless that was done before.
    ///
    /// A board's windows are closed in the order of their ends: one that ends before the last
    /// one that was closed never will be.
    ///
    /// # Panics
    /// With more entries than a record may hold.
    pub fn close_board(&mut self, results: &WindowResults<'_>) -> Decided<CloseVerdict> {
        assert!(
            results.entries.len() <= usize::from(RESULTS_MAX),
            "the caller cuts results to what a board asks for"
        );
        let told_at_once = |answer| Decided {
            answer,
            needs: Sequence::ZERO,
        };
        let Some(hunt) = self.catalog.by_number(results.hunt) else {
            return told_at_once(CloseVerdict::UnknownHunt);
        };
        let key = (results.hunt, results.board);
        if let Some(last) = self
            .closings
            .0
            .get(&key)
            .filter(|last| results.end <= last.end)
        {
            return Decided {
                answer: CloseVerdict::AlreadyClosed(last.sequence),
                needs: last.sequence.advanced(1),
            };
        }
        let writes_results = hunt
            .boards
            .iter()
            .any(|board| board.definition.name == results.board && board.definition.results > 0);
        if !writes_results {
            return told_at_once(CloseVerdict::UnknownBoard);
        }
        // A hunt that is over ends its windows with it: nothing more can come into them.
        let is_over =
            hunt.closed_at.is_some() || over_at(hunt).is_some_and(|over_at| over_at <= self.now);
        if self.now < results.end && !is_over {
            return told_at_once(CloseVerdict::NotYet);
        }
        if self.storage_full {
            return told_at_once(CloseVerdict::StorageFull);
        }
        if self.is_full() {
            return told_at_once(CloseVerdict::Overloaded);
        }
        let numbered = results.entries.iter().map(|(player, score)| {
            let number = self.number_for_result(player.as_str());
            (number, *score)
        });
        let entries = numbered.collect();
        let sequence = self.next_sequence();
        self.batch
            .push(&Record::BoardClosed(Box::new(BoardClosedRecord {
                hunt: results.hunt,
                board: results.board,
                start: results.start,
                end: results.end,
                players: results.players,
                entries,
            })));
        self.closings.note(key, results.end, sequence);
        Decided {
            answer: CloseVerdict::Closed(sequence),
            needs: sequence.advanced(1),
        }
    }

    /// Folds stored results.
    pub(crate) fn apply_closing(
        &mut self,
        at: Sequence,
        record: &BoardClosedRecord,
    ) -> Result<(), ApplyError> {
        let unknown = |what| ApplyError::Unknown { at, what };
        self.catalog
            .by_number(record.hunt)
            .ok_or(unknown("a hunt"))?;
        let players = self.players.count();
        if record
            .entries
            .iter()
            .any(|(player, _)| player.get() as usize >= players)
        {
            return Err(unknown("a player number"));
        }
        let key = (record.hunt, record.board);
        if let Some(last) = self.closings.0.get(&key)
            && record.end <= last.end
        {
            return Err(ApplyError::ClosedTwice {
                at,
                board: record.board,
                end: record.end,
                last: last.sequence,
            });
        }
        self.closings.note(key, record.end, at);
        Ok(())
    }

    /// Forgets what boards came to that a hunt has no more, where there are too many of them.
    pub(crate) fn forget_closings(&mut self, record: &ControlRecord) {
        let ControlRecord::BoardsChanged { hunt, boards } = record else {
            return;
        };
        let of_hunt = |key: &&(HuntNumber, BoardName)| key.0 == *hunt;
        let count = self.closings.0.keys().filter(of_hunt).count();
        let mut gone: Vec<_> = self
            .closings
            .0
            .iter()
            .filter(|((of, name), _)| of == hunt && boards.iter().all(|board| board.name != *name))
            .map(|(key, last)| (last.end, *key))
            .collect();
        gone.sort_unstable();
        for (_, key) in gone
            .into_iter()
            .take(count.saturating_sub(BOARDS_REMEMBERED_MAX))
        {
            self.closings.0.remove(&key);
        }
    }
}

impl Closings {
    fn note(&mut self, key: (HuntNumber, BoardName), end: TimeMicros, sequence: Sequence) {
        self.0.insert(key, LastClosed { end, sequence });
    }

    pub(crate) fn write<W: Write>(&self, out: &mut SnapshotWriter<W>) -> io::Result<()> {
        out.number(self.0.len() as u64)?;
        for ((hunt, board), last) in &self.0 {
            out.number(u64::from(hunt.get()))?;
            out.bytes(board.as_str().as_bytes())?;
            out.number(last.end.get())?;
            out.number(last.sequence.get())?;
        }
        Ok(())
    }

    pub(crate) fn read<R: Read>(
        known: &Known,
        hunts: usize,
        input: &mut SnapshotReader<R>,
    ) -> Result<Self, SnapshotError> {
        let mut closings = Self::default();
        for _ in 0..input.number("number of boards with results")? {
            let hunt = input.number_u32("hunt with results")?;
            let name = input.bytes(BoardName::BYTES_MAX, "board with results")?;
            let board = std::str::from_utf8(&name).ok().map(BoardName::new);
            let Some(Ok(board)) = board else {
                return Err(input.invalid("board with results", "it is no board's name"));
            };
            let end = TimeMicros::new(input.number("end of the window with results")?);
            let sequence = Sequence::new(input.number("results' sequence")?);
            let is_known = (hunt as usize) < hunts && sequence < known.sequence_end;
            let key = (HuntNumber::new(hunt), board);
            if !is_known || closings.0.contains_key(&key) {
                return Err(input.invalid("results", "no such hunt or record, or twice"));
            }
            closings.note(key, end, sequence);
        }
        Ok(closings)
    }
}
