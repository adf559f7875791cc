//! The words of huntcore as types: ids, time, slots, attempts and outcomes, records and
//! the byte format of a batch.
//!
//! Pure: no clock, no randomness, no I/O. Every other crate speaks in these types, so a
//! word has one meaning everywhere. What the records *mean* (who wins, who ranks where) is
//! decided elsewhere; this crate only fixes how they are named, limited and written.

mod attempts;
mod batch;
mod batch_builder;
mod board;
mod catalog;
mod catalog_snapshot;
mod codec;
mod control;
mod flags;
mod hash;
mod hunt;
mod ids;
mod outcome;
mod players;
mod position;
mod record;
mod results;
mod round_list;
mod scan;
mod slot;
mod snapshot;
mod snapshot_reader;
mod time;

pub use attempts::{AttemptList, AttemptRef};
pub use batch::{
    BATCH_BYTES_MAX, Batch, BatchError, BatchHeader, HEADER_BYTES, StoredRecord, Tail,
};
pub use batch_builder::BatchBuilder;
pub use board::{
    BOARD_EVENT_TYPES_MAX, BOARDS_MAX, BoardClock, BoardDefinition, BoardDefinitionError,
    BoardName, BoardOperator, BoardOrder, BoardSource, CalendarUnit, DefinedBoard, LATENESS_MS_MAX,
    RESULTS_MAX, WINDOW_MS_MAX, WINDOW_MS_MIN, WindowRule, ZONE_OFFSETS_MAX, Zone, ZoneOffset,
};
pub use catalog::{Catalog, CatalogError, ROUNDS_KEPT, ROUNDS_KEPT_TOTAL};
pub use codec::CodecError;
pub use control::{
    ConfigVersion, ControlRecord, HuntConfig, HuntCreated, RoundOpened, RoundSchedule, ValueWeight,
};
pub use flags::{
    FLAG_REASON_BYTES_MAX, FLAG_SETTINGS_MAX, Flag, FlagKey, FlagSet, FlagSetting, FlagSource,
    FlagValue, Flags, RefreshMode, UnknownFlag,
};
pub use hash::{Hash32, HashParseError};
pub use hunt::{HuntEntry, HuntState, RoundEntry};
pub use ids::{
    Epoch, EventId, EventType, HuntId, HuntNumber, IdError, Nonce, PlayerId, PlayerNumber,
    RoundNumber, Sequence, ShardId, TileIndex,
};
pub use outcome::{Outcome, OutcomeKind, SCORE_MAGNITUDE_MAX, ScoreEvent};
pub use players::PlayerTable;
pub use position::{Position, PositionAfter, PositionError};
pub use record::{
    ClaimRecord, EventDigest, PAYLOAD_BYTES_MAX, PlayerRecord, Record, Salt, ScoreRecord,
};
pub use results::{BoardClosedRecord, CORRECTION_REASON_BYTES_MAX, Correction, CorrectionRecord};
pub use scan::RecordSink;
pub use slot::{SLOTS, ShardMap, ShardMapError, Slot};
pub use snapshot::{SnapshotError, SnapshotWriter};
pub use snapshot_reader::SnapshotReader;
pub use time::TimeMicros;
