//! A frame: what one tick has changed, its messages made for their first reader; and the ring
//! of the last ones.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use huntcore_model::{HuntId, Position, RoundNumber, RoundOpened, TileIndex, TimeMicros};
use huntcore_wire::{HuntStateName, LiveBoards, LiveForm, LiveSeed};

use crate::BroadcastLimits;
use crate::board::BoardText;
use crate::corrections::PlacedCorrection;
use crate::forms::PerForm;
use crate::messages::everything;
use crate::names::Roster;
use crate::round::Claim;
use crate::text::{
    CLAIM_BYTES_MAX, CLOSED_BYTES_MAX, LISTED_BYTES_MAX, MESSAGE_BYTES_MAX, ROUND_BYTES_MAX,
    SEED_BYTES_MAX, VOIDED_BYTES_MAX, position_bytes_max,
};

/// What one tick has changed in one hunt, shared by every client.
///
/// Each payload is one message: the rounds that opened, then the delta, then the boards that
/// changed. A transport puts its own header before each. They are made, in each form, when
/// they are first asked for; a frame that nobody reads costs none. What is kept here is for
/// those who hear everything; a class with an interest has its own made of the same content.
#[derive(Debug)]
pub struct Frame {
    tick: u64,
    base: Arc<Position>,
    position: Arc<Position>,
    content: FrameContent,
    bytes_max: usize,
    texts: PerForm<OnceLock<Texts>>,
}

/// What a frame tells.
#[derive(Debug)]
pub(crate) struct FrameContent {
    pub(crate) hunt: HuntId,
    pub(crate) time: TimeMicros,
    pub(crate) oldest: RoundNumber,
    pub(crate) rounds: Vec<Arc<RoundOpened>>,
    pub(crate) claims: Vec<(RoundNumber, Claim)>,
    pub(crate) closed: Vec<RoundNumber>,
    pub(crate) seeds: Vec<LiveSeed>,
    pub(crate) corrections: Vec<Arc<PlacedCorrection>>,
    /// Of the claims above, those that had been voided before.
    pub(crate) voided: Vec<(RoundNumber, TileIndex)>,
    /// Which boards there are, if something was said about that.
    pub(crate) listed: Option<Arc<LiveBoards>>,
    pub(crate) state: Option<HuntStateName>,
    pub(crate) boards: Vec<Arc<BoardText>>,
    pub(crate) roster: Roster,
    /// Rounds are left behind that were shown before.
    pub(crate) leaves_behind: bool,
}

#[derive(Debug)]
struct Texts {
    payloads: Vec<Bytes>,
    /// How many of the last ones are boards.
    boards: usize,
    bytes: usize,
}

/// The last frames of a hunt, without gaps.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    frames: VecDeque<Arc<Frame>>,
    next_number: u64,
    /// Whoever has seen this needs no frame.
    end: Arc<Position>,
    /// What the texts of all frames take at most, in JSON.
    bytes_max: usize,
}

impl Frame {
    /// The tick that cut it, in the process's own count.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// Who has seen this much may go on with this frame.
    #[must_use]
    pub fn base(&self) -> &Position {
        &self.base
    }

    /// How far one has seen after this frame.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The messages of those who hear everything, in order; shared, so a clone of one is a
    /// count.
    #[must_use]
    pub fn payloads(&self, form: LiveForm) -> &[Bytes] {
        &self.texts(form).payloads
    }

    /// The same without the boards, for those who were sent newer ones.
    pub(crate) fn payloads_before_boards(&self, form: LiveForm) -> &[Bytes] {
        let texts = self.texts(form);
        &texts.payloads[..texts.payloads.len() - texts.boards]
    }

    /// Length of all payloads.
    #[must_use]
    pub fn bytes(&self, form: LiveForm) -> usize {
        self.texts(form).bytes
    }

    /// What [`Self::bytes`] is at most in any form, known without making the messages.
    #[must_use]
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether [`Self::payloads`] only has to look them up.
    pub(crate) fn is_made(&self, form: LiveForm) -> bool {
        self.texts.get(form).get().is_some()
    }

    pub(crate) const fn content(&self) -> &FrameContent {
        &self.content
    }

    fn texts(&self, form: LiveForm) -> &Texts {
        self.texts.get(form).get_or_init(|| {
            let (mut payloads, mut boards) = everything(self, form);
            let count = boards.len();
            payloads.append(&mut boards);
            Texts {
                bytes: payloads.iter().map(Bytes::len).sum(),
                boards: count,
                payloads,
            }
        })
    }
}

