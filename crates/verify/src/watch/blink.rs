//! What nobody who watches a board should ever see.

use std::fmt;

use huntcore_model::TimeMicros;
use serde::Serialize;

/// Something that I6 rules out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "blink", rename_all = "kebab-case")]
pub enum Blink {
    /// A board that was shown is not there any more.
    #[error("a board of position {before} was shown, and now there is none")]
    Gone {
        /// What had been seen.
        before: String,
    },
    /// Less of the log is counted in than before.
    #[error("position went back from {before} to {found}")]
    PositionWentBack {
        /// What had been seen.
        before: String,
        /// What is shown.
        found: String,
    },
    /// An older definition of the board is back.
    #[error("generation went back from {before} to {found}")]
    GenerationWentBack {
        /// What had been seen.
        before: u64,
        /// What is shown.
        found: u64,
    },
    /// The newest window is older than before.
    #[error("the newest window went back from {} to {}", Of(&Some(*.before)), Of(.found))]
    WindowWentBack {
        /// What had been seen.
        before: TimeMicros,
        /// What is shown; `None` for none.
        found: Option<TimeMicros>,
    },
    /// A window that was final is not any more.
    #[error("{} was final and is open again", Of(.window))]
    OpenAgain {
        /// The window's start.
        window: Option<TimeMicros>,
    },
    /// A final window is not what it was, without a correction.
    #[error("{} was final and has changed", Of(.window))]
    FinalChanged {
        /// The window's start.
        window: Option<TimeMicros>,
    },
    /// Corrections that were counted in are not any more.
    #[error("{}: corrections were counted in up to {before}, now to {found}", Of(.window))]
    CorrectionLost {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// What had been seen.
        before: String,
        /// What is shown.
        found: String,
    },
    /// Two pages count the same in and differ.
    #[error("{}: two pages at position {position} differ", Of(.window))]
    SamePositionDiffers {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// The position of both.
        position: String,
    },
    /// Players are fewer than before, without a correction.
    #[error("{}: {found} players are left of {before}", Of(.window))]
    FewerPlayers {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// What had been seen.
        before: u64,
        /// What is shown.
        found: u64,
    },
    /// A player is gone without having been overtaken.
    #[error("{}: {player:?} was {rank} with {score} and is gone; {}", Of(.window), End(*.last, *.players))]
    Vanished {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// Who.
        player: String,
        /// Where the player stood.
        rank: u64,
        /// With how much.
        score: i64,
        /// The score of the last one who is shown.
        last: Option<i64>,
        /// How many players the page says there are.
        players: u64,
    },
    /// A score that only gets better got worse.
    #[error("{}: {player:?} had {before} and now has {found}", Of(.window))]
    ScoreFell {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// Who.
        player: String,
        /// What had been seen.
        before: i64,
        /// What is shown.
        found: i64,
    },
    /// A page is not in the board's order.
    #[error("{}: {player:?} with {score} stands behind {behind}", Of(.window))]
    OutOfOrder {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// Who.
        player: String,
        /// With how much.
        score: i64,
        /// The score before.
        behind: i64,
    },
    /// A player stands twice on one page.
    #[error("{}: {player:?} stands there twice", Of(.window))]
    Twice {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// Who.
        player: String,
    },
    /// A page holds more or fewer entries than it should.
    #[error("{}: {shown} entries of {players} players, expected {expected}", Of(.window))]
    Miscounted {
        /// The window's start; `None` for the whole hunt.
        window: Option<TimeMicros>,
        /// Entries on the page.
        shown: u64,
        /// How many there should be.
        expected: u64,
        /// Players on the board, as it says.
        players: u64,
    },
}

/// A window in words.
struct Of<'a>(&'a Option<TimeMicros>);

/// Where a page ends, in words.
struct End(Option<i64>, u64);

impl fmt::Display for Of<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => formatter.write_str("whole hunt"),
            Some(start) => {
                let micros = i64::try_from(start.get()).ok();
                match micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()) {
                    Some(time) => write!(formatter, "window of {time}"),
                    None => write!(formatter, "window of {} µs", start.get()),
                }
            }
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => write!(formatter, "the page shows nobody of {}", self.1),
            Some(last) => write!(
                formatter,
                "the page ends with {last} and says it is of {}",
                self.1
            ),
        }
    }
}
