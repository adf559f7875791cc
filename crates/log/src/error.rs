//! Why the log refuses or fails, one enum for each family of calls.

use std::sync::Arc;

use huntcore_model::{Epoch, Sequence, ShardId};

use crate::stream_name;

/// A failure of whatever a home stands on.
pub type HomeError = Box<dyn std::error::Error + Send + Sync>;

/// Why a stream was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Another owner had or has this term, or a later one.
    #[error("{} belongs to epoch {epoch}, take a later one", stream_name(*.shard))]
    Fenced {
        /// Which stream.
        shard: ShardId,
        /// Its last term.
        epoch: Epoch,
    },
    /// Not acquired for lack of space; nothing has changed.
    #[error("no space left to acquire {}: {reason}", stream_name(*.shard))]
    Full {
        /// Which stream.
        shard: ShardId,
        /// What ran out.
        reason: Arc<str>,
    },
    /// The home no longer trusts itself and has to be opened anew.
    #[error("log is poisoned, restart to recover: {reason}")]
    Poisoned {
        /// What happened first.
        reason: Arc<str>,
    },
    /// The log is being closed.
    #[error("log is closed")]
    Closed,
    /// The home failed; the stream may or may not be acquired. Repeat with the same nonce.
    #[error("failed to acquire {}", stream_name(*.shard))]
    Home {
        /// Which stream.
        shard: ShardId,
        /// What failed.
        source: HomeError,
    },
}

/// Why a batch was not even taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As much is in flight as may be (I8). Nothing is lost: submit it again after a
    /// completion.
    #[error("{batches} batches of {bytes} bytes in flight, no room for more")]
    Busy {
        /// How many batches are in flight.
        batches: usize,
        /// How many bytes they have.
        bytes: usize,
    },
    /// The log is closed.
    #[error("log is closed")]
    Closed,
}

/// Why a stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It was given up.
    #[error("{} begins at {oldest}, {from} was trimmed", stream_name(*.shard))]
    Trimmed {
        /// Which stream.
        shard: ShardId,
        /// What was asked for.
        from: Sequence,
        /// The oldest there is.
        oldest: Sequence,
    },
    /// The log never held it, or lost it.
    #[error("{} ends at {next}, before {from}", stream_name(*.shard))]
    Ahead {
        /// Which stream.
        shard: ShardId,
        /// What was asked for.
        from: Sequence,
        /// Where the durable part ends.
        next: Sequence,
    },
    /// What is stored is not what was written.
    #[error("{} is damaged at {place}: {reason}", stream_name(*.shard))]
    Corrupt {
        /// Which stream.
        shard: ShardId,
        /// Where in the home: a file and offset, a row.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// The home failed.
    #[error("failed to read {}", stream_name(*.shard))]
    Home {
        /// Which stream.
        shard: ShardId,
        /// What failed.
        source: HomeError,
    },
}

/// Why a stream was not trimmed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// Nothing is given up that is not there yet.
    #[error("{} ends at {next}, it cannot be trimmed before {before}", stream_name(*.shard))]
    Ahead {
        /// Which stream.
        shard: ShardId,
        /// What was asked for.
        before: Sequence,
        /// Where the durable part ends.
        next: Sequence,
    },
    /// The home no longer trusts itself and has to be opened anew.
    #[error("log is poisoned, restart to recover: {reason}")]
    Poisoned {
        /// What happened first.
        reason: Arc<str>,
    },
    /// The log is being closed.
    #[error("log is closed")]
    Closed,
    /// The home failed; nothing from `before` on is touched. Repeat it.
    #[error("failed to trim {}", stream_name(*.shard))]
    Home {
        /// Which stream.
        shard: ShardId,
        /// What failed.
        source: HomeError,
    },
}
