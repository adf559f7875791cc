//! The socket's messages: text frames of JSON objects that a `type` tells apart, or binary
//! frames of protobuf.
//!
//! Every message may arrive twice; applying one again changes nothing. What a receiver
//! makes of them stands in [`crate::LiveState`].

use huntcore_model::{
    BoardName, Hash32, HuntId, Outcome, OutcomeKind, PlayerId, RoundNumber, RoundOpened, TileIndex,
    TimeMicros,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    BoardEntry, BoardWindow, HuntStateName, Interest, LiveBoards, LiveCorrection, PositionText,
    Receipt, Timestamp, bounded, claims, live_boards::is_zero, schema,
};

/// A browser's token comes as one more subprotocol that begins like this.
pub const BEARER_PROTOCOL_PREFIX: &str = "bearer.";
/// A claim's id has at most this many bytes.
pub const CLAIM_ID_BYTES_MAX: usize = 64;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// Starts the stream of changes, or changes what of them is sent.
    Subscribe(SubscribeMessage),
    /// An attempt on a tile.
    Claim(ClaimMessage),
}

/// Starts the stream of changes. Sent again on the same connection, it replaces `interest`
/// and `own_rank`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeMessage {
    /// The last `resume` received, of any process, with the same interest; left out to start
    /// with a snapshot. Of a connection's first `subscribe` only.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::option_position"
    )]
    #[schema(value_type = Option<schema::Position>)]
    pub resume: Option<PositionText>,
    /// What of the hunt to hear; left out for all of it.
    #[serde(default, skip_serializing_if = "Interest::is_everything")]
    #[schema(value_type = Option<schema::Interest>)]
    pub interest: Interest,
    /// The board on which to hear of one's own place; needs a player token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BoardName>)]
    pub own_rank: Option<BoardName>,
}

/// An attempt on a tile; answered by the `outcome` of the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimMessage {
    /// The client's own, to find the answer by; at most 64 bytes.
    #[serde(deserialize_with = "bounded::text::<_, 1, CLAIM_ID_BYTES_MAX>")]
    #[schema(min_length = 1, max_length = 64, examples("c17"))]
    pub id: String,
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Which of the round's tiles.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// The answer to the tile's puzzle, if it has one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "bounded::option_text::<_, 0, { claims::ANSWER_BYTES_MAX }>"
    )]
    #[schema(max_length = 256)]
    pub answer: Option<String>,
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The answer to `subscribe`.
    Subscribed(SubscribedMessage),
    /// A round has opened.
    Round(RoundMessage),
    /// What has changed.
    Delta(DeltaMessage),
    /// All there is; replaces everything known.
    Snapshot(SnapshotMessage),
    /// The top of a board.
    Board(BoardMessage),
    /// The player's own place on a board.
    Rank(RankMessage),
    /// What came of a claim.
    Outcome(OutcomeMessage),
    /// Something is wrong with what the client sent, or with the server.
    Error(ErrorMessage),
}

/// The answer to `subscribe`. A `snapshot` follows unless `resumed`: the changes since, or, where
/// another interest concerns no claim, those from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscribedMessage {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// Whom the token names; left out for those who only watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::PlayerId>)]
    pub player: Option<PlayerId>,
    /// Whether what was known before goes on to hold; otherwise a snapshot replaces it.
    pub resumed: bool,
    /// The process's own count of ticks.
    pub tick: u64,
    /// Where the stream goes on from.
    #[schema(value_type = schema::Position)]
    pub resume: PositionText,
    /// From one tick to the next.
    #[schema(examples(100))]
    pub tick_ms: u64,
    /// What of the hunt is sent: cells in order, none within another; left out for all of it.
    #[serde(default, skip_serializing_if = "Interest::is_everything")]
    #[schema(value_type = Option<schema::Interest>)]
    pub interest: Interest,
    /// The board on which the player's own place is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BoardName>)]
    pub own_rank: Option<BoardName>,
}

