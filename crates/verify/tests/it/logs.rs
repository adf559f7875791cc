//! Logs in memory, and ways to falsify them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use huntcore_map::FairnessKey;
use huntcore_model::{
    Batch, BatchBuilder, BatchHeader, Record, Salt, Sequence, ShardId, ShardMap, Tail, TimeMicros,
};
use huntcore_verify::{End, Report, Settings, Verifier, by_time};

use crate::deployment::{key, records};

/// Each stream's batches: the shards in order, then the control stream.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) shards: ShardMap,
    pub(crate) streams: Vec<Vec<Batch>>,
}

/// A batch as it is going to be written: when, and what.
pub(crate) type Draft<'a> = (TimeMicros, Vec<Record<'a>>);

impl Log {
    pub(crate) fn new(shards: ShardMap) -> Self {
        Self {
            shards,
            streams: vec![Vec::new(); usize::from(shards.count()) + 1],
        }
    }

    pub(crate) fn push(&mut self, batch: Batch) {
        self.stream(batch.header().shard).push(batch);
    }

    pub(crate) fn stream(&mut self, shard: ShardId) -> &mut Vec<Batch> {
        let control = self.streams.len() - 1;
        let index = if shard.is_control() {
            control
        } else {
            usize::from(shard.get())
        };
        &mut self.streams[index]
    }

    /// Writes streams anew, soundly chained, with what `edit` makes of each batch.
    pub(crate) fn rewrite(
        &self,
        edit: impl for<'a> FnMut(&BatchHeader, Draft<'a>) -> Option<Draft<'a>>,
    ) -> Self {
        self.rewrite_from(&BTreeMap::new(), edit)
    }

    /// The same, for streams that begin at the given places.
    pub(crate) fn rewrite_from(
        &self,
        begins: &BTreeMap<ShardId, Sequence>,
        mut edit: impl for<'a> FnMut(&BatchHeader, Draft<'a>) -> Option<Draft<'a>>,
    ) -> Self {
        let mut log = Self::new(self.shards);
        for stream in &self.streams {
            let mut tail = Tail::default();
            for batch in stream {
                let header = batch.header();
                if tail == Tail::default() {
                    tail.sequence = begins.get(&header.shard).copied().unwrap_or_default();
                }
                let records = records(batch)
                    .into_iter()
                    .map(|(_, record)| record)
                    .collect();
                if let Some(draft) = edit(header, (header.time, records)) {
                    let batch = write(header, &tail, &draft);
                    tail = batch.tail();
                    log.push(batch);
                }
            }
        }
        log
    }

    /// The same, but only the first record for which `edit` gives others is replaced.
    ///
    /// # Panics
    /// If there is no such record.
    pub(crate) fn replace_first(
        &self,
        mut edit: impl for<'a> FnMut(&BatchHeader, &Record<'a>) -> Option<Vec<Record<'a>>>,
    ) -> Self {
        let mut done = false;
        let log = self.rewrite(|header, (time, records)| {
            let mut edited = Vec::new();
            for record in records {
                let others = if done { None } else { edit(header, &record) };
                done |= others.is_some();
                match others {
                    Some(others) => edited.extend(others),
                    None => edited.push(record),
                }
            }
            Some((time, edited))
        });
        assert!(done, "nothing to falsify");
        log
    }

    pub(crate) fn verify(&self, key: Option<FairnessKey>, end: End) -> Report {
        verify_in_order(self.shards, &self.merged(), key, end)
    }

    /// All batches by time.
    pub(crate) fn merged(&self) -> Vec<Batch> {
        let streams = self.streams.iter().map(|stream| {
            let batches = stream.iter().cloned();
            batches.map(Ok::<_, Infallible>)
        });
        let merged = by_time(streams).map(|item| item.expect("in memory"));
        merged.collect()
    }

    /// The faults' names, verified with the key to the end.
    pub(crate) fn faults(&self) -> BTreeSet<String> {
        names(&self.verify(Some(key()), End::OfLog))
    }

    /// # Panics
    /// Unless verifying finds this fault.
    pub(crate) fn must_have(&self, fault: &str) {
        let report = self.verify(Some(key()), End::OfLog);
        assert!(
            names(&report).contains(fault),
            "no {fault} in {:#?}",
            report.faults
        );
    }

    /// # Panics
    /// Unless this is all that verifying finds.
    pub(crate) fn must_only_have(&self, fault: &str) {
        let report = self.verify(Some(key()), End::OfLog);
        assert_eq!(
            names(&report),
            BTreeSet::from([fault.to_owned()]),
            "{:#?}",
            report.faults
        );
    }
}

pub(crate) fn verify_in_order<'a>(
    shards: ShardMap,
    batches: impl IntoIterator<Item = &'a Batch>,
    fairness_key: Option<FairnessKey>,
    end: End,
) -> Report {
    let settings = Settings {
        fairness_key,
        ..Settings::new(shards, 24 * 3_600_000)
    };
    verify_with(settings, batches, end)
}

pub(crate) fn verify_with<'a>(
    settings: Settings,
    batches: impl IntoIterator<Item = &'a Batch>,
    end: End,
) -> Report {
    let mut verifier = Verifier::new(settings);
    for batch in batches {
        verifier.feed(batch);
    }
    verifier.finish(end)
}

pub(crate) fn names(report: &Report) -> BTreeSet<String> {
    let name = |fault| {
        let json = serde_json::to_value(fault).expect("plain data");
        json["fault"].as_str().expect("a name").to_owned()
    };
    report.faults.iter().map(name).collect()
}

pub(crate) fn write(header: &BatchHeader, tail: &Tail, (time, records): &Draft<'_>) -> Batch {
    let mut builder = BatchBuilder::new();
    for record in records {
        match record {
            Record::Player(player) => {
                let id = player.id.expect("not erased");
                builder.push_player(player.number, id, Salt([9; 16]));
            }
            record => builder.push(record),
        }
    }
    builder.finish(header.shard, header.epoch, tail, *time, tail.sequence)
}
