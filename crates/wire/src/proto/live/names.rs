//! Values of the socket's messages that have a form of their own in protobuf: numbers for names,
//! bytes for texts of bytes, milliseconds for times. A number is never used again for another name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huntcore_model::{BoardName, Hash32, TimeMicros};

use super::super::ProtoFault;
use super::super::fields::Value;
use crate::{HuntStateName, LiveCorrectionKind, POSITION_TEXT_BYTES_MAX, PositionText, Timestamp};

const POSITION_BYTES_MAX: usize = POSITION_TEXT_BYTES_MAX / 4 * 3;

/// The number of a built-in board; the others go by their names.
pub(super) fn board_number(board: BoardName) -> Option<u64> {
    let index = BoardName::BUILT_IN
        .iter()
        .position(|&known| known == board)?;
    Some(index as u64 + 1)
}

/// The board of that number; none for 0, which stands for a field left out.
pub(super) fn board_of(number: u64, field: &'static str) -> Result<Option<BoardName>, ProtoFault> {
    match number {
        0 => Ok(None),
        1 => Ok(Some(BoardName::TOTAL)),
        2 => Ok(Some(BoardName::BEST)),
        3 => Ok(Some(BoardName::SECOND)),
        found => Err(ProtoFault::Range { field, found }),
    }
}

/// The board of that name.
pub(super) fn board_named(value: Value<'_>, field: &'static str) -> Result<BoardName, ProtoFault> {
    Ok(BoardName::new(value.text(field)?)?)
}

pub(super) const fn state_number(state: HuntStateName) -> u64 {
    match state {
        HuntStateName::Scheduled => 1,
        HuntStateName::Running => 2,
        HuntStateName::Paused => 3,
        HuntStateName::Ended => 4,
        HuntStateName::Closed => 5,
    }
}

/// The state of that number; none for 0, which stands for a field left out.
pub(super) fn state_of(number: u64) -> Result<Option<HuntStateName>, ProtoFault> {
    Ok(Some(match number {
        0 => return Ok(None),
        1 => HuntStateName::Scheduled,
        2 => HuntStateName::Running,
        3 => HuntStateName::Paused,
        4 => HuntStateName::Ended,
        5 => HuntStateName::Closed,
        found => {
            return Err(ProtoFault::Range {
                field: "state",
                found,
            });
        }
    }))
}

pub(super) const fn correction_number(kind: LiveCorrectionKind) -> u64 {
    match kind {
        LiveCorrectionKind::ClaimVoided => 1,
        LiveCorrectionKind::Disqualified => 2,
        LiveCorrectionKind::Reinstated => 3,
    }
}

/// The kind of that number; none for 0, which stands for a field left out.
pub(super) fn correction_of(number: u64) -> Result<Option<LiveCorrectionKind>, ProtoFault> {
    Ok(Some(match number {
        0 => return Ok(None),
        1 => LiveCorrectionKind::ClaimVoided,
        2 => LiveCorrectionKind::Disqualified,
        3 => LiveCorrectionKind::Reinstated,
        found => {
            return Err(ProtoFault::Range {
                field: "kind",
                found,
            });
        }
    }))
}

pub(super) fn millis(time: Timestamp) -> u64 {
    time.micros().millis()
}

pub(super) fn time(millis: u64, field: &'static str) -> Result<Timestamp, ProtoFault> {
    let range = ProtoFault::Range {
        field,
        found: millis,
    };
    let micros = millis.checked_mul(1_000).ok_or(range.clone())?;
    let time = Timestamp::new(TimeMicros::new(micros));
    match time.micros().get() == micros {
        true => Ok(time),
        false => Err(range),
    }
}

/// A position's bytes; none of a text that is no position.
pub(super) fn position_bytes(position: &PositionText) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(position.as_str())
        .unwrap_or_default()
}

pub(super) fn position(value: Value<'_>, field: &'static str) -> Result<PositionText, ProtoFault> {
    let bytes = value.bytes(field)?;
    if bytes.len() > POSITION_BYTES_MAX {
        return Err(ProtoFault::TooLong {
            field,
            bytes: bytes.len(),
            bytes_max: POSITION_BYTES_MAX,
        });
    }
    Ok(PositionText::new(URL_SAFE_NO_PAD.encode(bytes)))
}

pub(super) fn hash(value: Value<'_>, field: &'static str) -> Result<Hash32, ProtoFault> {
    let bytes = value.bytes(field)?;
    let hash = <[u8; 32]>::try_from(bytes).map_err(|_| ProtoFault::Length {
        field,
        bytes: bytes.len(),
        expected: 32,
    })?;
    Ok(Hash32::new(hash))
}
