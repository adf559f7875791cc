//! What the control stream says: hunts, their configuration, their rounds, their seeds.

use serde::{Deserialize, Serialize};

use crate::{BoardDefinition, FlagSet, Hash32, HuntId, HuntNumber, RoundNumber, TimeMicros};

/// One entry of the control stream, copied by each shard into its own log.
///
/// Written as JSON: control records are few, and an operator may have to read them.
/// Fields are only ever added, with a default for older records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ControlRecord {
    /// A hunt exists from now on.
    HuntCreated(HuntCreated),
    /// Another configuration holds from a future round on.
    HuntChanged {
        /// Which hunt.
        hunt: HuntNumber,
        /// What holds, and from when.
        version: ConfigVersion,
    },
    /// A hunt's end was set, moved or (`None`) removed.
    HuntEndMoved {
        /// Which hunt.
        hunt: HuntNumber,
        /// No round opens at this time or later.
        ends_at: Option<TimeMicros>,
    },
    /// Attempts on unclaimed tiles are refused until the hunt resumes; rounds go on.
    HuntPaused {
        /// Which hunt.
        hunt: HuntNumber,
    },
    /// A paused hunt takes attempts again.
    HuntResumed {
        /// Which hunt.
        hunt: HuntNumber,
    },
    /// No claim is taken any more, for ever.
    HuntClosed {
        /// Which hunt.
        hunt: HuntNumber,
        /// When it was closed.
        closed_at: TimeMicros,
    },
    /// A round's map is fixed; written ahead of the round's opening.
    RoundOpened(RoundOpened),
    /// Round `round`'s seed may be known: its claim window has passed on every shard.
    SeedPublished {
        /// Which hunt.
        hunt: HuntNumber,
        /// Which round.
        round: RoundNumber,
        /// Its seed.
        seed: Hash32,
    },
    /// The anchor, seed(0), of a later seed chain; published before that chain's first round.
    ChainAnchored {
        /// Which hunt.
        hunt: HuntNumber,
        /// Which chain, from 0.
        chain: u64,
        /// Its seed(0).
        anchor: Hash32,
    },
    /// A hunt's boards are these from now on, besides the built-in ones. One that is defined
    /// as before goes on; any other begins anew.
    BoardsChanged {
        /// Which hunt.
        hunt: HuntNumber,
        /// All of them.
        boards: Vec<BoardDefinition>,
    },
    /// A flag was turned.
    FlagSet(FlagSet),
}

impl ControlRecord {
    /// The hunt that this concerns; `None`: all of them.
    #[must_use]
    pub const fn hunt(&self) -> Option<HuntNumber> {
        let hunt = match self {
            Self::HuntCreated(created) => created.hunt,
            Self::RoundOpened(opened) => opened.hunt,
            Self::FlagSet(set) => return set.hunt,
            Self::HuntChanged { hunt, .. }
            | Self::HuntEndMoved { hunt, .. }
            | Self::HuntPaused { hunt }
            | Self::HuntResumed { hunt }
            | Self::HuntClosed { hunt, .. }
            | Self::SeedPublished { hunt, .. }
            | Self::ChainAnchored { hunt, .. }
            | Self::BoardsChanged { hunt, .. } => *hunt,
        };
        Some(hunt)
    }

    /// Whether it is copied into every shard's log: arbiters need it, or whoever folds a
    /// shard's stream has to know from which record on it holds.
    #[must_use]
    pub const fn concerns_arbiters(&self) -> bool {
        !matches!(
            self,
            Self::SeedPublished { .. } | Self::ChainAnchored { .. } | Self::FlagSet(_)
        )
    }
}

/// A new hunt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntCreated {
    /// Its number in the logs.
    pub hunt: HuntNumber,
    /// Its public name.
    pub id: HuntId,
    /// When it was created.
    pub created_at: TimeMicros,
    /// When round 1 opens.
    pub starts_at: TimeMicros,
    /// No round opens at this time or later.
    pub ends_at: Option<TimeMicros>,
    /// Its first configuration.
    pub config: HuntConfig,
    /// seed(0) of its first seed chain.
    pub anchor: Hash32,
}

impl HuntCreated {
    /// The first configuration as a version: holds from round 1, which opens at the start.
    #[must_use]
    pub fn first_version(&self) -> ConfigVersion {
        ConfigVersion {
            version: 1,
            from_round: RoundNumber::FIRST,
            from_time: self.starts_at,
            config: self.config.clone(),
        }
    }
}

/// A configuration and the rounds from which it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigVersion {
    /// Counts from 1.
    pub version: u32,
    /// The first round that it holds for.
    pub from_round: RoundNumber,
    /// When that round opens.
    pub from_time: TimeMicros,
    /// What holds.
    pub config: HuntConfig,
}

