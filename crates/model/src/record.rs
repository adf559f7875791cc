//! What a batch holds: records, each of a versioned kind.

use crate::codec::{CodecError, Reader, write_limited, write_number, write_signed};
use crate::results::{BoardClosedRecord, CorrectionRecord};
use crate::{
    ControlRecord, EventId, EventType, HuntNumber, PlayerId, PlayerNumber, RoundNumber, Sequence,
    TileIndex, TimeMicros,
};

/// A score event's payload has at most this many bytes.
pub const PAYLOAD_BYTES_MAX: usize = 4_096;
/// A control record's JSON has at most this many bytes.
pub(crate) const CONTROL_BYTES_MAX: usize = 4 << 20;

// A kind's number is never given to another kind; a kind whose fields change gets a new one.
const TAG_TIME: u8 = 1;
const TAG_PLAYER: u8 = 2;
pub(crate) const TAG_CLAIM: u8 = 3;
const TAG_SCORE: u8 = 4;
const TAG_CONTROL: u8 = 5;
const TAG_BOARD_CLOSED: u8 = 6;
const TAG_CORRECTION: u8 = 7;

/// One record, its variable parts borrowed from the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// Nothing happened up to the batch's time; moves windows and rounds on.
    Time,
    /// A player gets a number in this stream. The only record with personal data.
    Player(PlayerRecord<'a>),
    /// A tile is won.
    Claim(ClaimRecord),
    /// A score event is taken.
    Score(ScoreRecord<'a>),
    /// In the control stream an entry of it; in a shard's stream the copy of one.
    Control {
        /// The entry's place in the control stream.
        at: Sequence,
        /// The entry.
        record: Box<ControlRecord>,
    },
    /// A board's window has come to its end.
    BoardClosed(Box<BoardClosedRecord>),
    /// An operator corrected something.
    Correction(Box<CorrectionRecord>),
}

/// Keeps an erased player's fingerprint from being guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// A player's number. The id stands in the batch's personal part, which the chain covers
/// only through the fingerprint, so it can be erased and the chain still verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerRecord<'a> {
    /// The number, in this stream.
    pub number: PlayerNumber,
    /// BLAKE3 of salt, number and id.
    pub fingerprint: [u8; 32],
    /// Who it is; `None` once erased.
    pub id: Option<&'a str>,
}

impl PlayerRecord<'_> {
    /// What stands in the chain for a player.
    #[must_use]
    pub fn fingerprint(salt: Salt, number: PlayerNumber, id: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"huntcore/player");
        hasher.update(&salt.0);
        hasher.update(&number.get().to_le_bytes());
        hasher.update(id.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// A tile's winner (I1: at most one such record for each hunt, round and tile).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRecord {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which round.
    pub round: RoundNumber,
    /// Which tile.
    pub tile: TileIndex,
    /// Who won it.
    pub player: PlayerNumber,
    /// What it is worth.
    pub points: u32,
}

impl ClaimRecord {
    /// What all claims on one round start with: at most 16 bytes.
    pub(crate) fn write_start(hunt: HuntNumber, round: RoundNumber, body: &mut Vec<u8>) {
        body.push(TAG_CLAIM);
        write_number(body, u64::from(hunt.get()));
        write_number(body, round.get());
    }
}

/// A score event as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRecord<'a> {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Who scored.
    pub player: PlayerNumber,
    /// With the player, the event's identity.
    pub event_id: &'a str,
    /// What kind of thing scored.
    pub event_type: &'a str,
    /// How much.
    pub score: i64,
    /// The sender's own time.
    pub sent_at: Option<TimeMicros>,
    /// The sender's own JSON; empty if none.
    pub payload: &'a str,
    /// Of all that the sender said besides the identity.
    pub digest: EventDigest,
}

/// What is hashed from the stack: one block of BLAKE3.
const SHORT_BYTES_MAX: usize = 64;

/// Tells an honest repetition of a score event from a conflicting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventDigest(pub [u8; 16]);

impl EventDigest {
    /// BLAKE3, cut to 16 bytes, of an event without its identity.
    #[must_use]
    pub fn of(
        event_type: &EventType,
        score: i64,
        sent_at: Option<TimeMicros>,
        payload: &str,
    ) -> Self {
        let event_type = event_type.as_str().as_bytes();
        let mut start = [0; 24];
        start[..8].copy_from_slice(&score.to_le_bytes());
        let sent_at = sent_at.map_or(u64::MAX, TimeMicros::get);
        start[8..16].copy_from_slice(&sent_at.to_le_bytes());
        start[16..].copy_from_slice(&(event_type.len() as u64).to_le_bytes());
        let payload = payload.as_bytes();
        let length = start.len() + event_type.len() + payload.len();
        let hash = if length <= SHORT_BYTES_MAX {
            // Without a payload it is that short, and a hasher costs more than the hash.
            let mut bytes = [0; SHORT_BYTES_MAX];
            let mut filled = 0;
            for part in [&start, event_type, payload] {
                bytes[filled..filled + part.len()].copy_from_slice(part);
                filled += part.len();
            }
            blake3::hash(&bytes[..length])
        } else {
            let mut hasher = blake3::Hasher::new();
            for part in [&start, event_type, payload] {
                hasher.update(part);
            }
            hasher.finalize()
        };
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.as_bytes()[..16]);
        Self(digest)
    }
}

