//! What stands behind the edge: one trait, implemented by the node.
//!
//! The edge reads immutable versions and hands over attempts, events and commands. It never
//! waits for a lock of the backend, and it never decides who wins.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use huntcore_lane::{Lane, LaneOptions};
use huntcore_map::{Cell, CellList, RoundMap};
use huntcore_model::{
    BoardName, Flag, FlagSource, FlagValue, Hash32, HuntId, HuntNumber, Position, RoundNumber,
    ScoreEvent, Sequence, ShardId, TimeMicros,
};
pub use huntcore_projection::View;
use huntcore_wire::{CorrectionKind, HuntChange, HuntRequest, Stats};
use tokio::sync::watch;

use crate::trail::TrailSource;

/// Everything behind the edge.
///
/// Futures own what they need and may be dropped at any time: what was handed over is then
/// still decided and stored, but nobody is told.
pub trait Backend: Send + Sync + 'static {
    /// The clock that rounds open and close by.
    fn now(&self) -> TimeMicros;

    /// The newest version of all that can be read. Cheap; never waits.
    fn view(&self) -> Arc<View>;

    /// Changes whenever [`Self::view`] gives another version. The value is a count of
    /// versions and means nothing else.
    fn views(&self) -> watch::Receiver<u64>;

    /// Asks for a version that holds everything committed so far, now instead of at the next
    /// tick. Returns at once; [`Self::views`] tells when it is there.
    fn publish_now(&self);

    /// A way for attempts to the arbiters, for one asker: won and taken come back only once
    /// durable (I2), and a refusal for want of room is an outcome too (I8).
    fn lane(&self, options: LaneOptions) -> Lane;

    /// Stores score events. Resolves once each is durable or refused, in their order.
    fn record_events(&self, events: Vec<ScoreEvent>) -> BoxFuture<'static, Vec<EventOutcome>>;

    /// Creates, changes, pauses, resumes or closes a hunt. Resolves once the change is
    /// durable and, where it concerns attempts, once every shard has it.
    fn command(&self, command: HuntCommand) -> BoxFuture<'static, Result<Commanded, CommandError>>;

    /// Voids a claim, disqualifies a player or reinstates one. Resolves once that is durable,
    /// or refused.
    fn correct(
        &self,
        hunt: HuntNumber,
        what: CorrectionKind,
        reason: String,
    ) -> BoxFuture<'static, Result<Corrected, CorrectionError>>;

    /// Turns a flag. Resolves once that is durable; a catalog whose [`Catalog::next`] is what
    /// it resolves to, or later, shows it.
    ///
    /// [`Catalog::next`]: huntcore_model::Catalog::next
    fn turn_flag(&self, turn: FlagTurn) -> BoxFuture<'static, Result<Sequence, CommandError>>;

    /// The cells of one version of a hunt's configuration; `None` if there is no such one.
    fn cells(&self, hunt: HuntNumber, version: u32) -> BoxFuture<'static, Option<Arc<CellList>>>;

    /// The map of that name; `None` if no announced round has it, or it is no longer kept.
    fn map(
        &self,
        map: Hash32,
    ) -> BoxFuture<'static, Result<Option<Arc<PublishedMap>>, Unavailable>>;

    /// The log, if other processes may follow it here.
    fn log(&self) -> Option<Arc<dyn LogSource>>;

    /// The log as hunts' events, if this process can give them.
    fn trail(&self) -> Option<Arc<dyn TrailSource>>;

    /// Whether this process can serve.
    fn readiness(&self) -> Readiness;

    /// What `/v1/stats` says. The edge puts its own counts over the totals of attempts,
    /// their outcomes and the connections.
    fn stats(&self) -> Stats;

    /// Appends metrics in Prometheus' text format, ahead of the edge's own.
    fn render_metrics(&self, out: &mut String);
}

/// A round's map, as much of it as may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedMap {
    /// The hunt that it belongs to.
    pub hunt: HuntId,
    /// The round that it is for.
    pub round: RoundNumber,
    /// Its name: the hash of the whole map, hidden values included.
    pub name: Hash32,
    /// The hash of the configuration that it was made by.
    pub config_hash: Hash32,
    /// Its tiles' cells, in the order of their index.
    pub cells: Vec<Cell>,
    /// What each tile is worth, if that may be shown now; once it may, it always may.
    pub values: Option<Vec<u32>>,
}

impl PublishedMap {
    /// What may be shown of a map that is known whole.
    #[must_use]
    pub fn of(map: &RoundMap, values_visible: bool) -> Self {
        let tiles = map.tiles().iter();
        Self {
            hunt: map.hunt().clone(),
            round: map.round(),
            name: map.name(),
            config_hash: map.config_hash(),
            cells: tiles.clone().map(|tile| tile.cell).collect(),
            values: values_visible.then(|| tiles.map(|tile| tile.points).collect()),
        }
    }
}

/// It cannot be told now: whoever knows is not reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// Who is not reached, and why.
    pub reason: String,
}

/// The log, for edge processes that follow this one.
///
/// What it gives is bytes that `huntcore_projection` writes and reads.
pub trait LogSource: Send + Sync {
    /// Up to where each stream is durable.
    fn ends(&self) -> Position;

    /// The batches after `from`, and from then on each as it is committed, without end. It
    /// ends early with an error when this process can give no more; whoever reads asks again
    /// from where it stands.
    fn batches(&self, from: Position) -> BoxFuture<'static, Result<LogBytes, LogFault>>;

    /// The projections' state as of now, for whoever does not follow yet.
    fn checkpoint(&self) -> BoxFuture<'static, Result<LogBytes, LogFault>>;
}

/// Pieces of what a log source gives.
pub type LogBytes = BoxStream<'static, std::io::Result<Bytes>>;

