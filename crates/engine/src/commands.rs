//! What operators may do to hunts.
//!
//! A command takes effect in memory at once. It may be answered when the batch under way is
//! durable, also if it changed nothing: what it found may not be durable yet.

use huntcore_model::{
    BoardDefinition, BoardName, ConfigVersion, ControlRecord, Flag, Hash32, HuntConfig,
    HuntCreated, HuntEntry, HuntId, HuntNumber, RoundNumber, TimeMicros,
};

use crate::boards::{check_boards, has_boards};
use crate::controller::Controller;

/// The most hunts of one deployment.
pub const HUNTS_MAX: usize = 1_000;
/// The most configurations of one hunt.
pub const VERSIONS_MAX: usize = 1_000;

/// The most tiles that the open rounds of all hunts have together.
const OPEN_TILES_MAX: u64 = 67_108_864;

/// A hunt to be created, its configuration checked and hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHunt {
    /// Its public name.
    pub id: HuntId,
    /// When round 1 opens; at once if absent.
    pub starts_at: Option<TimeMicros>,
    /// No round opens at this time or later.
    pub ends_at: Option<TimeMicros>,
    /// Its configuration.
    pub config: HuntConfig,
    /// seed(0) of its first seed chain.
    pub anchor: Hash32,
    /// Its boards, besides the built-in ones.
    pub boards: Vec<BoardDefinition>,
}