impl ConfigVersion {
    /// When `round` opens and closes; `None` before the version's first round and past the
    /// end of time.
    #[must_use]
    pub fn schedule(&self, round: RoundNumber) -> Option<RoundSchedule> {
        let rounds = round.get().checked_sub(self.from_round.get())?;
        let micros = rounds
            .checked_mul(self.config.round_ms)?
            .checked_mul(1_000)?;
        let opens_at = TimeMicros::new(self.from_time.get().checked_add(micros)?);
        let closes_at = opens_at.plus_millis(self.config.claim_window_ms);
        Some(RoundSchedule {
            opens_at,
            closes_at,
        })
    }

    /// The newest round whose opening is at or before `now`, if one of this version is.
    #[must_use]
    pub fn newest_round(&self, now: TimeMicros) -> Option<RoundNumber> {
        if now < self.from_time {
            return None;
        }
        // A log that no controller wrote may say 0.
        let round_micros = self.config.round_ms.max(1).saturating_mul(1_000);
        let rounds = now.micros_since(self.from_time) / round_micros;
        let round = self.from_round.get().saturating_add(rounds);
        Some(RoundNumber::new(round))
    }
}

/// When attempts on a round's tiles may win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSchedule {
    /// From this time on, inclusive.
    pub opens_at: TimeMicros,
    /// Up to this time, exclusive.
    pub closes_at: TimeMicros,
}

/// What a hunt's rounds look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntConfig {
    /// The area as canonical `GeoJSON` text; every node makes the same cells of it.
    pub area: String,
    /// The H3 resolution of its cells.
    pub resolution: u8,
    /// From one round's opening to the next one's, in milliseconds; never 0.
    pub round_ms: u64,
    /// How long a round's tiles may be claimed, in milliseconds.
    pub claim_window_ms: u64,
    /// Tiles of one map.
    pub tiles: u32,
    /// What a tile may be worth, and how often.
    pub values: Vec<ValueWeight>,
    /// Whether values stay hidden until their round's seed is published.
    pub values_hidden: bool,
    /// How many cells the area has.
    pub cells: u32,
    /// SHA-256 of the sorted cell list.
    pub cells_hash: Hash32,
    /// The name of all that goes into a map besides its seed.
    pub config_hash: Hash32,
}

/// One row of a hunt's table of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueWeight {
    /// Points for the tile's winner.
    pub points: u32,
    /// How often, against the other rows' weights.
    pub weight: u32,
}

/// A round and its map, known ahead of its opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundOpened {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which round.
    pub round: RoundNumber,
    /// The configuration that its map is made by.
    pub config_version: u32,
    /// The map's name.
    pub map: Hash32,
    /// Binds the seed before it may be known.
    pub commitment: Hash32,
    /// Gives the tiles' places; public once the round is open.
    pub layout: Hash32,
    /// How many tiles there are.
    pub tiles: u32,
    /// When attempts on its tiles may win.
    #[serde(flatten)]
    pub schedule: RoundSchedule,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> ConfigVersion {
        ConfigVersion {
            version: 2,
            from_round: RoundNumber::new(11),
            from_time: TimeMicros::from_millis(5_000),
            config: HuntConfig {
                area: String::new(),
                resolution: 12,
                round_ms: 500,
                claim_window_ms: 2_000,
                tiles: 8,
                values: Vec::new(),
                values_hidden: false,
                cells: 8,
                cells_hash: Hash32::ZERO,
                config_hash: Hash32::ZERO,
            },
        }
    }

    #[test]
    fn rounds_are_numbered_by_the_clock() {
        let version = version();
        assert_eq!(version.newest_round(TimeMicros::from_millis(4_999)), None);
        assert_eq!(
            version.newest_round(TimeMicros::from_millis(5_000)),
            Some(RoundNumber::new(11))
        );
        assert_eq!(
            version.newest_round(TimeMicros::from_millis(6_499)),
            Some(RoundNumber::new(13))
        );
        assert_eq!(
            version.schedule(RoundNumber::new(13)),
            Some(RoundSchedule {
                opens_at: TimeMicros::from_millis(6_000),
                closes_at: TimeMicros::from_millis(8_000)
            })
        );
        assert_eq!(version.schedule(RoundNumber::new(10)), None);
        assert_eq!(version.schedule(RoundNumber::new(u64::MAX)), None);
    }

    #[test]
    fn a_control_record_survives_its_json() {
        let record = ControlRecord::HuntChanged {
            hunt: HuntNumber::new(3),
            version: version(),
        };
        let json = serde_json::to_string(&record).expect("plain data");
        assert!(
            json.starts_with(r#"{"kind":"hunt-changed","hunt":3"#),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<ControlRecord>(&json).expect("own JSON"),
            record
        );
    }
}
