//! What a log holds and has done.

use huntcore_model::{Epoch, Sequence, ShardId, TimeMicros};

/// What a log holds, and what it has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogUsage {
    /// Every stream there is, in order of shard.
    pub streams: Vec<StreamUsage>,
    /// Space taken by all of them, space set aside included: what a cap on the log's size
    /// is held against. It grows by parts, see [`StreamUsage::segments`].
    pub bytes: u64,
    /// Space left where the log lives; `None` where nobody can tell.
    pub free_bytes: Option<u64>,
    /// Batches committed since the log was opened.
    pub batches_total: u64,
    /// Syncs since the log was opened; one may serve several batches.
    pub syncs_total: u64,
    /// How long those syncs took.
    pub sync_latency: LatencyCounts,
}

/// What one stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamUsage {
    /// Which one.
    pub shard: ShardId,
    /// Its last term of ownership.
    pub epoch: Epoch,
    /// Space taken, preallocated space included.
    pub bytes: u64,
    /// Parts that a trim can drop one by one.
    pub segments: u64,
    /// The oldest sequence that can be read.
    pub oldest: Sequence,
    /// The oldest batch's time; `None` if there is no batch.
    pub oldest_time: Option<TimeMicros>,
    /// The last batch's time, also if it was trimmed; 0 if there never was one.
    pub time: TimeMicros,
    /// The next record's sequence.
    pub next: Sequence,
}

/// Counts of durations, four buckets to each doubling: exact to a quarter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyCounts {
    buckets: Vec<u64>,
}

impl LatencyCounts {
    /// How many buckets there are; the last holds everything longer.
    pub const BUCKETS: usize = 128;

    /// The bucket that a duration falls into.
    #[must_use]
    pub fn bucket(micros: u64) -> usize {
        let bucket = if micros < 4 {
            micros
        } else {
            let exponent = u64::from(micros.ilog2());
            let quarter = (micros >> (exponent - 2)) & 3;
            (exponent - 1) * 4 + quarter
        };
        usize::try_from(bucket).map_or(Self::BUCKETS - 1, |bucket| bucket.min(Self::BUCKETS - 1))
    }

    /// Takes the counts of all buckets.
    #[must_use]
    pub fn new(mut buckets: Vec<u64>) -> Self {
        buckets.resize(Self::BUCKETS, 0);
        Self { buckets }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// A duration in microseconds that at least `permille` of all stayed within; `None`
    /// if nothing was counted.
    #[must_use]
    pub fn percentile(&self, permille: u64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = (u128::from(count) * u128::from(permille.min(1_000))).div_ceil(1_000);
        let mut seen = 0_u128;
        let index = self.buckets.iter().position(|&in_bucket| {
            seen += u128::from(in_bucket);
            seen >= wanted.max(1)
        })?;
        Some(Self::bucket_end(index as u64))
    }

    fn bucket_end(index: u64) -> u64 {
        if index < 4 {
            return index;
        }
        let exponent = index / 4 + 1;
        let quarter = index % 4;
        ((4 + quarter + 1) << (exponent - 2)) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_its_bucket() {
        for micros in (0..10_000).chain([1 << 20, (1 << 30) + 7]) {
            let bucket = LatencyCounts::bucket(micros) as u64;
            let end = LatencyCounts::bucket_end(bucket);
            assert!(micros <= end, "{micros} in bucket {bucket} up to {end}");
            assert!(end <= micros + micros / 4 + 1, "{micros} up to {end}");
            assert!(bucket == 0 || LatencyCounts::bucket_end(bucket - 1) < micros);
        }
        assert_eq!(LatencyCounts::bucket(u64::MAX), LatencyCounts::BUCKETS - 1);
    }

    #[test]
    fn percentiles_count_from_the_shortest() {
        let mut buckets = vec![0; LatencyCounts::BUCKETS];
        buckets[LatencyCounts::bucket(2)] = 98;
        buckets[LatencyCounts::bucket(1_000)] = 2;
        let counts = LatencyCounts::new(buckets);
        assert_eq!(counts.percentile(500), Some(2));
        assert_eq!(counts.percentile(980), Some(2));
        assert!(counts.percentile(990).expect("counted") >= 1_000);
        assert_eq!(LatencyCounts::default().percentile(500), None);
    }
}