impl FrameContent {
    /// Leaves out what concerns rounds that are no longer shown.
    pub(crate) fn forget_old_rounds(&mut self) {
        let oldest = self.oldest;
        self.claims.retain(|(round, _)| *round >= oldest);
        self.closed.retain(|round| *round >= oldest);
        self.seeds.retain(|seed| seed.round >= oldest);
        self.voided.retain(|(round, _)| *round >= oldest);
        self.voided.sort_unstable();
    }

    /// Whether a claim that it tells had been voided before.
    pub(crate) fn is_voided(&self, round: RoundNumber, tile: TileIndex) -> bool {
        !self.voided.is_empty() && self.voided.binary_search(&(round, tile)).is_ok()
    }

    fn bytes_max(&self, position: &Position) -> usize {
        let players = self
            .claims
            .iter()
            .map(|(_, claim)| self.roster.json_bytes_max(claim.shard, claim.player));
        let corrections = self.corrections.iter();
        let corrections = corrections.map(|correction| correction.bytes_max(&self.roster));
        let listed = self.listed.as_ref().map_or(0, |boards| boards.list.len());
        MESSAGE_BYTES_MAX
            + position_bytes_max(position)
            + self.rounds.len() * ROUND_BYTES_MAX
            + self.claims.len() * CLAIM_BYTES_MAX
            + players.sum::<usize>()
            + self.closed.len() * CLOSED_BYTES_MAX
            + self.seeds.len() * SEED_BYTES_MAX
            + self.voided.len() * VOIDED_BYTES_MAX
            + corrections.sum::<usize>()
            + listed * LISTED_BYTES_MAX
            + self
                .boards
                .iter()
                .map(|board| board.bytes_max())
                .sum::<usize>()
    }

    fn heap_bytes(&self) -> usize {
        self.claims.capacity() * size_of::<(RoundNumber, Claim)>()
            + self.closed.capacity() * size_of::<RoundNumber>()
            + self.seeds.capacity() * size_of::<LiveSeed>()
            + self.voided.capacity() * size_of::<(RoundNumber, TileIndex)>()
            + self.corrections.capacity() * size_of::<Arc<PlacedCorrection>>()
    }
}

impl Ring {
    /// A ring that nobody can resume in from before `position`.
    pub(crate) const fn new(next_number: u64, position: Arc<Position>) -> Self {
        Self {
            frames: VecDeque::new(),
            next_number,
            end: position,
            bytes_max: 0,
        }
    }

    /// The number after the last frame's.
    pub(crate) const fn next_number(&self) -> u64 {
        self.next_number
    }

    /// The first frame's number, or the next one's if there is none.
    pub(crate) fn first_number(&self) -> u64 {
        self.next_number - self.frames.len() as u64
    }

    /// Appends a frame and lets go of the oldest ones over the limits.
    pub(crate) fn push(
        &mut self,
        tick: u64,
        position: Arc<Position>,
        content: FrameContent,
        limits: &BroadcastLimits,
    ) {
        let frame = Frame {
            tick,
            base: Arc::clone(&self.end),
            position: Arc::clone(&position),
            bytes_max: content.bytes_max(&position),
            content,
            texts: PerForm::default(),
        };
        self.next_number += 1;
        self.end = position;
        self.bytes_max += frame.bytes_max;
        self.frames.push_back(Arc::new(frame));
        while self.frames.len() > limits.frames || self.bytes_max > limits.frame_bytes {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes_max -= oldest.bytes_max;
        }
    }

    /// The frames from `number` on; `None` if some of them are gone.
    pub(crate) fn from(&self, number: u64) -> Option<impl ExactSizeIterator<Item = &Arc<Frame>>> {
        let index = number.checked_sub(self.first_number())?;
        let index = usize::try_from(index).ok()?;
        (index <= self.frames.len()).then(|| self.frames.range(index..))
    }

    /// The number of the first frame that whoever has seen `position` still needs; `None` if
    /// it, or one after it, is gone.
    ///
    /// Frames that overlap what was seen are repeated, which changes nothing.
    pub(crate) fn resume(&self, position: &Position) -> Option<u64> {
        let seen = self
            .frames
            .partition_point(|frame| position.covers(&frame.position));
        let base = self.frames.front().map_or(&self.end, |frame| &frame.base);
        (seen > 0 || position.covers(base)).then(|| self.first_number() + seen as u64)
    }

