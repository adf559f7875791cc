//! Every public message, its JSON and its protobuf form: what stands in HTTP bodies and on the
//! socket.
//!
//! Pure: types, their forms, their limits as schemas, and conversions from the model. It
//! opens no socket, reads no clock and decides nothing; what a request *means* is the
//! edge's and the arbiter's business.
//!
//! Requests refuse fields that they do not know, so that a typing error never passes for a
//! default. Answers may grow: whoever reads one skips what it does not know.

mod attempt;
mod autoscale;
mod board_lists;
mod boards;
mod bounded;
mod claim_reader;
mod claim_writer;
mod claims;
mod close;
mod cloud_event;
mod corrections;
mod definitions;
mod events;
mod flags;
mod guests;
mod hunts;
mod interest;
mod live;
mod live_boards;
mod live_form;
mod live_json;
mod live_state;
mod live_text;
mod problem;
pub mod proto;
mod rounds;
pub mod schema;
mod scratch;
mod stats;
mod text;
mod time;
mod trail;

pub use attempt::{ClaimFault, ClaimForRef, parse_claim_for};
pub use autoscale::Autoscale;
pub use board_lists::{
    BoardList, BoardSummary, LATE_PAGE_MAX, LateEventView, LateList, LateQuery, ScoreRankQuery,
    ScoreRankView, WINDOW_PAGE_MAX, WindowCursor, WindowCursorError, WindowList, WindowQuery,
    WindowView, WindowsSummary,
};
pub use boards::{
    BOARD_PAGE_MAX, BoardEntry, BoardQuery, BoardView, BoardWindow, NEIGHBOURS_MAX, StandingQuery,
    StandingView,
};
pub use claim_reader::{CLAIM_ITEM_BYTES_MAX, ClaimReader, ClaimStreamForm};
pub use claim_writer::{put_json_outcome, put_json_refusal, put_outcome, put_refusal};
pub use claims::{
    ANSWER_BYTES_MAX, BATCH_ITEMS_MAX, ClaimAnswer, ClaimFor, ClaimItem, ClaimRequest, Receipt,
    retry_after_ms,
};
pub use close::CloseCode;
pub use cloud_event::{CloudEvent, CloudEventType, DataContentType, SpecVersion};
pub use corrections::{
    ClaimPlace, CorrectionAnswer, CorrectionKind, CorrectionRequest, NotOneCorrection,
};
pub use definitions::{BoardFrom, BoardSpec, ClockName, OperatorName, OrderName, WindowText};
pub use events::{EVENTS_MAX, EventFault, EventRequest, EventsAnswer, RefusedEvent};
pub use flags::{
    FlagList, FlagQuery, FlagRequest, FlagSourceName, FlagValueText, FlagView, RefreshName,
};
pub use guests::{GuestAnswer, GuestRequest};
pub use hunts::{
    CellsQuery, CellsView, HuntChange, HuntList, HuntRequest, HuntStateName, HuntSummary,
    HuntVersion, HuntView, ValueRow,
};
pub use interest::{
    BoardSet, CellSet, INTEREST_BOARDS_MAX, INTEREST_CELLS_MAX, Interest, InterestError,
    UnknownCell,
};
pub use live::{
    BEARER_PROTOCOL_PREFIX, BoardMessage, CLAIM_ID_BYTES_MAX, ClaimMessage, ClientMessage,
    DeltaMessage, ErrorMessage, LiveClaim, LiveSeed, OutcomeMessage, RankMessage, RoundMessage,
    ServerMessage, SnapshotClaim, SnapshotMessage, SnapshotRound, SubscribeMessage,
    SubscribedMessage,
};
pub use live_boards::{
    CORRECTIONS_SHOWN, LiveBoard, LiveBoards, LiveCorrection, LiveCorrectionKind,
};
pub use live_form::{LIVE_PROTOCOL, LiveForm, MessageError, MessageSketch};
pub use live_state::{LiveRound, LiveState, LiveTile};
pub use live_text::{ClaimText, OutcomeText};
pub use problem::{Problem, ProblemKind};
pub use rounds::{MapView, RoundView, TileView};
pub use stats::{
    ComponentStats, KeptFor, LogStats, ProjectionStats, RetentionStats, Stats, StreamRetention,
};
pub use text::{CellText, CellTextError, POSITION_TEXT_BYTES_MAX, PositionText};
pub use time::{DurationError, DurationText, Timestamp, TimestampError};
pub use trail::{EventTypes, EventTypesError, EventsQuery};
