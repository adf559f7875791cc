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
    shards: Vec<Shard>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Sequence,
    digest: [u8; 16],
}

#[derive(Clone, Debug, Default)]
struct Shard {
    /// Entries that were compared with a copy.
    compared: u64,
    /// Copies of entries that have not been seen.
    ahead: VecDeque<(Place, Entry)>,
}

impl Copies {
    pub(crate) fn new(shards: u16) -> Self {
        Self {
            entries: VecDeque::new(),
            forgotten: 0,
            shards: vec![Shard::default(); usize::from(shards)],
        }
    }

    /// Takes an entry of the control stream that concerns shards; its number among those.
    pub(crate) fn entry(
        &mut self,
        at: Sequence,
        record: &ControlRecord,
        report: &mut Report,
    ) -> u64 {
        let number = self.forgotten + self.entries.len() as u64;
        self.entries.push_back(Entry::new(at, record));
        for shard in 0..self.shards.len() {
            while self.due(shard).is_some()
                && let Some((place, copy)) = self.shards[shard].ahead.pop_front()
            {
                self.compare(shard, place, copy, report);
            }
        }
        self.forget();
        number
    }

    /// Takes a shard's copy; the number of its entry among those that concern shards.
    pub(crate) fn copy(
        &mut self,
        place: Place,
        at: Sequence,
        record: &ControlRecord,
        report: &mut Report,
    ) -> u64 {
        let shard = usize::from(place.stream.get());
        let number = self.copied(place.stream);
        let copy = Entry::new(at, record);
        if self.due(shard).is_some() {
            self.compare(shard, place, copy, report);
            self.forget();
        } else if at >= self.next_entry() {
            self.shards[shard].ahead.push_back((place, copy));
        } else {
            report.fault(Fault::CopyOutOfTurn {
                at: place,
                expected: None,
                found: at,
            });
        }
        number
    }

    /// How many entries a shard has copied.
    pub(crate) fn copied(&self, shard: ShardId) -> u64 {
        let shard = &self.shards[usize::from(shard.get())];
        shard.compared + shard.ahead.len() as u64
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
    fn due(&self, shard: usize) -> Option<Entry> {
        let index = self.shards[shard].compared - self.forgotten;
        self.entries.get(usize::try_from(index).ok()?).copied()
    }

    /// Entries from here on have not been seen.
    fn next_entry(&self) -> Sequence {
        self.entries
            .back()
            .map_or(Sequence::ZERO, |last| last.at.advanced(1))
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
            self.shards[shard].compared += 1;
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
            let compared = &mut self.shards[shard].compared;
            *compared = passed.max(*compared);
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