/// A round has opened; sent before any delta that speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundMessage {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// The configuration that the map is made by.
    pub config_version: u32,
    /// The map's name.
    #[schema(value_type = schema::Hash)]
    pub map: Hash32,
    /// Binds the seed before it may be known.
    #[schema(value_type = schema::Hash)]
    pub commitment: Hash32,
    /// Gives the tiles' places among the configuration version's cells.
    #[schema(value_type = schema::Hash)]
    pub layout: Hash32,
    /// How many tiles there are.
    pub tiles: u32,
    /// From this time on tiles may be claimed.
    #[schema(value_type = schema::Timestamp)]
    pub opens_at: Timestamp,
    /// Up to this time, exclusive.
    #[schema(value_type = schema::Timestamp)]
    pub closes_at: Timestamp,
}

/// What one tick has changed, or several for a slow client. Sent once per tick, and only if
/// something has changed, be it a board alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeltaMessage {
    /// The server's clock when the tick was cut.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// The process's own count of ticks.
    pub tick: u64,
    /// The first tick of several that this delta merges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_tick: Option<u64>,
    /// Give it to `subscribe` to go on from here.
    #[schema(value_type = schema::Position)]
    pub resume: PositionText,
    /// Rounds before this one are no longer shown: forget them.
    #[schema(value_type = schema::RoundNumber)]
    pub oldest: RoundNumber,
    /// Tiles won.
    pub claims: Vec<LiveClaim>,
    /// Rounds whose claim window has passed on every shard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::RoundNumber>)]
    pub closed: Vec<RoundNumber>,
    /// Seeds that may be known now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<LiveSeed>,
    /// What the hunt is doing, if that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HuntStateName>,
    /// What operators have corrected. Boards further in the log than a correction follow it;
    /// those that are not may still come, and do not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<LiveCorrection>,
    /// Which boards the hunt has, if that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boards: Option<LiveBoards>,
}

/// A tile won.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveClaim {
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Which tile.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// Who won it; `null` once that player was erased.
    #[schema(value_type = Option<schema::PlayerId>, required = true)]
    pub player: Option<PlayerId>,
    /// What it is worth.
    pub points: u32,
    /// Whether an operator has voided it: the tile stays taken, and counts on no board.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voided: bool,
}

/// A round's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveSeed {
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Its seed.
    #[schema(value_type = schema::Hash)]
    pub seed: Hash32,
}

/// All there is; replaces everything known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotMessage {
    /// The server's clock when the snapshot was made.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// The process's own count of ticks.
    pub tick: u64,
    /// Give it to `subscribe` to go on from here.
    #[schema(value_type = schema::Position)]
    pub resume: PositionText,
    /// Which hunt.
    #[schema(value_type = schema::HuntId)]
    pub hunt: HuntId,
    /// What it is doing.
    pub state: HuntStateName,
    /// Rounds before this one are no longer shown.
    #[schema(value_type = schema::RoundNumber)]
    pub oldest: RoundNumber,
    /// The open rounds and the last closed ones, oldest first.
    pub rounds: Vec<SnapshotRound>,
    /// The top of `total`, if it has been published; other boards follow as messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardMessage>,
    /// The last corrections, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<LiveCorrection>,
    /// Which boards the hunt has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boards: Option<LiveBoards>,
}

/// A round with all its claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotRound {
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// The configuration that the map is made by.
    pub config_version: u32,
    /// The map's name.
    #[schema(value_type = schema::Hash)]
    pub map: Hash32,
    /// Binds the seed before it may be known.
    #[schema(value_type = schema::Hash)]
    pub commitment: Hash32,
    /// Gives the tiles' places among the configuration version's cells.
    #[schema(value_type = schema::Hash)]
    pub layout: Hash32,
    /// How many tiles there are.
    pub tiles: u32,
    /// From this time on tiles may be claimed.
    #[schema(value_type = schema::Timestamp)]
    pub opens_at: Timestamp,
    /// Up to this time, exclusive.
    #[schema(value_type = schema::Timestamp)]
    pub closes_at: Timestamp,
    /// Whether its claim window has passed on every shard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// Its seed, once it may be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Hash>)]
    pub seed: Option<Hash32>,
    /// Tiles won.
    pub claims: Vec<SnapshotClaim>,
}