    /// What the frames take on the heap, texts that were made included.
    pub(crate) fn heap_bytes(&self) -> usize {
        let frames = self.frames.iter().map(|frame| {
            let texts = frame.texts.iter().filter_map(OnceLock::get);
            let texts: usize = texts.map(|texts| texts.bytes).sum();
            size_of::<Frame>() + frame.content.heap_bytes() + texts
        });
        frames.sum()
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::{
        BoardName, Correction, Hash32, HuntNumber, PlayerNumber, RoundSchedule, Sequence, ShardId,
    };
    use huntcore_wire::LiveBoard;

    use super::*;
    use crate::board::BoardUpdate;
    use crate::names::Names;

    const LATEST: TimeMicros = TimeMicros::from_millis(253_402_300_799_999);

    fn longest(id: &str, claims: usize) -> (FrameContent, Arc<Position>) {
        let mut names = Names::default();
        names.push(Some(id));
        names.push(None);
        let round = RoundNumber::new(u64::MAX);
        let opened = RoundOpened {
            hunt: HuntNumber::new(u32::MAX),
            round,
            config_version: u32::MAX,
            map: Hash32::ZERO,
            commitment: Hash32::ZERO,
            layout: Hash32::ZERO,
            tiles: u32::MAX,
            schedule: RoundSchedule {
                opens_at: LATEST,
                closes_at: LATEST,
            },
        };
        let claim = |player| Claim {
            tile: TileIndex::new(u32::MAX),
            shard: ShardId::new(0),
            player: PlayerNumber::new(player),
            points: u32::MAX,
        };
        let mut position = Position::start();
        for shard in (1_000..1_024).chain([u16::MAX]) {
            position.advance(ShardId::new(shard), Sequence::new(u64::MAX));
        }
        let board = BoardUpdate::longest(id, &position);
        let listed = LiveBoard {
            board: BoardName::new(&"x".repeat(BoardName::BYTES_MAX)).expect("a name"),
            generation: u64::MAX,
        };
        let correction = |player| PlacedCorrection {
            shard: ShardId::new(0),
            sequence: Sequence::new(u64::MAX - 1),
            time: LATEST,
            player: PlayerNumber::new(player),
            what: Correction::ClaimVoided {
                round,
                tile: TileIndex::new(u32::MAX),
                points: u32::MAX,
                claimed: Sequence::new(0),
            },
            reason: "\u{1}".repeat(256),
        };
        let content = FrameContent {
            hunt: HuntId::new(&"x".repeat(HuntId::BYTES_MAX)).expect("a slug"),
            time: LATEST,
            oldest: round,
            rounds: [opened.clone(), opened].map(Arc::new).to_vec(),
            claims: (0..claims)
                .map(|index| (round, claim(u32::from(index % 2 == 1))))
                .collect(),
            closed: vec![round; 3],
            seeds: vec![
                LiveSeed {
                    round,
                    seed: Hash32::ZERO
                };
                2
            ],
            corrections: [0, 1].map(|player| Arc::new(correction(player))).to_vec(),
            voided: vec![(round, TileIndex::new(u32::MAX))],
            listed: Some(Arc::new(LiveBoards {
                version: u64::MAX,
                list: vec![listed; 19],
            })),
            state: Some(HuntStateName::Scheduled),
            boards: vec![Arc::new(board)],
            roster: Roster::new(&[names]),
            leaves_behind: true,
        };
        (content, Arc::new(position))
    }

    #[test]
    fn no_message_is_longer_than_it_was_said_to_be() {
        let ids = [
            "a",
            "player-000000000017",
            &"x".repeat(64),
            &"\u{1}".repeat(64),
            &"\"\\".repeat(32),
            &"ü".repeat(32),
        ];
        for id in ids {
            for claims in [0, 1, 500] {
                let (content, position) = longest(id, claims);
                let mut ring = Ring::new(0, Arc::clone(&position));
                ring.push(u64::MAX, position, content, &BroadcastLimits::default());
                let frame = &ring.frames[0];
                for form in LiveForm::ALL {
                    let (bytes, bytes_max) = (frame.bytes(form), frame.bytes_max());
                    assert!(bytes <= bytes_max, "{bytes} over {bytes_max}");
                    let payloads = frame.payloads(form).iter();
                    assert_eq!(payloads.map(Bytes::len).sum::<usize>(), bytes);
                }
            }
        }
    }

    #[test]
    fn a_ring_keeps_what_its_limits_have_room_for() {
        let (content, position) = longest("ada", 10);
        let bytes_max = content.bytes_max(&position);
        let limits = BroadcastLimits {
            frame_bytes: 3 * bytes_max,
            ..BroadcastLimits::default()
        };
        let mut ring = Ring::new(0, Arc::clone(&position));
        for tick in 1..=5 {
            let (content, position) = longest("ada", 10);
            ring.push(tick, position, content, &limits);
        }
        let ticks: Vec<u64> = ring.frames.iter().map(|frame| frame.tick()).collect();
        assert_eq!(ticks, [3, 4, 5]);
        assert_eq!((ring.first_number(), ring.next_number()), (2, 5));
    }
}
