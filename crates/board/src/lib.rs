//! Leaderboards: a fold of committed batches, published as immutable versions.
//!
//! Every hunt has `total` (the sum of its claims' points), `best` (each player's highest score
//! event) and `second` (the same within each second of batch time), and up to sixteen boards
//! of its own: [`BoardDefinition`](huntcore_model::BoardDefinition) says where scores come
//! from, how they become one, which end is the best, and how time is cut into windows. Ties go
//! to the player who reached the score earlier: by batch time, then shard, then sequence.
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
//! # Definitions
//! Each shard's stream holds its copies of the control entries that define boards; from there
//! on its records go to those. So a board is there from the first stream that defines it to
//! the last that drops it. One that is defined otherwise under the same name is another
//! *generation*: it begins anew, and cursors of the one before are refused.
//!
//! # Windows
//! Half-open, never overlapping, by length from the Unix epoch, by a calendar or a cron
//! expression in a zone whose offsets stand in the definition. A local time that comes twice
//! counts the first time; one that is left out counts when clocks change. With event time a
//! score counts at the sender's time, if that is not after its batch's. A window is *final*
//! when every shard has passed its end and the lateness that its board allows; a score is
//! *late* by its own batch's time, so no window that is final has others. Late ones are
//! counted, and the newest [`LATE_EVENTS_MAX`] kept. A final window is kept for as long as its
//! definition says, and until its results are written if it has any; the newest one stays.
//! [`BoardsVersion::due_results`] says which results are to be written.
//!
//! # Corrections
//! A voided claim leaves the boards that took it, final windows, too; the newest place at which
//! a sum was reached stays. Sums and counts of whole hunts subtract it; other boards find it
//! among the claims of the last hours, and one that is too old to be found is counted. A
//! disqualified player is set aside on all of a hunt's boards, scores go on being counted.
//! [`BoardView::corrected`] tells a correction from a blink.
//!
//! # Refresh modes
//! [`Boards::publish_by`] asks a [`Refresher`] how each board that has changed is brought up to
//! date: by moving what has changed, by ranking everybody anew, or not now. Scores go on being
//! folded in any case, so every mode can follow every other at once.
//!
//! # Cost
//! With n players: `apply` O(1) a record, a look into two dense tables, and O(log n) for a
//! player's first one since the last version. `publish` moves each player who scored since
//! then once, however often that was, and costs O(hunts that changed and their open windows)
//! beside that; all structures are persistent trees that share what did not change. A rank,
//! a neighbourhood, a page at any depth O(log n) and its length. Memory of a player beyond
//! the id: about 46 bytes for each board, 10 for finding the id and 4 for each stream that
//! numbers the player; with one board and one stream at most 64 in all, which a test keeps
//! true. Between two versions 24 more for whoever scores. A final window keeps 32 bytes for
//! each entry. Publishing a board costs in proportion to its open windows, of which lateness
//! keeps [`OPEN_WINDOWS_MAX`] at most. Highest, lowest and last scores of claims cost a tree
//! look-up for each claim, and 48 bytes for each that may still be voided. `projections`, an
//! example of the broadcast crate, measures it.
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
mod ending;
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
