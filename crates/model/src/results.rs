//! Records of boards: what a window came to, and what an operator corrected.

use crate::codec::{CodecError, Reader, write_limited, write_number, write_signed};
use crate::{
    BoardName, HuntNumber, PlayerNumber, RESULTS_MAX, RoundNumber, Sequence, TileIndex, TimeMicros,
};

/// The reason for a correction has at most this many bytes.
pub const CORRECTION_REASON_BYTES_MAX: usize = 256;

const VOIDED: u8 = 1;
const DISQUALIFIED: u8 = 2;
const REINSTATED: u8 = 3;

/// What a window came to; written once for each window (hunt, board, end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardClosedRecord {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Which board.
    pub board: BoardName,
    /// From when on the window counted.
    pub start: TimeMicros,
    /// Up to when.
    pub end: TimeMicros,
    /// How many players were on it.
    pub players: u64,
    /// The best of them, by this stream's numbers, best first; at most [`RESULTS_MAX`].
    pub entries: Vec<(PlayerNumber, i64)>,
}

/// What an operator corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrectionRecord {
    /// Which hunt.
    pub hunt: HuntNumber,
    /// Whom it concerns.
    pub player: PlayerNumber,
    /// What was done.
    pub what: Correction,
    /// Why, in the operator's words.
    pub reason: String,
}

/// A correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// A claim counts no more. The tile stays taken, and its attempt's answer what it was (I3).
    ClaimVoided {
        /// The claim's round.
        round: RoundNumber,
        /// Its tile.
        tile: TileIndex,
        /// What it was worth.
        points: u32,
        /// Its place, in this stream.
        claimed: Sequence,
    },
    /// The player is on none of the hunt's boards.
    Disqualified,
    /// The player is on them again.
    Reinstated,
}

impl BoardClosedRecord {
    /// # Panics
    /// With more entries than a record may hold: written, nobody could read the log any more.
    pub(crate) fn write(&self, body: &mut Vec<u8>) {
        assert!(
            self.entries.len() <= usize::from(RESULTS_MAX),
            "more results than a record holds"
        );
        write_number(body, u64::from(self.hunt.get()));
        write_limited(
            body,
            self.board.as_str().as_bytes(),
            BoardName::BYTES_MAX,
            "board name",
        );
        write_number(body, self.start.get());
        write_number(body, self.end.get());
        write_number(body, self.players);
        write_number(body, self.entries.len() as u64);
        for (player, score) in &self.entries {
            write_number(body, u64::from(player.get()));
            write_signed(body, *score);
        }
    }

    pub(crate) fn read(body: &mut Reader<'_>) -> Result<Self, CodecError> {
        let hunt = HuntNumber::new(body.number_u32("hunt")?);
        let offset = body.offset();
        let board = body.text(BoardName::BYTES_MAX, "board name")?;
        let board = BoardName::new(board).map_err(|error| CodecError::Invalid {
            offset,
            field: "board name",
            reason: error.to_string(),
        })?;
        let start = TimeMicros::new(body.number("window's start")?);
        let end = TimeMicros::new(body.number("window's end")?);
        let players = body.number("number of players")?;
        let offset = body.offset();
        let count = body.number("number of results")?;
        if count > u64::from(RESULTS_MAX) {
            return Err(CodecError::Invalid {
                offset,
                field: "number of results",
                reason: format!("it is {count}, expected at most {RESULTS_MAX}"),
            });
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            let player = PlayerNumber::new(body.number_u32("player")?);
            entries.push((player, body.signed("score")?));
        }
        Ok(Self {
            hunt,
            board,
            start,
            end,
            players,
            entries,
        })
    }
}

impl CorrectionRecord {
    pub(crate) fn write(&self, body: &mut Vec<u8>) {
        write_number(body, u64::from(self.hunt.get()));
        write_number(body, u64::from(self.player.get()));
        match self.what {
            Correction::ClaimVoided {
                round,
                tile,
                points,
                claimed,
            } => {
                body.push(VOIDED);
                write_number(body, round.get());
                write_number(body, u64::from(tile.get()));
                write_number(body, u64::from(points));
                write_number(body, claimed.get());
            }
            Correction::Disqualified => body.push(DISQUALIFIED),
            Correction::Reinstated => body.push(REINSTATED),
        }
        write_limited(
            body,
            self.reason.as_bytes(),
            CORRECTION_REASON_BYTES_MAX,
            "reason",
        );
    }

