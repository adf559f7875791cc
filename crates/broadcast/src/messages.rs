//! What frames tell a class of clients, as messages.
//!
//! Frames that a client is sent together are told as the messages of one: each round, one
//! delta, and the latest of each board. A class that hears less is told less: nothing at all
//! if nothing of what it hears has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use huntcore_model::{BoardName, Position, RoundNumber};
use huntcore_wire::{
    DeltaMessage, HuntStateName, Interest, LiveBoards, LiveClaim, LiveForm, RoundMessage,
    ServerMessage,
};

use crate::Frame;
use crate::board::BoardText;
use crate::class::{Class, Layouts, NoLayout, Sight};
use crate::frame::FrameContent;

/// Frames in order, told as one.
pub(crate) struct Together<'a> {
    frames: &'a [&'a Frame],
    last: &'a Frame,
    /// The first frame whose boards are told.
    boards_from: usize,
}

/// One frame as those are told who hear everything: its boards apart.
pub(crate) fn everything(frame: &Frame, form: LiveForm) -> (Vec<Bytes>, Vec<Bytes>) {
    let (class, layouts) = (Class::everything(form), Layouts::default());
    let sight = Sight {
        class: &class,
        layouts: &layouts,
    };
    let alone = [frame];
    let alone = Together::new(&alone, 0).expect("there is one");
    let boards = alone.boards(sight.interest(), form).collect();
    let changes = alone.changes(sight, true);
    (changes.expect("everything needs no layout"), boards)
}

