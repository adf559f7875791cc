//! A frame: what one tick has changed, as ready texts; and the ring of the last ones.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use huntcore_model::{Position, RoundNumber};
use huntcore_wire::{BoardName, DeltaMessage, ServerMessage};

use crate::BroadcastLimits;

/// What one tick has changed in one hunt, shared by every client.
///
/// Each payload is one text message: the rounds that opened, then the delta, then the boards
/// that changed. A transport puts its own header before each.
#[derive(Debug)]
pub struct Frame {
    tick: u64,
    base: Arc<Position>,
    position: Arc<Position>,
    payloads: Vec<Bytes>,
    bytes: usize,
    rounds: Vec<RoundNumber>,
    delta: DeltaMessage,
    boards: Vec<BoardName>,
}

/// The parts of a frame to be.
#[derive(Debug)]
pub(crate) struct FrameParts {
    pub(crate) tick: u64,
    pub(crate) position: Arc<Position>,
    pub(crate) rounds: Vec<(RoundNumber, Bytes)>,
    pub(crate) delta: DeltaMessage,
    pub(crate) boards: Vec<(BoardName, Bytes)>,
}

/// The last frames of a hunt, without gaps.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    frames: VecDeque<Arc<Frame>>,
    next_number: u64,
    /// Whoever has seen this needs no frame.
    end: Arc<Position>,
    bytes: usize,
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

    /// The texts to send, in order; shared, so a clone of one is a count.
    #[must_use]
    pub fn payloads(&self) -> &[Bytes] {
        &self.payloads
    }

    /// Length of all payloads.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn claims(&self) -> usize {
        self.delta.claims.len()
    }

    fn round_payloads(&self) -> impl Iterator<Item = (RoundNumber, &Bytes)> {
        self.rounds.iter().copied().zip(&self.payloads)
    }

    fn board_payloads(&self) -> impl Iterator<Item = (BoardName, &Bytes)> {
        let first = self.payloads.len() - self.boards.len();
        self.boards.iter().copied().zip(&self.payloads[first..])
    }
}

impl Ring {
    /// A ring that nobody can resume in from before `position`.
    pub(crate) const fn new(next_number: u64, position: Arc<Position>) -> Self {
        Self {
            frames: VecDeque::new(),
            next_number,
            end: position,
            bytes: 0,
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
    pub(crate) fn push(&mut self, parts: FrameParts, limits: &BroadcastLimits) {
        let FrameParts {
            tick,
            position,
            rounds,
            delta,
            boards,
        } = parts;
        let (rounds, mut payloads): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
        let (delta, text) = written(delta);
        payloads.push(text);
        let (boards, texts): (Vec<_>, Vec<_>) = boards.into_iter().unzip();
        payloads.extend(texts);
        let bytes = payloads.iter().map(Bytes::len).sum();
        let frame = Frame {
            tick,
            base: Arc::clone(&self.end),
            position: Arc::clone(&position),
            payloads,
            bytes,
            rounds,
            delta,
            boards,
        };
        self.next_number += 1;
        self.end = position;
        self.bytes += bytes;
        self.frames.push_back(Arc::new(frame));
        while self.frames.len() > limits.frames || self.bytes > limits.frame_bytes {
            let Some(oldest) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes;
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
}

/// Frames missed by a slow client as the messages of one: each round, one delta, and the
/// latest of each board.
pub(crate) fn merged(frames: &[&Arc<Frame>]) -> Vec<Bytes> {
    let Some((first, rest)) = frames.split_first() else {
        return Vec::new();
    };
    let mut delta = first.delta.clone();
    for frame in rest {
        let later = &frame.delta;
        delta.server_time = later.server_time;
        delta.tick = later.tick;
        delta.from_tick = Some(first.tick);
        delta.resume.clone_from(&later.resume);
        delta.oldest = later.oldest;
        delta.claims.extend_from_slice(&later.claims);
        delta.closed.extend_from_slice(&later.closed);
        delta.seeds.extend_from_slice(&later.seeds);
        delta.state = later.state.or(delta.state);
    }
    let delta = delta.without_old_rounds();
    let mut messages: Vec<Bytes> = frames
        .iter()
        .flat_map(|frame| frame.round_payloads())
        .filter(|&(round, _)| round >= delta.oldest)
        .map(|(_, text)| text.clone())
        .collect();
    messages.push(written(delta).1);
    for board in BoardName::ALL {
        let latest = frames
            .iter()
            .rev()
            .flat_map(|frame| frame.board_payloads())
            .find(|&(name, _)| name == board);
        messages.extend(latest.map(|(_, text)| text.clone()));
    }
    messages
}

fn written(delta: DeltaMessage) -> (DeltaMessage, Bytes) {
    let message = ServerMessage::Delta(delta);
    let text = Bytes::from(message.to_json());
    match message {
        ServerMessage::Delta(delta) => (delta, text),
        _ => unreachable!("made of a delta just above"),
    }
}