/// Why a log source gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// The log no longer goes back so far: begin with a checkpoint.
    #[error("the log no longer goes back so far: {reason}")]
    Trimmed {
        /// Which stream, and where it begins.
        reason: String,
    },
    /// The log does not go so far: whoever asks follows another one, or this one has lost its
    /// end.
    #[error("the log does not go so far: {reason}")]
    Ahead {
        /// Which stream, and where it ends.
        reason: String,
    },
    /// As many follow as may.
    #[error("as many follow this process as may")]
    Busy,
    /// The log cannot be read, or the process is stopping.
    #[error("{reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
}

/// What came of a score event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// Taken now, and durable.
    Accepted {
        /// The stream that holds it.
        shard: ShardId,
        /// Its place there.
        sequence: Sequence,
    },
    /// Taken before.
    Duplicate {
        /// The stream that holds it, or one that covers it.
        shard: ShardId,
        /// Its place there, or one after it.
        sequence: Sequence,
    },
    /// Another event has this identity.
    Conflict,
    /// No such hunt.
    UnknownHunt,
    /// The hunt takes no events any more.
    HuntClosed,
    /// The hunt takes no events yet.
    HuntNotBegun,
    /// The id's own time lies before what is remembered: it may have been taken before.
    TooOld,
    /// The id's own time, or the sender's, lies too far ahead.
    TooNew,
    /// A limit is reached; nothing was stored.
    Overloaded,
    /// The log takes no more for lack of space; nothing was stored.
    StorageFull,
    /// The log did not say whether it stored it: send the same event again.
    OutcomeUnknown,
}

/// Something to do to a hunt.
#[derive(Clone, Debug, PartialEq)]
pub enum HuntCommand {
    /// Make it.
    Create(Box<HuntRequest>),
    /// Give it another configuration or another end.
    Change {
        /// Which.
        hunt: HuntNumber,
        /// What is to be different.
        change: Box<HuntChange>,
    },
    /// Refuse attempts on unclaimed tiles for now.
    Pause {
        /// Which.
        hunt: HuntNumber,
    },
    /// Take them again.
    Resume {
        /// Which.
        hunt: HuntNumber,
    },
    /// End it for ever.
    Close {
        /// Which.
        hunt: HuntNumber,
    },
}

/// What to turn a flag to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagTurn {
    /// Which flag.
    pub flag: Flag,
    /// For this hunt; for all if absent.
    pub hunt: Option<HuntNumber>,
    /// For this board; for all if absent.
    pub board: Option<BoardName>,
    /// To what; absent: to whatever holds more widely.
    pub value: Option<FlagValue>,
    /// Who wants it.
    pub by: FlagSource,
    /// Why.
    pub reason: String,
}

/// Something is corrected, and durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// Whether it was done now; it was so before otherwise, and nothing was written.
    pub changed: bool,
    /// Whoever has seen this has seen the correction.
    pub position: Position,
}

/// Why something was not corrected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    /// There is no such hunt.
    #[error("no such hunt")]
    UnknownHunt,
    /// Nobody has claimed that tile.
    #[error("nobody has claimed that tile")]
    UnknownClaim,
    /// The round closed so long ago that its claims are no longer kept.
    #[error("the round's claims are no longer kept, if there were any")]
    ClaimForgotten,
    /// Nobody of that id has ever won or scored.
    #[error("nobody of that id has won or scored")]
    UnknownPlayer,
    /// A limit is reached; nothing was done.
    #[error("at its limit")]
    Overloaded,
    /// The log takes no more for lack of space; nothing was done.
    #[error("the log has no space left")]
    StorageFull,
    /// The log did not say whether it stored it: ask again.
    #[error("it is not known whether the correction was stored")]
    OutcomeUnknown,
    /// Who could do it is not reached; nothing was done.
    #[error("{reason}")]
    Unavailable {
        /// Who is not reached, and why.
        reason: String,
    },
}

/// A command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commanded {
    /// The hunt.
    pub hunt: HuntNumber,
    /// A catalog whose [`Catalog::next`] is this or later shows it.
    pub visible_from: Sequence,
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The id is taken.
    #[error("hunt {id} exists already")]
    HuntExists {
        /// The id.
        id: HuntId,
    },
    /// There is no such hunt.
    #[error("no such hunt")]
    UnknownHunt,
    /// Closed hunts stay as they are.
    #[error("the hunt is closed")]
    HuntClosed,
    /// The hunt's state does not allow it.
    #[error("{reason}")]
    State {
        /// What stands against it.
        reason: String,
    },
    /// The request is well-formed, but no hunt can be made of it.
    #[error("{reason}")]
    Invalid {
        /// Which field, and what is wrong with it.
        reason: String,
    },
    /// The hunt has no such board.
    #[error("{reason}")]
    UnknownBoard {
        /// Which hunt, and which board.
        reason: String,
    },
    /// A limit is reached; nothing was done.
    #[error("at its limit: {reason}")]
    Overloaded {
        /// Which limit.
        reason: String,
    },
    /// The log takes no more for lack of space; nothing was done.
    #[error("the log has no space left")]
    StorageFull,
    /// The log did not say whether it stored the change: look, and ask again.
    #[error("it is not known whether the change was stored")]
    OutcomeUnknown,
    /// Who could do it is not reached; nothing was done.
    #[error("{reason}")]
    Unavailable {
        /// Who is not reached, and why.
        reason: String,
    },
    /// The backend is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// Whether a process can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It can, and something beside it does not work that somebody should know of.
    Impaired {
        /// What, in words.
        notes: Vec<String>,
    },
    /// Not now.
    NotReady {
        /// Why, in words.
        reason: String,
    },
}
