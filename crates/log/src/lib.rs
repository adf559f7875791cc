//! The log's contract, an in-memory log, a fault-injecting log, and the suite that every
//! home has to pass.
//!
//! Pure: no clock, no randomness, no I/O, no threads of its own. What the homes on disk,
//! in PostgreSQL or in Redis promise stands in [`Log`] and [`LogWriter`]; what they share
//! in keeping those promises ([`Gate`], [`InFlight`]) stands here too. It knows nothing of
//! records: a batch is stored whole, in order, or not at all.

mod contract;
mod error;
mod fault;
mod gate;
mod memory;
pub mod suite;
mod usage;

pub use contract::{
    Acquired, BatchReader, CommitResult, Completion, CompletionSink, Log, LogWriter, StreamTail,
    Ticket, stream_name,
};
pub use error::{AcquireError, HomeError, ReadError, Refusal, TrimError};
pub use fault::{Fault, FaultLog};
pub use gate::{Gate, InFlight, InFlightLimits, check_submission};
pub use memory::{Delivery, MemoryLog, MemoryOptions};
pub use usage::{LatencyCounts, LogUsage, StreamUsage};
