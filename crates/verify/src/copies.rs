//! What shards copied of the control stream.

use std::collections::VecDeque;

use huntcore_model::{ControlRecord, Sequence, ShardId};

use crate::fault::{Fault, Place};
use crate::report::Report;

/// Compares copies with entries, whichever comes first, and forgets both.
#[derive(Debug)]
pub(crate) struct Copies {
    /// Entries that concern shards and that not all have copied.
    entries: VecDeque<Entry>,
    /// How many such entries there were before those.
    forgotten: u64,
    /// The control stream begins here; copies of what came before are taken on trust.
    control_from: Sequence,
    shards: Vec<Shard>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Sequence,
    digest: [u8; 16],
}

#[derive(Clone, Debug)]
struct Shard {
    /// Entries that were compared with a copy.
    compared: u64,
    /// Copies of entries that have not been seen.
    ahead: VecDeque<(Place, Entry)>,
    /// Copies of entries before this one were trimmed; unknown until the first copy.
    from: Option<Sequence>,
    /// The last entry that was copied.
    last: Option<Sequence>,
}

impl Copies {
    pub(crate) fn new(shards: u16) -> Self {
        let shard = Shard {
            compared: 0,
            ahead: VecDeque::new(),
            from: Some(Sequence::ZERO),
            last: None,
        };
        Self {
            entries: VecDeque::new(),
            forgotten: 0,
            control_from: Sequence::ZERO,
            shards: vec![shard; usize::from(shards)],
        }
    }

    /// A stream begins at `sequence`, because what came before was trimmed.
    pub(crate) fn begin_trimmed(&mut self, stream: ShardId, sequence: Sequence) {
        if stream.is_control() {
            self.control_from = sequence;
        } else {
            self.shards[usize::from(stream.get())].from = None;
        }
    }

    /// Takes an entry of the control stream that concerns shards.
    pub(crate) fn entry(&mut self, at: Sequence, record: &ControlRecord, report: &mut Report) {
        self.entries.push_back(Entry::new(at, record));
        for shard in 0..self.shards.len() {
            while self.due(shard).is_some()
                && let Some((place, copy)) = self.shards[shard].ahead.pop_front()
            {
                self.compare(shard, place, copy, report);
            }
        }
        self.forget();
    }

    /// Takes a shard's copy.
    pub(crate) fn copy(
        &mut self,
        place: Place,
        at: Sequence,
        record: &ControlRecord,
        report: &mut Report,
    ) {
        let index = usize::from(place.stream.get());
        let shard = &mut self.shards[index];
        shard.from.get_or_insert(at);
        if at < self.control_from {
            // The entry itself was trimmed: only the order is left to judge.
            if shard.last >= Some(at) {
                report.fault(Fault::CopyOutOfTurn {
                    at: place,
                    expected: None,
                    found: at,
                });
            }
            shard.last = shard.last.max(Some(at));
            return;
        }
        let copy = Entry::new(at, record);
        if self.due(index).is_some() {
            self.compare(index, place, copy, report);
            self.forget();
        } else if at >= self.next_entry() {
            let shard = &mut self.shards[index];
            shard.ahead.push_back((place, copy));
            shard.last = shard.last.max(Some(at));
        } else {
            report.fault(Fault::CopyOutOfTurn {
                at: place,
                expected: None,
                found: at,
            });
        }
    }

    /// Whether a shard has copied the entry at `at`, or had before its log begins.
    pub(crate) fn has_copied(&self, shard: ShardId, at: Sequence) -> bool {
        let shard = &self.shards[usize::from(shard.get())];
        shard.last >= Some(at) || shard.from.is_none_or(|from| at < from)
    }

    /// At the end of the log nothing is left to come.
    pub(crate) fn finish(&self, report: &mut Report) {
        for (at, copy) in self.shards.iter().flat_map(|shard| &shard.ahead) {
            report.fault(Fault::CopyUnknown {
                at: *at,
                entry: copy.at,
            });
        }
    }

    /// The entry that a shard has to copy next, if it was seen.
    fn due(&mut self, shard: usize) -> Option<Entry> {
        let shard = &mut self.shards[shard];
        let from = shard.from?;
        loop {
            let index = shard.compared.saturating_sub(self.forgotten);
            let entry = self.entries.get(usize::try_from(index).ok()?).copied()?;
            if entry.at >= from {
                return Some(entry);
            }
            // Copied before the shard's log begins.
            shard.compared += 1;
        }
    }

    /// Entries from here on have not been seen.
    fn next_entry(&self) -> Sequence {
        self.entries
            .back()
            .map_or(self.control_from, |last| last.at.advanced(1))
    }

    fn compare(&mut self, shard: usize, place: Place, copy: Entry, report: &mut Report) {
        let Some(due) = self.due(shard) else { return };
        if copy.at == due.at {
            if copy.digest != due.digest {
                report.fault(Fault::CopyDiffers {
                    at: place,
                    entry: copy.at,
                });
            }
            let shard = &mut self.shards[shard];
            shard.compared += 1;
            shard.last = shard.last.max(Some(copy.at));
            return;
        }
        let known = self
            .entries
            .binary_search_by_key(&copy.at, |entry| entry.at);
        if known.is_err() && copy.at > due.at {
            report.fault(Fault::CopyUnknown {
                at: place,
                entry: copy.at,
            });
            return;
        }
        report.fault(Fault::CopyOutOfTurn {
            at: place,
            expected: Some(due.at),
            found: copy.at,
        });
        if let Ok(index) = known {
            // What was left out is reported once; a copy made twice changes nothing.
            let passed = self.forgotten + index as u64 + 1;
            let shard = &mut self.shards[shard];
            shard.compared = passed.max(shard.compared);
            shard.last = shard.last.max(Some(copy.at));
        }
    }

    fn forget(&mut self) {
        let everywhere = self.shards.iter().map(|shard| shard.compared).min();
        // The last one stays, to tell what has been seen.
        while self.entries.len() > 1 && everywhere.is_some_and(|count| count > self.forgotten) {
            self.entries.pop_front();
            self.forgotten += 1;
        }
    }
}

impl Entry {
    fn new(at: Sequence, record: &ControlRecord) -> Self {
        let json = serde_json::to_vec(record).expect("control records are plain data");
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&json).as_bytes()[..16]);
        Self { at, digest }
    }
}
