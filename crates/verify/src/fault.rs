//! Everything that can be wrong with a log, each by its name.

use std::fmt;

use huntcore_log::stream_name;
use huntcore_model::{
    Epoch, Hash32, PlayerNumber, RoundNumber, Sequence, ShardId, TileIndex, TimeMicros,
};
use serde::{Serialize, Serializer};

/// A record's place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Which stream.
    #[serde(serialize_with = "as_name")]
    pub stream: ShardId,
    /// Which record.
    pub sequence: Sequence,
}

/// A line of a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BoardLine {
    /// Who.
    pub player: String,
    /// How much.
    pub score: i64,
}

/// Something in a log that huntcore never writes: `expected` was computed, `found` is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The rest of a stream cannot be read.
    #[error("{} cannot be read further: {reason}", stream_name(*.stream))]
    Unreadable {
        /// Which stream.
        #[serde(serialize_with = "as_name")]
        stream: ShardId,
        /// Why.
        reason: String,
    },
    /// A batch of a stream that the deployment does not have.
    #[error("{at}: there is no such stream")]
    UnknownStream {
        /// The batch's first record.
        at: Place,
    },
    /// Batches are missing, or there twice.
    #[error("{at}: the batch before ended at {expected}: batches are missing or repeated")]
    SequenceBroken {
        /// The batch's first record.
        at: Place,
        /// The sequence that is due.
        expected: Sequence,
    },
    /// Something before this batch is not what it was when it was written.
    #[error(
        "{at}: the chain is broken: the batch follows {found}, but what is there makes {expected}"
    )]
    ChainBroken {
        /// The batch's first record.
        at: Place,
        /// The chain after the batch before.
        expected: Hash32,
        /// What the batch was written to follow.
        found: Hash32,
    },
    /// A batch older than the one before it.
    #[error("{at}: time goes back from {} to {}", text(*.before), text(*.found))]
    TimeWentBack {
        /// The batch's first record.
        at: Place,
        /// The time of the batch before.
        before: TimeMicros,
        /// The batch's time.
        found: TimeMicros,
    },
    /// A batch by an owner whose term was over (I4).
    #[error("{at}: written in term {found}, after term {before} had begun")]
    EpochWentBack {
        /// The batch's first record.
        at: Place,
        /// The term of the batch before.
        before: Epoch,
        /// The batch's term.
        found: Epoch,
    },
    /// A batch that calls durable what was not even written.
    #[error("{at}: calls everything before {found} durable, itself included")]
    DurableAhead {
        /// The batch's first record.
        at: Place,
        /// What it says.
        found: Sequence,
    },
    /// A record that cannot be read, or that has no business in this stream.
    #[error("{at}: {reason}")]
    BadRecord {
        /// The record.
        at: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// A control entry that breaks the rules of the control stream.
    #[error("{at}: {reason}")]
    BadEntry {
        /// The record.
        at: Place,
        /// In what way.
        reason: String,
    },
    /// A configuration that is not what its area and values make.
    #[error(
        "{at}: configuration {version} of hunt {hunt} has {what} {expected}, but {found} is logged"
    )]
    ConfigDiffers {
        /// The record.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which of its configurations.
        version: u32,
        /// What differs.
        what: &'static str,
        /// Computed from area and values.
        expected: String,
        /// In the log.
        found: String,
    },
    /// An announced round that is not what its hunt's configuration and clock make.
    #[error("{at}: round {round} of hunt {hunt} has {what} {expected}, but {found} is logged")]
    RoundDiffers {
        /// The announcement.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// What differs.
        what: &'static str,
        /// By the configuration.
        expected: String,
        /// In the log.
        found: String,
    },
    /// What was announced of a round does not follow from its seed.
    #[error(
        "{at}: round {round} of hunt {hunt} has {what} {expected} by its seed, but {found} is logged"
    )]
    NotBySeed {
        /// The announcement, or the seed's publication.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// Commitment, layout or map.
        what: &'static str,
        /// By the seed.
        expected: Hash32,
        /// In the log.
        found: Hash32,
    },
    /// The fairness key that was given is not the one that made this hunt.
    #[error(
        "{at}: the fairness key makes anchor {expected} of chain {chain} for hunt {hunt}, but {found} is logged"
    )]
    WrongKey {
        /// Where the anchor was published.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which chain.
        chain: u64,
        /// By the key.
        expected: Hash32,
        /// In the log.
        found: Hash32,
    },
    /// A round of a seed chain whose anchor was not published before.
    #[error(
        "{at}: round {round} of hunt {hunt} needs the anchor of chain {chain}, which was not published before"
    )]
    AnchorMissing {
        /// The announcement.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// Its chain.
        chain: u64,
    },
    /// A seed that does not hash back to the anchor of its chain.
    #[error("{at}: the seed of round {round} of hunt {hunt} does not hash back to its chain")]
    SeedNotInChain {
        /// Its publication.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
    },
    /// A seed that was published before its round's claim window had passed.
    #[error("{at}: the seed of round {round} of hunt {hunt} was published at {}, its window ends at {}", text(*.published_at), text(*.closes_at))]
    SeedTooEarly {
        /// Its publication.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// When it was published.
        published_at: TimeMicros,
        /// When it might have been, at the earliest.
        closes_at: TimeMicros,
    },
    /// A seed that was published although a shard's log never got to the end of its round.
    #[error("{}: the log ends at {}, but the seed of round {round} of hunt {hunt} is published, which waits for {}: its end is missing", stream_name(*.stream), text(*.ends_at), text(*.closes_at))]
    SeedBeforeShard {
        /// The stream that ends too early.
        #[serde(serialize_with = "as_name")]
        stream: ShardId,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// The stream's last time.
        ends_at: TimeMicros,
        /// What it should have got to.
        closes_at: TimeMicros,
    },
    /// A copy that is not what the control stream holds.
    #[error("{at}: the copy of control entry {entry} differs from the entry")]
    CopyDiffers {
        /// The copy.
        at: Place,
        /// The entry's place in the control stream.
        entry: Sequence,
    },
    /// A copy of another entry than the next one that concerns shards.
    #[error("{at}: a copy of control entry {found}, {}", due(*.expected))]
    CopyOutOfTurn {
        /// The copy.
        at: Place,
        /// The entry that is due, if one is.
        expected: Option<Sequence>,
        /// The entry that was copied.
        found: Sequence,
    },
    /// A copy of something that the control stream does not hold, or not for shards.
    #[error(
        "{at}: a copy of control entry {entry}, which the control stream does not hold for shards"
    )]
    CopyUnknown {
        /// The copy.
        at: Place,
        /// What it calls the entry's place.
        entry: Sequence,
    },
    /// A player's number that is not the next one.
    #[error("{at}: a player gets number {found}, expected {expected}")]
    PlayerOutOfTurn {
        /// The record.
        at: Place,
        /// The number that is due.
        expected: PlayerNumber,
        /// The number given.
        found: PlayerNumber,
    },
    /// A second number of one stream for the same player.
    #[error("{at}: a player gets number {number}, but has number {first} already")]
    PlayerTwice {
        /// The record.
        at: Place,
        /// The player's number so far.
        first: PlayerNumber,
        /// The number given.
        number: PlayerNumber,
    },
    /// A number that stands for nobody yet.
    #[error("{at}: player number {number} was not given to anybody before")]
    PlayerUnknown {
        /// The record.
        at: Place,
        /// The number.
        number: PlayerNumber,
    },
    /// I1: a tile that was claimed before.
    #[error("{at}: tile {tile} of round {round} of hunt {hunt} is claimed again{}", first_claim(.first.as_ref()))]
    ClaimedTwice {
        /// The second claim.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// Which tile.
        tile: TileIndex,
        /// The first claim; `None` if its round was over long before.
        first: Option<Place>,
    },
    /// A window's results that are not what its board says, or there twice.
    #[error("{at}: results of board {board} of hunt {hunt} to {}: {reason}", text(*.end))]
    BadResults {
        /// The record.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which board.
        board: String,
        /// The window's end.
        end: TimeMicros,
        /// What is wrong.
        reason: String,
    },
    /// A correction of something that is not there, or that was made before.
    #[error("{at}: a correction in hunt {hunt}: {reason}")]
    BadCorrection {
        /// The record.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// What is wrong.
        reason: String,
    },
    /// A claim or score event in a shard that does not own its slot.
    #[error("{at}: the {what} belongs into {}", stream_name(*.owner))]
    WrongShard {
        /// The record.
        at: Place,
        /// Claim or score event.
        what: &'static str,
        /// The shard that owns it.
        #[serde(serialize_with = "as_name")]
        owner: ShardId,
    },
    /// A claim or score event of a hunt that this shard had not heard of.
    #[error("{at}: the {what} is of hunt {hunt}, which this shard had not heard of")]
    UnknownHunt {
        /// The record.
        at: Place,
        /// Claim or score event.
        what: &'static str,
        /// Which hunt.
        hunt: String,
    },
    /// A claim on a round that this shard had not heard of.
    #[error(
        "{at}: a claim on round {round} of hunt {hunt}, which was not announced to this shard before"
    )]
    RoundNotAnnounced {
        /// The claim.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
    },
    /// A claim on a tile that the map does not have.
    #[error(
        "{at}: a claim on tile {tile} of round {round} of hunt {hunt}, which has {tiles} tiles"
    )]
    NoSuchTile {
        /// The claim.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// Which tile.
        tile: TileIndex,
        /// How many there are.
        tiles: u32,
    },
    /// A claim before its round opened or after it closed.
    #[error("{at}: a claim on round {round} of hunt {hunt} at {}, outside its window from {} to {}", text(*.time), text(*.opens_at), text(*.closes_at))]
    OutsideWindow {
        /// The claim.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// The time of the claim's batch.
        time: TimeMicros,
        /// The window's start, inclusive.
        opens_at: TimeMicros,
        /// The window's end, exclusive.
        closes_at: TimeMicros,
    },
    /// A claim or score event while the hunt took none.
    #[error("{at}: the {what} was taken while hunt {hunt} was {state}")]
    NotTaken {
        /// The record.
        at: Place,
        /// Claim or score event.
        what: &'static str,
        /// Which hunt.
        hunt: String,
        /// Paused or closed.
        state: &'static str,
    },
    /// A claim that gave other points than the map.
    #[error(
        "{at}: tile {tile} of round {round} of hunt {hunt} is worth {expected}, but the claim says {found}"
    )]
    WrongPoints {
        /// The claim.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which round.
        round: RoundNumber,
        /// Which tile.
        tile: TileIndex,
        /// By the map.
        expected: u32,
        /// In the log.
        found: u32,
    },
    /// A score event that was taken before, within the horizon.
    #[error("{at}: score event {event_id:?} of hunt {hunt} was taken before, as {first}")]
    EventTwice {
        /// The second record.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// The sender's id of the event.
        event_id: String,
        /// The first record.
        first: Place,
    },
    /// A score event whose digest is not that of its content.
    #[error(
        "{at}: score event {event_id:?} of hunt {hunt} does not have the digest of its content"
    )]
    EventDiffers {
        /// The record.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// The sender's id of the event.
        event_id: String,
    },
    /// The boards cannot follow the log, so they are not compared.
    #[error("{at}: the boards cannot follow: {reason}")]
    BoardsRefuse {
        /// The batch's first record.
        at: Place,
        /// Why not.
        reason: String,
    },
    /// A board that is not the sum and order of its claims or scores.
    #[error("board {board} of hunt {hunt}{} has {} on rank {rank}, expected {}", window(*.starts_at), line(.found.as_ref()), line(.expected.as_ref()))]
    BoardDiffers {
        /// Which hunt.
        hunt: String,
        /// Which board.
        board: &'static str,
        /// Of `second`: where the window starts.
        starts_at: Option<TimeMicros>,
        /// The first rank that differs, from 1.
        rank: u64,
        /// By the naive count.
        expected: Option<BoardLine>,
        /// On the board.
        found: Option<BoardLine>,
    },
    /// A window's results that are not what its board holds of it.
    #[error("{at}: results of board {board} of hunt {hunt} from {} to {}: {what} is {found}, expected {expected}", text(*.start), text(*.end))]
    ResultsDiffer {
        /// The record.
        at: Place,
        /// Which hunt.
        hunt: String,
        /// Which board.
        board: String,
        /// The window's start, as the record has it.
        start: TimeMicros,
        /// The window's end.
        end: TimeMicros,
        /// What differs: a rank, the number of players, the window itself.
        what: String,
        /// On the board.
        expected: String,
        /// In the record.
        found: String,
    },
    /// A window of `second` that says `final` too early, or not when it should, or that
    /// should not be there at all.
    #[error("board second of hunt {hunt}{} is {found}, expected {expected}", window(Some(*.starts_at)))]
    WindowDiffers {
        /// Which hunt.
        hunt: String,
        /// Where the window starts.
        starts_at: TimeMicros,
        /// By the naive count.
        expected: &'static str,
        /// On the board.
        found: &'static str,
    },
}

impl Place {
    /// The record at `sequence` of `stream`.
    #[must_use]
    pub const fn new(stream: ShardId, sequence: Sequence) -> Self {
        Self { stream, sequence }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} record {}",
            stream_name(self.stream),
            self.sequence
        )
    }
}

fn as_name<S: Serializer>(shard: &ShardId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&stream_name(*shard))
}

pub(crate) fn text(time: TimeMicros) -> String {
    i64::try_from(time.get())
        .ok()
        .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())
        .map_or_else(|| format!("{} µs", time.get()), |time| format!("{time:.6}"))
}

fn due(entry: Option<Sequence>) -> String {
    entry.map_or_else(
        || "which was copied or left out before".to_owned(),
        |entry| format!("but entry {entry} is the next to be copied"),
    )
}

fn first_claim(first: Option<&Place>) -> String {
    first.map_or_else(String::new, |first| format!(", first by {first}"))
}

fn window(starts_at: Option<TimeMicros>) -> String {
    starts_at.map_or_else(String::new, |start| format!(", window {}", text(start)))
}

fn line(line: Option<&BoardLine>) -> String {
    line.map_or_else(
        || "nobody".to_owned(),
        |line| format!("{:?} with {}", line.player, line.score),
    )
}