impl<'a> Together<'a> {
    /// Boards are told from the frame `boards_from` on: newer ones than those before were sent.
    /// `None` if there are no frames.
    pub(crate) fn new(frames: &'a [&'a Frame], boards_from: usize) -> Option<Self> {
        let last = frames.last()?;
        Some(Self {
            frames,
            last,
            boards_from: boards_from.min(frames.len()),
        })
    }

    /// What a class is told.
    pub(crate) fn messages(&self, sight: Sight<'_>) -> Result<Vec<Bytes>, NoLayout> {
        let boards: Vec<Bytes> = self.boards(sight.interest(), sight.form()).collect();
        let mut messages = self.changes(sight, !boards.is_empty())?;
        messages.extend(boards);
        Ok(messages)
    }

    /// What has been corrected, and which boards there are, for those who have seen `seen` and
    /// are sent boards before they are sent the frames. Nothing of it makes them go on from
    /// anywhere else.
    pub(crate) fn reasons(&self, seen: &Position, form: LiveForm) -> Option<Bytes> {
        let delta = DeltaMessage {
            resume: seen.into(),
            oldest: RoundNumber::FIRST,
            state: None,
            ..self.delta_of(None)
        };
        let tells = !delta.corrections.is_empty() || delta.boards.is_some();
        tells.then(|| ServerMessage::Delta(delta).encode(form))
    }

    /// What a class is told besides boards; a delta comes with these, too.
    fn changes(&self, sight: Sight<'_>, with_boards: bool) -> Result<Vec<Bytes>, NoLayout> {
        let (form, interest) = (sight.form(), sight.interest());
        let mut messages = Vec::new();
        if let Interest::Boards(_) = interest {
            // A delta of its own only for what concerns boards, or what the hunt is doing.
            let state = self.state();
            if state.is_some() || self.tells_of_boards() {
                messages.push(ServerMessage::Delta(self.delta_of(state)).encode(form));
            }
        } else {
            let claims = self.claims(sight)?;
            let tells = !claims.is_empty() || with_boards || self.tells_all();
            if tells || interest.is_everything() {
                let oldest = self.last.content().oldest;
                let contents = self.contents();
                messages.extend(contents.flat_map(|content| rounds(content, oldest, form)));
                messages.push(self.delta(claims, form));
            }
        }
        Ok(messages)
    }

    fn contents(&self) -> impl DoubleEndedIterator<Item = &'a FrameContent> {
        self.frames.iter().map(|frame| frame.content())
    }

    fn claims(&self, sight: Sight<'_>) -> Result<Vec<LiveClaim>, NoLayout> {
        let oldest = self.last.content().oldest;
        let mut claims = Vec::new();
        for content in self.contents() {
            for claim in &content.claims {
                let (round, tile) = (claim.0, claim.1.tile);
                if round >= oldest && sight.sees(round, tile)? {
                    claims.push(live(content, claim));
                }
            }
        }
        Ok(claims)
    }

    /// Whether something has changed that everybody with claims hears of.
    fn tells_all(&self) -> bool {
        self.contents().any(|content| {
            !(content.rounds.is_empty() && content.closed.is_empty() && content.seeds.is_empty())
                || content.state.is_some()
                || content.leaves_behind
        }) || self.tells_of_boards()
    }

    /// Whether something was corrected, or there are other boards.
    fn tells_of_boards(&self) -> bool {
        self.contents()
            .any(|content| !content.corrections.is_empty() || content.listed.is_some())
    }

    /// Which boards there are, if that was said.
    fn listed(&self) -> Option<&'a LiveBoards> {
        let mut contents = self.contents().rev();
        contents.find_map(|content| content.listed.as_deref())
    }

    fn state(&self) -> Option<HuntStateName> {
        self.contents().rev().find_map(|content| content.state)
    }

    fn delta(&self, claims: Vec<LiveClaim>, form: LiveForm) -> Bytes {
        let contents = || self.contents();
        let closed = contents().flat_map(|content| content.closed.iter().copied());
        let seeds = contents().flat_map(|content| content.seeds.iter().copied());
        let delta = DeltaMessage {
            claims,
            closed: closed.collect(),
            seeds: seeds.collect(),
            ..self.delta_of(self.state())
        };
        ServerMessage::Delta(delta.without_old_rounds()).encode(form)
    }

    /// A delta without rounds and claims.
    fn delta_of(&self, state: Option<HuntStateName>) -> DeltaMessage {
        let first = self.frames.first().filter(|_| self.frames.len() > 1);
        let corrections = self.contents().flat_map(|content| {
            let corrections = content.corrections.iter();
            corrections.map(|correction| correction.message(&content.roster))
        });
        DeltaMessage {
            from_tick: first.map(|first| first.tick()),
            corrections: corrections.collect(),
            boards: self.listed().cloned(),
            ..quiet(self.last, state)
        }
    }

    /// The latest of each board that there still is.
    fn boards(&self, interest: &Interest, form: LiveForm) -> impl Iterator<Item = Bytes> {
        let mut latest: BTreeMap<BoardName, &Arc<BoardText>> = BTreeMap::new();
        for frame in &self.frames[self.boards_from..] {
            let boards = frame.content().boards.iter();
            latest.extend(boards.map(|board| (board.name(), board)));
        }
        let listed = self.listed();
        let shown = latest.into_values().filter(move |board| {
            let generation = board.message().generation;
            interest.shows_board(board.name())
                && listed.is_none_or(|listed| listed.admits(board.name(), generation))
        });
        shown.map(move |board| board.text(form).clone())
    }
}

fn rounds(
    content: &FrameContent,
    oldest: RoundNumber,
    form: LiveForm,
) -> impl Iterator<Item = Bytes> {
    let shown = content.rounds.iter();
    let shown = shown.filter(move |opened| opened.round >= oldest);
    shown.map(move |opened| {
        let round = RoundMessage::new(&content.hunt, opened, content.time);
        ServerMessage::Round(round).encode(form)
    })
}

fn live(content: &FrameContent, &(round, claim): &(RoundNumber, crate::round::Claim)) -> LiveClaim {
    LiveClaim {
        round,
        tile: claim.tile,
        player: content.roster.player(claim.shard, claim.player),
        points: claim.points,
        voided: content.is_voided(round, claim.tile),
    }
}

/// A frame's delta without anything that has changed.
fn quiet(frame: &Frame, state: Option<HuntStateName>) -> DeltaMessage {
    let content = frame.content();
    DeltaMessage {
        server_time: content.time.into(),
        tick: frame.tick(),
        from_tick: None,
        resume: frame.position().into(),
        oldest: content.oldest,
        claims: Vec::new(),
        closed: Vec::new(),
        seeds: Vec::new(),
        state,
        corrections: Vec::new(),
        boards: None,
    }
}
