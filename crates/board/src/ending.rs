//! When a hunt is over, as each stream tells it.
//!
//! A hunt is over in a stream once that holds its closing, or has got past its end and its
//! longest claim window; nothing of the hunt counts there any more, whatever comes behind. It is
//! over for its boards once it is in every stream. Both depend on the streams alone, each in its
//! own order, and not on which was read first.

use huntcore_model::{ConfigVersion, RoundNumber, TimeMicros};

/// What one stream has told so far of one hunt's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) ends_at: Option<TimeMicros>,
    /// The configurations with a longer claim window than all before them: from which round
    /// they hold, and the window in milliseconds.
    pub(crate) longest: Vec<(RoundNumber, u64)>,
    /// Since when the hunt is over in this stream.
    pub(crate) over_at: Option<TimeMicros>,
}

impl Ending {
    /// The hunt has another configuration from a round on.
    pub(crate) fn configure(&mut self, version: &ConfigVersion) {
        // It replaces those that would have held no sooner.
        self.longest
            .retain(|&(from_round, _)| from_round < version.from_round);
        let longer = version.config.claim_window_ms;
        if self.longest.last().is_none_or(|&(_, known)| known < longer) {
            self.longest.push((version.from_round, longer));
        }
    }

    /// When the hunt will be over if nothing else comes; `None` if it is, or never will be.
    pub(crate) fn due(&self) -> Option<TimeMicros> {
        let longest_ms = self.longest.last().map_or(0, |&(_, window_ms)| window_ms);
        let ends_at = self.ends_at.filter(|_| self.over_at.is_none())?;
        Some(ends_at.plus_millis(longest_ms))
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{Hash32, HuntConfig};

    use super::*;

    #[test]
    fn a_configuration_that_never_held_lengthens_nothing() {
        let version = |from_round, claim_window_ms| ConfigVersion {
            version: 1,
            from_round: RoundNumber::new(from_round),
            from_time: TimeMicros::ZERO,
            config: HuntConfig {
                area: String::new(),
                resolution: 12,
                round_ms: 1_000,
                claim_window_ms,
                tiles: 1,
                values: Vec::new(),
                values_hidden: false,
                cells: 1,
                cells_hash: Hash32::ZERO,
                config_hash: Hash32::ZERO,
            },
        };
        let mut ending = Ending {
            ends_at: Some(TimeMicros::from_millis(1_000)),
            ..Ending::default()
        };
        for (from_round, window_ms, due_ms) in [
            (1, 2_000, 3_000),
            (5, 9_000, 10_000),
            (5, 1_000, 3_000),
            (7, 4_000, 5_000),
            (9, 100, 5_000),
        ] {
            ending.configure(&version(from_round, window_ms));
            assert_eq!(ending.due(), Some(TimeMicros::from_millis(due_ms)));
        }
    }
}
