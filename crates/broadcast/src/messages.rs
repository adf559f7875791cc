//! What frames tell a class of clients, as messages.
//!
//! Frames that a client is sent together are told as the messages of one: each round, one
//! delta, and the latest of each board. A class that hears less is told less: nothing at all
//! if nothing of what it hears has changed.

use bytes::Bytes;
use huntcore_model::{BoardName, RoundNumber};
use huntcore_wire::{
    DeltaMessage, HuntStateName, Interest, LiveClaim, LiveForm, RoundMessage, ServerMessage,
};

use crate::Frame;
use crate::class::{Class, Layouts, NoLayout, Sight};
use crate::frame::FrameContent;

/// Frames in order, told as one.
pub(crate) struct Together<'a> {
    frames: &'a [&'a Frame],
    last: &'a Frame,
}

/// One frame as those are told who hear everything.
pub(crate) fn everything(frame: &Frame, form: LiveForm) -> Vec<Bytes> {
    let (class, layouts) = (Class::everything(form), Layouts::default());
    let sight = Sight {
        class: &class,
        layouts: &layouts,
    };
    let alone = [frame];
    let alone = Together::new(&alone).expect("there is one");
    alone.messages(sight).expect("everything needs no layout")
}

impl<'a> Together<'a> {
    /// `None` if there are no frames.
    pub(crate) fn new(frames: &'a [&'a Frame]) -> Option<Self> {
        let last = frames.last()?;
        Some(Self { frames, last })
    }

    /// What a class is told.
    pub(crate) fn messages(&self, sight: Sight<'_>) -> Result<Vec<Bytes>, NoLayout> {
        let (form, interest) = (sight.form(), sight.interest());
        let mut messages = Vec::new();
        let boards: Vec<Bytes> = self.boards(interest, form).collect();
        if let Interest::Boards(_) = interest {
            // A delta of its own only for what the hunt is doing.
            messages.extend(self.state().map(|state| self.delta_of_state(state, form)));
        } else {
            let claims = self.claims(sight)?;
            let tells = !claims.is_empty() || !boards.is_empty() || self.tells_all();
            if tells || interest.is_everything() {
                let oldest = self.last.content().oldest;
                let contents = self.contents();
                messages.extend(contents.flat_map(|content| rounds(content, oldest, form)));
                messages.push(self.delta(claims, form));
            }
        }
        messages.extend(boards);
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
        })
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

    fn delta_of_state(&self, state: HuntStateName, form: LiveForm) -> Bytes {
        ServerMessage::Delta(self.delta_of(Some(state))).encode(form)
    }

    fn delta_of(&self, state: Option<HuntStateName>) -> DeltaMessage {
        let first = self.frames.first().filter(|_| self.frames.len() > 1);
        DeltaMessage {
            from_tick: first.map(|first| first.tick()),
            ..quiet(self.last, state)
        }
    }

    /// The latest of each board.
    fn boards(&self, interest: &Interest, form: LiveForm) -> impl Iterator<Item = Bytes> {
        let shown = BoardName::BUILT_IN.into_iter();
        let shown = shown.filter(|&name| interest.shows_board(name));
        shown.filter_map(move |name| {
            let boards = self.contents().rev().flat_map(|content| &content.boards);
            let latest = boards.into_iter().find(|board| board.name() == name)?;
            Some(latest.text(form).clone())
        })
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
        player: content.roster.player(&claim),
        points: claim.points,
        voided: false,
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