/// Why a command is refused; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Another hunt has that id.
    #[error(
        "hunt {hunt} exists already with another configuration: choose another id, or change it"
    )]
    HuntExists {
        /// The id.
        hunt: HuntId,
    },
    /// No hunt has that number.
    #[error("there is no such hunt")]
    UnknownHunt,
    /// The hunt was closed for ever.
    #[error("hunt {hunt} is closed and cannot be changed any more")]
    HuntClosed {
        /// The id.
        hunt: HuntId,
    },
    /// The hunt's end has passed: what its boards came to may be written down already.
    #[error("hunt {hunt} has ended, and its end cannot be moved any more: create another hunt")]
    HuntEnded {
        /// The id.
        hunt: HuntId,
    },
    /// A schedule that cannot be, or too much of one.
    #[error("{reason}")]
    Schedule {
        /// In what way.
        reason: &'static str,
    },
    /// A board that cannot be.
    #[error("board {board}: {field} {reason}")]
    Board {
        /// Which board.
        board: BoardName,
        /// Which of its fields.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// More boards than a hunt may be given.
    #[error("there are {found} boards, expected at most {max} besides the built-in ones")]
    TooManyBoards {
        /// How many were given.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// The hunt has no such board.
    #[error("hunt {hunt} has no board {board}")]
    UnknownBoard {
        /// The hunt.
        hunt: HuntId,
        /// The board.
        board: BoardName,
    },
    /// A flag that cannot be set so.
    #[error("{flag} {reason}")]
    Flag {
        /// Which flag.
        flag: Flag,
        /// In what way.
        reason: String,
    },
    /// The deployment has as many hunts, or the hunt as many versions, as it may.
    #[error("there are {max} {what} already, which is the limit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl Controller {
    /// Creates a hunt. The same creation again is answered with the hunt that exists.
    pub fn create(&mut self, new: &NewHunt) -> Result<HuntNumber, CommandError> {
        if let Some(known) = self.catalog.hunt(&new.id) {
            let soonest = soonest_start(known.created_at);
            let same = known.latest_version().config == new.config
                && known.ends_at == new.ends_at
                && new
                    .starts_at
                    .is_none_or(|starts_at| starts_at.max(soonest) == known.starts_at)
                && has_boards(known, &new.boards)
                && known.closed_at.is_none();
            return if same {
                Ok(known.number)
            } else {
                Err(CommandError::HuntExists {
                    hunt: new.id.clone(),
                })
            };
        }
        let count = self.catalog.hunts().len();
        if count >= HUNTS_MAX {
            return Err(CommandError::TooMany {
                what: "hunts",
                max: HUNTS_MAX,
            });
        }
        self.check_config(None, &new.config)?;
        check_boards(&new.boards)?;
        let soonest = soonest_start(self.now);
        let starts_at = new.starts_at.unwrap_or(soonest).max(soonest);
        if new.ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
            return Err(CommandError::Schedule {
                reason: "the hunt would end before it starts",
            });
        }
        let hunt = HuntNumber::new(u32::try_from(count).expect("limited"));
        self.record(&ControlRecord::HuntCreated(HuntCreated {
            hunt,
            id: new.id.clone(),
            created_at: self.now,
            starts_at,
            ends_at: new.ends_at,
            config: new.config.clone(),
            anchor: new.anchor,
        }));
        if !new.boards.is_empty() {
            self.record(&ControlRecord::BoardsChanged {
                hunt,
                boards: new.boards.clone(),
            });
        }
        Ok(hunt)
    }

    /// Lets another configuration hold from the first round on that has not been announced.
    pub fn change(&mut self, hunt: HuntNumber, config: HuntConfig) -> Result<(), CommandError> {
        let entry = self.changeable(hunt)?;
        let latest = entry.latest_version();
        if latest.config == config {
            return Ok(());
        }
        self.check_config(Some(hunt), &config)?;
        if entry.versions.len() >= VERSIONS_MAX {
            return Err(CommandError::TooMany {
                what: "configurations of this hunt",
                max: VERSIONS_MAX,
            });
        }
        let announced = entry
            .last_announced()
            .map_or(0, |round| round.opened.round.get());
        let by_clock = entry.newest_round(self.now).map_or(0, RoundNumber::get);
        let from_round = RoundNumber::new(announced.max(by_clock) + 1);
        let schedule = entry
            .version_for(from_round)
            .and_then(|version| version.schedule(from_round))
            .ok_or(CommandError::Schedule {
                reason: "the hunt has no later round",
            })?;
        let version = ConfigVersion {
            version: latest.version + 1,
            from_round,
            from_time: schedule.opens_at,
            config,
        };
        self.record(&ControlRecord::HuntChanged { hunt, version });
        Ok(())
    }

    /// Whether [`Self::move_end`] would accept this end.
    pub fn check_end(
        &self,
        hunt: HuntNumber,
        ends_at: Option<TimeMicros>,
    ) -> Result<(), CommandError> {
        let entry = self.changeable(hunt)?;
        if entry.ends_at == ends_at {
            return Ok(());
        }
        if entry.ends_at.is_some_and(|ended_at| ended_at <= self.now) {
            return Err(CommandError::HuntEnded {
                hunt: entry.id.clone(),
            });
        }
        let announced = entry
            .last_announced()
            .map_or(entry.starts_at, |round| round.opened.schedule.opens_at);
        let too_early = ends_at.is_some_and(|ends_at| ends_at <= announced.max(self.now));
        if too_early {
            return Err(CommandError::Schedule {
                reason: "the hunt cannot end before a round that has been announced: close it instead",
            });
        }
        Ok(())
    }

    /// Sets, moves or removes a hunt's end. Rounds that have been announced still open. An end
    /// that has passed stays what it is: boards of the whole hunt come to one result.
    pub fn move_end(
        &mut self,
        hunt: HuntNumber,
        ends_at: Option<TimeMicros>,
    ) -> Result<(), CommandError> {
        self.check_end(hunt, ends_at)?;
        if self
            .catalog
            .by_number(hunt)
            .is_some_and(|entry| entry.ends_at == ends_at)
        {
            return Ok(());
        }
        self.record(&ControlRecord::HuntEndMoved { hunt, ends_at });
        Ok(())
    }

    /// Refuses attempts on unclaimed tiles from now on. Pausing again changes nothing.
    pub fn pause(&mut self, hunt: HuntNumber) -> Result<(), CommandError> {
        if !self.changeable(hunt)?.paused {
            self.record(&ControlRecord::HuntPaused { hunt });
        }
        Ok(())
    }

    /// Takes attempts again. Resuming again changes nothing.
    pub fn resume(&mut self, hunt: HuntNumber) -> Result<(), CommandError> {
        if self.changeable(hunt)?.paused {
            self.record(&ControlRecord::HuntResumed { hunt });
        }
        Ok(())
    }

    /// Ends a hunt for ever. Closing again changes nothing.
    pub fn close(&mut self, hunt: HuntNumber) -> Result<(), CommandError> {
        let entry = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        if entry.closed_at.is_none() {
            self.record(&ControlRecord::HuntClosed {
                hunt,
                closed_at: self.now,
            });
        }
        Ok(())
    }

    /// Refuses what would let the tiles of open rounds outgrow the memory of a shard (I8).
    fn check_config(
        &self,
        changed: Option<HuntNumber>,
        config: &HuntConfig,
    ) -> Result<(), CommandError> {
        if config.round_ms == 0 || config.claim_window_ms == 0 || config.tiles == 0 {
            return Err(CommandError::Schedule {
                reason: "a round, its claim window and its map cannot be empty",
            });
        }
        let others = self.catalog.hunts().filter(|hunt| {
            let over = hunt.ends_at.is_some_and(|ends_at| ends_at <= self.now);
            Some(hunt.number) != changed && hunt.closed_at.is_none() && !over
        });
        let tiles = others
            .map(|hunt| open_tiles(&hunt.latest_version().config))
            .fold(open_tiles(config), u64::saturating_add);
        if tiles <= OPEN_TILES_MAX {
            return Ok(());
        }
        Err(CommandError::Schedule {
            reason: "the open rounds of all hunts would have more than 67108864 tiles: take fewer \
                     tiles, a shorter claim window or longer rounds",
        })
    }

    pub(crate) fn changeable(&self, hunt: HuntNumber) -> Result<&HuntEntry, CommandError> {
        let entry = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        if entry.closed_at.is_some() {
            return Err(CommandError::HuntClosed {
                hunt: entry.id.clone(),
            });
        }
        Ok(entry)
    }
}

/// A hunt starts in the future and on a whole millisecond, so that its times are shown exactly.
fn soonest_start(now: TimeMicros) -> TimeMicros {
    TimeMicros::from_millis(now.millis() + 1)
}

/// How many tiles the rounds of a hunt have that are open at the same time.
fn open_tiles(config: &HuntConfig) -> u64 {
    let rounds = (config.claim_window_ms / config.round_ms.max(1)).saturating_add(1);
    rounds.saturating_mul(u64::from(config.tiles))
}
