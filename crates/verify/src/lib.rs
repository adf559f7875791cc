//! Checks a whole log against what huntcore promises, from its batches alone.
//!
//! It shares no decision with those who wrote the log: arbiters, controller and boards are
//! judged by rules that are written down here a second time, as plainly as possible. What
//! it takes from elsewhere are the byte format, the map generator, and the boards, which
//! it compares with its own naive ones.
//!
//! Pure: no clock, no I/O. Batches are fed in any order that keeps each stream's own; in
//! the order of their times the memory is least. It mends nothing and stops at nothing:
//! after a fault it goes on as well as it can and reports all that it finds.
//!
//! # What is checked
//! - Streams: sequence without gaps, chain, times and terms that never go back (I4).
//! - Control: hunts, configurations and rounds follow their rules; cells, configuration
//!   hashes, commitments, layouts and map names equal recomputation; seeds hash back to
//!   their anchors, and come only after every shard has passed their round's window.
//! - Copies: every shard holds the control entries that concern it, each as it was
//!   written, in order, none left out.
//! - Claims: at most one for each (hunt, round, tile) across all shards (I1), on a round
//!   that was announced, within its window, neither paused nor closed, by the shard that
//!   owns the slot, worth what the map says.
//! - Score events: one for each (hunt, player, event id) within the horizon, unchanged.
//! - Players: numbered one after another, nobody twice.
//! - Results of windows: one record for each window of a board that asks for it, in the order
//!   of time, once the window is final, in the shard that owns them, in the board's order; what
//!   they say is what the board holds of the window, but for whom corrections between the
//!   window's end and the record are about.
//! - Corrections: of a claim that is there, of a player who is known, none made twice.
//! - Boards: equal a naive sum and sort of all claims and scores, windows and corrections
//!   included.
//!
//! # Where a log was trimmed
//! What came before is taken on trust, and the report says where each stream begins: players,
//! hunts and rounds that were introduced earlier, the first seed of each chain, copies of
//! entries that are gone. With the catalog of a checkpoint, control entries after it are judged
//! as ever. Claims are still checked against each other, and boards are not compared.
//!
//! # What it cannot see
//! What players were told; whether the end of a stream is missing where no other stream
//! depends on it; who an erased player was. Without the fairness key, what a round's tiles
//! are worth is checked only once its seed is in the log.
//!
//! # Memory
//! About 100 bytes and the id for each player, 130 for each round plus the least of 4 bytes for
//! each claim and one bit for each tile, 4 KiB for 256 neighbouring tiles of a round that is not
//! over, 40 for each score event within the horizon, and what the boards and their naive
//! counterpart take: about 200 bytes for each player on each.

mod boards;
mod claims;
mod closings;
mod control;
mod copies;
mod corrections;
mod counts;
mod events;
mod fault;
mod maps;
mod merge;
mod players;
mod report;
mod results;
mod rounds;
mod rules;
mod seeds;
mod streams;
mod table;
mod tiles;
mod verifier;
mod watch;

pub use boards::BoardCheck;
pub use counts::{ExpectedAll, Judged};
pub use fault::{BoardLine, Fault, Place};
pub use merge::by_time;
pub use report::{BoardsReport, FAULTS_MAX, Report};
pub use rules::RuleCheck;
pub use streams::Beginning;
pub use verifier::{End, Settings, Verifier};
pub use watch::{
    BLINKS_MAX, Blink, BoardPage, BoardPromise, BoardWatch, PageEntry, PageWindow, WatchReport,
};