/// A tile won, within its round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotClaim {
    /// Which tile.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// Who won it; `null` once that player was erased.
    #[schema(value_type = Option<schema::PlayerId>, required = true)]
    pub player: Option<PlayerId>,
    /// What it is worth.
    pub points: u32,
    /// Whether an operator has voided it: the tile stays taken, and counts on no board.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voided: bool,
}

/// The top of a board; sent when it has changed, and not too often. The last one received is
/// the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoardMessage {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// Which definition of that name: a greater one is another board. 0 for a built-in one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// What it covers.
    pub window: BoardWindow,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
    /// How many players are on the board.
    pub players: u64,
    /// The top, best first.
    pub entries: Vec<BoardEntry>,
}

/// The player's own place on a board; sent to whoever asked for it with `own_rank`, when it has
/// changed, and not too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RankMessage {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// Which board.
    #[schema(value_type = schema::BoardName)]
    pub board: BoardName,
    /// Who.
    #[schema(value_type = schema::PlayerId)]
    pub player: PlayerId,
    /// From 1; left out while the player is not on the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, examples(17))]
    pub rank: Option<u64>,
    /// How much; left out while the player is not on the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Score>)]
    pub score: Option<i64>,
    /// How many players are on the board.
    pub players: u64,
    /// How far the log is counted in.
    #[schema(value_type = schema::Position)]
    pub position: PositionText,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeMessage {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// The claim's.
    #[schema(min_length = 1, max_length = 64, examples("c17"))]
    pub id: String,
    /// The outcome's name.
    #[schema(value_type = schema::OutcomeName)]
    pub outcome: OutcomeKind,
    /// Which round.
    #[schema(value_type = schema::RoundNumber)]
    pub round: RoundNumber,
    /// Which tile.
    #[schema(value_type = schema::TileIndex)]
    pub tile: TileIndex,
    /// Of `won`: where the claim stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Of `won`: what the tile is worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
    /// Of `taken`: where the winner's claim stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Position>)]
    pub winner_position: Option<PositionText>,
    /// When to ask again, if that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More about it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Something is wrong; the connection closes after it if it cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorMessage {
    /// The server's clock.
    #[schema(value_type = schema::Timestamp)]
    pub server_time: Timestamp,
    /// The id of the message at fault, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A problem's name.
    #[schema(examples("malformed"))]
    pub code: String,
    /// What is wrong, in words.
    pub detail: String,
}

impl RoundMessage {
    /// Announces a round at `now`.
    #[must_use]
    pub fn new(hunt: &HuntId, opened: &RoundOpened, now: TimeMicros) -> Self {
        Self {
            server_time: now.into(),
            hunt: hunt.clone(),
            round: opened.round,
            config_version: opened.config_version,
            map: opened.map,
            commitment: opened.commitment,
            layout: opened.layout,
            tiles: opened.tiles,
            opens_at: opened.schedule.opens_at.into(),
            closes_at: opened.schedule.closes_at.into(),
        }
    }
}

impl DeltaMessage {
    /// The same delta without what concerns rounds that are no longer shown.
    #[must_use]
    pub fn without_old_rounds(mut self) -> Self {
        let oldest = self.oldest;
        self.claims.retain(|claim| claim.round >= oldest);
        self.closed.retain(|&round| round >= oldest);
        self.seeds.retain(|seed| seed.round >= oldest);
        self
    }
}

impl OutcomeMessage {
    /// What came of `claim`, told at `now`.
    #[must_use]
    pub fn of_outcome(claim: ClaimMessage, outcome: &Outcome, now: TimeMicros) -> Self {
        Self {
            receipt: claims::receipt(outcome),
            points: claims::points(outcome),
            winner_position: claims::winner_position(outcome),
            retry_after_ms: claims::retry_after_ms(outcome, now),
            ..Self::refused(claim, outcome.kind(), now)
        }
    }

    /// A claim refused before it was decided, such as `rate-limited`.
    #[must_use]
    pub fn refused(claim: ClaimMessage, outcome: OutcomeKind, now: TimeMicros) -> Self {
        Self {
            server_time: now.into(),
            id: claim.id,
            outcome,
            round: claim.round,
            tile: claim.tile,
            receipt: None,
            points: None,
            winner_position: None,
            retry_after_ms: None,
            detail: None,
        }
    }
}
