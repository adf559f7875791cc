//! Leaderboards: a fold of committed batches, published as immutable versions.
//!
//! For each hunt `total` (the sum of its claims' points), `best` (each player's highest
//! score event) and `second` (the same within each second of batch time). Ties go to the
//! player who reached the score earlier: by batch time, then shard, then sequence.
//!
//! Pure: no clock, no randomness, no I/O, no threads, no locks. It decides nothing, asks
//! nobody and never looks behind a batch; time is what the batches say. The result depends
//! on which batches have been applied and not on how the streams interleaved (I5), and
//! what has been published only moves forward (I6).
//!
//! ```text
//! batches ──► Boards::apply ──► Boards::publish ──► Arc<BoardsVersion> ──► BoardView
//!             one writer                            any number of readers, without locks
//! ```
//!
//! # Cost
//! With n players: `apply` O(1) a record, a look into two dense tables, and O(log n) for a
//! player's first one since the last version. `publish` moves each player who scored since
//! then once, however often that was, and costs O(hunts that changed and their open windows)
//! beside that; all structures are persistent trees that share what did not change. A rank,
//! a neighbourhood, a page at any depth O(log n) and its length. Memory of a player beyond
//! the id: about 46 bytes for each board, 11 for finding the id and 4 for each stream that
//! numbers the player; with one board and one stream at most 64 in all, which a test keeps
//! true. Between two versions 24 more for whoever scores. A final window keeps 32 bytes for
//! each entry. `projections`, an example of the broadcast crate, measures it.
//!
//! # Limits (I8)
//! [`BoardLimits`] says what each does when it is reached; [`BoardCounters`] shows it.
//!
//! # Erased players
//! Records of a player whose id was erased from the log are left out and counted: after a
//! rebuild the player is on no board and the others have moved up. A running projection and
//! its checkpoints know the id until they are built anew from the log.

mod agenda;
mod apply_error;
mod beside;
mod board;
mod boards;
mod checkpoint;
mod closings;
mod codec;
mod contribution;
mod cursor;
mod fold;
mod hunt;
mod key;
mod late;
mod limits;
mod numbers;
mod order;
mod pending;
mod players;
mod publish;
mod radix;
mod ranking;
mod recall;
mod results;
mod roster;
mod rule;
mod shown;
mod slate;
mod sort;
mod tally;
mod unpack;
mod version;
mod view;

pub use apply_error::ApplyError;
pub use boards::Boards;
pub use checkpoint::RestoreError;
pub use cursor::{BoardPlace, Cursor, CursorError};
pub use late::{LATE_EVENTS_MAX, LateEvent, LateEvents};
pub use limits::{BoardCounters, BoardLimits};
pub use publish::{Incremental, Refresh, Refresher};
pub use results::BoardResult;
pub use roster::{Numbered, Roster};
pub use rule::{CronError, DefinitionError, OPEN_WINDOWS_MAX, check_definition, window_of};
pub use version::{BoardMemory, BoardsVersion, WindowError};
pub use view::{BoardView, Entry, Page, ScoreRank, Standing, Window};