    pub(crate) fn read(body: &mut Reader<'_>) -> Result<Self, CodecError> {
        let hunt = HuntNumber::new(body.number_u32("hunt")?);
        let player = PlayerNumber::new(body.number_u32("player")?);
        let offset = body.offset();
        let what = match body.byte("correction")? {
            VOIDED => Correction::ClaimVoided {
                round: RoundNumber::new(body.number("round")?),
                tile: TileIndex::new(body.number_u32("tile")?),
                points: body.number_u32("points")?,
                claimed: Sequence::new(body.number("claim's sequence")?),
            },
            DISQUALIFIED => Correction::Disqualified,
            REINSTATED => Correction::Reinstated,
            other => {
                return Err(CodecError::Invalid {
                    offset,
                    field: "correction",
                    reason: format!("kind {other} is not known"),
                });
            }
        };
        Ok(Self {
            hunt,
            player,
            what,
            reason: body.text(CORRECTION_REASON_BYTES_MAX, "reason")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BatchBuilder, Epoch, Record, ShardId, Tail};

    fn any_closed() -> impl Strategy<Value = Record<'static>> {
        let entries = prop::collection::vec((any::<u32>(), any::<i64>()), 0..20);
        let record = (
            any::<u32>(),
            "[a-z][a-z0-9-]{0,30}",
            any::<[u64; 3]>(),
            entries,
        );
        record.prop_map(|(hunt, board, [start, end, players], entries)| {
            let entries = entries.into_iter();
            Record::BoardClosed(Box::new(BoardClosedRecord {
                hunt: HuntNumber::new(hunt),
                board: BoardName::new(&board).expect("a name"),
                start: TimeMicros::new(start),
                end: TimeMicros::new(end),
                players,
                entries: entries
                    .map(|(player, score)| (PlayerNumber::new(player), score))
                    .collect(),
            }))
        })
    }

    fn any_correction() -> impl Strategy<Value = Record<'static>> {
        let voided = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u64>());
        let voided = voided.prop_map(|(round, tile, points, claimed)| Correction::ClaimVoided {
            round: RoundNumber::new(round),
            tile: TileIndex::new(tile),
            points,
            claimed: Sequence::new(claimed),
        });
        let what = prop_oneof![
            voided,
            Just(Correction::Disqualified),
            Just(Correction::Reinstated)
        ];
        (any::<u32>(), any::<u32>(), what, "\\PC{0,60}").prop_map(|(hunt, player, what, reason)| {
            Record::Correction(Box::new(CorrectionRecord {
                hunt: HuntNumber::new(hunt),
                player: PlayerNumber::new(player),
                what,
                reason,
            }))
        })
    }

    proptest! {
        #[test]
        fn results_and_corrections_survive_a_batch(
            records in prop::collection::vec(prop_oneof![any_closed(), any_correction()], 1..8),
        ) {
            let mut builder = BatchBuilder::new();
            for record in &records {
                builder.push(record);
            }
            let batch = builder.finish(
                ShardId::new(0),
                Epoch::default(),
                &Tail::default(),
                TimeMicros::new(1),
                Sequence::ZERO,
            );
            let read: Result<Vec<_>, _> =
                batch.records().map(|item| item.map(|(_, record)| record)).collect();
            prop_assert_eq!(read, Ok(records));
        }
    }

    #[test]
    fn more_results_than_a_record_holds_are_refused_when_read() {
        let mut body = Vec::new();
        for number in [0, 1] {
            write_number(&mut body, number);
        }
        body.push(b'a');
        for number in [0, 0, 9, u64::from(RESULTS_MAX) + 1] {
            write_number(&mut body, number);
        }
        let error = BoardClosedRecord::read(&mut Reader::new(&body)).expect_err("too many");
        assert!(error.to_string().contains("number of results"), "{error}");
    }
}