impl Record<'_> {
    /// Appends the record to a batch's body, and what is personal to its personal part.
    ///
    /// # Panics
    /// On a text over the limit of its kind: written, nobody could read the log any more.
    pub(crate) fn write(&self, salt: Salt, body: &mut Vec<u8>, personal: &mut Vec<u8>) {
        match self {
            Self::Time => body.push(TAG_TIME),
            Self::Player(player) => {
                let id = player.id.expect("an erased player is never written anew");
                body.push(TAG_PLAYER);
                write_number(body, u64::from(player.number.get()));
                body.extend_from_slice(&player.fingerprint);
                personal.extend_from_slice(&salt.0);
                write_limited(personal, id.as_bytes(), PlayerId::BYTES_MAX, "player id");
            }
            Self::Claim(claim) => {
                ClaimRecord::write_start(claim.hunt, claim.round, body);
                write_number(body, u64::from(claim.tile.get()));
                write_number(body, u64::from(claim.player.get()));
                write_number(body, u64::from(claim.points));
            }
            Self::Score(score) => {
                body.push(TAG_SCORE);
                write_number(body, u64::from(score.hunt.get()));
                write_number(body, u64::from(score.player.get()));
                write_limited(
                    body,
                    score.event_id.as_bytes(),
                    EventId::BYTES_MAX,
                    "event id",
                );
                let event_type = score.event_type.as_bytes();
                write_limited(body, event_type, EventType::BYTES_MAX, "event type");
                write_signed(body, score.score);
                // 0 stands for "none", so a time is written one higher.
                write_number(
                    body,
                    score.sent_at.map_or(0, |time| time.get().saturating_add(1)),
                );
                write_limited(body, score.payload.as_bytes(), PAYLOAD_BYTES_MAX, "payload");
                body.extend_from_slice(&score.digest.0);
            }
            Self::Control { at, record } => {
                let json = serde_json::to_vec(record).expect("control records are plain data");
                body.push(TAG_CONTROL);
                write_number(body, at.get());
                write_limited(body, &json, CONTROL_BYTES_MAX, "control record");
            }
            Self::BoardClosed(closed) => {
                body.push(TAG_BOARD_CLOSED);
                closed.write(body);
            }
            Self::Correction(correction) => {
                body.push(TAG_CORRECTION);
                correction.write(body);
            }
        }
    }
}

/// Reads the next record of `body`; its personal part, if it has one, from `personal`.
pub(crate) fn read_record<'a>(
    body: &mut Reader<'a>,
    personal: &mut Reader<'a>,
) -> Result<Record<'a>, CodecError> {
    let offset = body.offset();
    match body.byte("record kind")? {
        TAG_TIME => Ok(Record::Time),
        TAG_PLAYER => {
            let number = PlayerNumber::new(body.number_u32("player number")?);
            let fingerprint = body.array("fingerprint")?;
            let id = read_personal(number, &fingerprint, personal)?;
            Ok(Record::Player(PlayerRecord {
                number,
                fingerprint,
                id,
            }))
        }
        TAG_CLAIM => Ok(Record::Claim(ClaimRecord {
            hunt: HuntNumber::new(body.number_u32("hunt")?),
            round: RoundNumber::new(body.number("round")?),
            tile: TileIndex::new(body.number_u32("tile")?),
            player: PlayerNumber::new(body.number_u32("player")?),
            points: body.number_u32("points")?,
        })),
        TAG_SCORE => Ok(Record::Score(ScoreRecord {
            hunt: HuntNumber::new(body.number_u32("hunt")?),
            player: PlayerNumber::new(body.number_u32("player")?),
            event_id: body.text(EventId::BYTES_MAX, "event id")?,
            event_type: body.text(EventType::BYTES_MAX, "event type")?,
            score: body.signed("score")?,
            sent_at: body.number("sent at")?.checked_sub(1).map(TimeMicros::new),
            payload: body.text(PAYLOAD_BYTES_MAX, "payload")?,
            digest: EventDigest(body.array("digest")?),
        })),
        TAG_CONTROL => {
            let at = Sequence::new(body.number("control sequence")?);
            let json = body.bytes(CONTROL_BYTES_MAX, "control record")?;
            let record = serde_json::from_slice(json).map_err(|error| CodecError::Invalid {
                offset,
                field: "control record",
                reason: error.to_string(),
            })?;
            Ok(Record::Control { at, record })
        }
        TAG_BOARD_CLOSED => {
            BoardClosedRecord::read(body).map(|closed| Record::BoardClosed(Box::new(closed)))
        }
        TAG_CORRECTION => {
            CorrectionRecord::read(body).map(|correction| Record::Correction(Box::new(correction)))
        }
        tag => Err(CodecError::UnknownKind { offset, tag }),
    }
}

/// Reads a player's id, which must be the one that the fingerprint in the chain was made of.
fn read_personal<'a>(
    number: PlayerNumber,
    fingerprint: &[u8; 32],
    personal: &mut Reader<'a>,
) -> Result<Option<&'a str>, CodecError> {
    let salt: [u8; 16] = personal.array("salt")?;
    let offset = personal.offset();
    let id = personal.bytes(PlayerId::BYTES_MAX, "player id")?;
    if salt == [0; 16] && id.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let invalid = |reason| CodecError::Invalid {
        offset,
        field: "player id",
        reason,
    };
    let id = std::str::from_utf8(id).map_err(|error| invalid(error.to_string()))?;
    if id.is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    if PlayerRecord::fingerprint(Salt(salt), number, id) != *fingerprint {
        return Err(invalid("it is not the one in the chain".to_owned()));
    }
    Ok(Some(id))
}
