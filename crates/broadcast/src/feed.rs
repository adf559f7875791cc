//! What clients of a hunt read: an immutable version of its frames and its snapshot.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use huntcore_model::{
    BoardName, HuntId, HuntNumber, Position, RoundNumber, RoundOpened, TimeMicros,
};
use huntcore_wire::{
    HuntStateName, Interest, LiveBoards, LiveForm, PositionText, ServerMessage, SnapshotMessage,
};

use crate::board::BoardText;
use crate::class::{NoLayout, Sight};
use crate::corrections::LastCorrections;
use crate::forms::PerForm;
use crate::frame::Ring;
use crate::messages::Together;
use crate::names::Roster;
use crate::round::RoundShown;
use crate::{Class, Frame, Layouts};

/// Every hunt's feed.
pub type Feeds = HashMap<HuntNumber, Arc<FeedVersion>>;

/// A hunt's feed as of one tick; shared by all its readers, never changed.
#[derive(Debug)]
pub struct FeedVersion {
    hunt: HuntId,
    tick: u64,
    time: TimeMicros,
    position: Arc<Position>,
    roster: Roster,
    ring: Ring,
    shown: Shown,
    snapshots: PerForm<OnceLock<Bytes>>,
}

/// A feed as one class of clients reads it.
#[derive(Clone, Copy, Debug)]
pub struct ClassFeed<'a> {
    feed: &'a FeedVersion,
    sight: Sight<'a>,
}

/// How far a client has been sent a feed. Means nothing to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    next: u64,
    /// Boards of frames before this one are not told: newer ones have been sent (I6).
    boards_from: u64,
}

/// How a client begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// Whether the changes since the client's position follow; otherwise a snapshot is among
    /// the messages.
    pub resumed: bool,
    /// What stands in `subscribed`: where the stream goes on from.
    pub resume: PositionText,
    /// To be sent right after `subscribed`.
    pub messages: Vec<Bytes>,
    /// Where [`ClassFeed::next`] goes on.
    pub cursor: Cursor,
}

/// What a client is to be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// What it has missed; no message if nothing of that is what it hears of.
    Messages {
        /// In order.
        messages: Vec<Bytes>,
        /// Where to go on.
        cursor: Cursor,
    },
    /// It has missed too much: everything, in place of the changes.
    Snapshot {
        /// In order.
        messages: Vec<Bytes>,
        /// Where to go on.
        cursor: Cursor,
    },
    /// A round's layout is missing, without which its claims cannot be told apart.
    NoLayout,
}

/// What a snapshot shows.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) state: HuntStateName,
    pub(crate) oldest: RoundNumber,
    pub(crate) rounds: Vec<(RoundNumber, Arc<RoundShown>)>,
    pub(crate) boards: Vec<Arc<BoardText>>,
    pub(crate) listed: Arc<LiveBoards>,
    pub(crate) corrections: LastCorrections,
}

/// The place of a version in its process's time.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) tick: u64,
    pub(crate) time: TimeMicros,
    pub(crate) position: Arc<Position>,
    pub(crate) roster: Roster,
}

impl FeedVersion {
    pub(crate) fn new(hunt: HuntId, cut: Cut, ring: Ring, shown: Shown) -> Self {
        Self {
            hunt,
            tick: cut.tick,
            time: cut.time,
            position: cut.position,
            roster: cut.roster,
            ring,
            shown,
            snapshots: PerForm::default(),
        }
    }

    pub(crate) const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The hunt's public name.
    #[must_use]
    pub const fn hunt(&self) -> &HuntId {
        &self.hunt
    }

    /// The tick of the last change, in the process's own count.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// How far the log is folded in.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// What the hunt is doing.
    #[must_use]
    pub const fn state(&self) -> HuntStateName {
        self.shown.state
    }

    /// Rounds before this one are not shown.
    #[must_use]
    pub const fn oldest(&self) -> RoundNumber {
        self.shown.oldest
    }

    /// The rounds shown, oldest first.
    pub fn rounds(&self) -> impl Iterator<Item = &RoundOpened> {
        self.shown.rounds.iter().map(|(_, round)| round.opened())
    }

    /// The feed as clients of `class` read it. `layouts` are those of the hunt's rounds; only
    /// a class that [needs](Class::needs_layouts) them looks at them.
    #[must_use]
    pub const fn of<'a>(&'a self, class: &'a Class, layouts: &'a Layouts) -> ClassFeed<'a> {
        ClassFeed {
            feed: self,
            sight: Sight { class, layouts },
        }
    }

    /// The frames that the client at `cursor` has missed, for transports with their own way
    /// of writing; `None` if some are gone and it needs a snapshot.
    pub fn frames(&self, cursor: &Cursor) -> Option<impl ExactSizeIterator<Item = &Arc<Frame>>> {
        self.ring.from(cursor.next)
    }

    /// Where a client is that has been sent everything.
    #[must_use]
    pub const fn end(&self) -> Cursor {
        Cursor {
            next: self.ring.next_number(),
            boards_from: 0,
        }
    }

    /// The snapshot of those who hear everything; written when it is first asked for, then
    /// shared.
    #[must_use]
    pub fn snapshot(&self, form: LiveForm) -> &Bytes {
        self.snapshots.get(form).get_or_init(|| {
            let (class, layouts) = (Class::everything(form), Layouts::default());
            let written = self.of(&class, &layouts).write_snapshot();
            written.expect("everything needs no layout")
        })
    }

    fn claims_shown(&self) -> usize {
        let rounds = self.shown.rounds.iter();
        rounds.map(|(_, round)| round.claims()).sum()
    }
}

impl ClassFeed<'_> {
    /// Where a client begins that has seen `resume`, on whichever process and with the same
    /// interest, or nothing; `None` if a round's layout is missing.
    ///
    /// A process that is behind the one the client comes from should wait, for a bounded
    /// time, until its log is folded up to `resume`: only then can no board go back (I6).
    /// What the client has made of all messages in the end is right either way.
    #[must_use]
    pub fn start(&self, resume: Option<&Position>) -> Option<Start> {
        let resumed = resume.and_then(|seen| Some((seen, self.feed.ring.resume(seen)?)));
        match resumed {
            Some((seen, next)) => Some(self.resumed(seen, next)),
            None => Some(Start {
                resumed: false,
                resume: (&*self.feed.position).into(),
                messages: self.snapshot_messages().ok()?,
                cursor: self.feed.end(),
            }),
        }
    }

    /// How a client of another class goes on that has been sent this feed up to `cursor` and
    /// [hears of the same claims](Interest::shows_same_claims): with the boards that it hears
    /// of now. `None` if it has missed too much for that.
    #[must_use]
    pub fn go_on(&self, cursor: Cursor) -> Option<Start> {
        let mut frames = self.feed.ring.from(cursor.next)?;
        let resume = frames
            .next()
            .map_or(self.feed.position(), |frame| frame.base());
        Some(self.resumed(resume, cursor.next))
    }

    /// How a client goes on that has seen `seen` and needs the frames from `next` on.
    ///
    /// It is sent all boards at once: another process may have sent others, and those in the
    /// frames may be older (I6). Why somebody is not on them any more comes first.
    fn resumed(&self, seen: &Position, next: u64) -> Start {
        let form = self.sight.form();
        let missed = self.feed.ring.from(next).into_iter().flatten();
        let missed: Vec<&Frame> = missed.map(Arc::as_ref).collect();
        let reasons = Together::new(&missed, 0).and_then(|missed| missed.reasons(seen, form));
        let mut messages: Vec<Bytes> = reasons.into_iter().collect();
        messages.extend(self.board_messages(true));
        let end = self.feed.end();
        let cursor = match missed.is_empty() {
            true => end,
            false => Cursor {
                next,
                boards_from: end.next,
            },
        };
        Start {
            resumed: true,
            resume: seen.into(),
            messages,
            cursor,
        }
    }

    /// What the client at `cursor` is to be sent: frame by frame if it has missed at most
    /// `merge_over`, else merged into one delta, or a snapshot if that is no longer.
    #[must_use]
    pub fn next(&self, cursor: &Cursor, merge_over: usize) -> Next {
        self.try_next(cursor, merge_over)
            .unwrap_or_else(|NoLayout| Next::NoLayout)
    }

    /// Whether a client that has seen this much goes on without a snapshot.
    #[must_use]
    pub fn resumes(&self, seen: &Position) -> bool {
        self.feed.ring.resume(seen).is_some()
    }

    /// How many claims [`Self::start`] has to look at for a snapshot, where one that is there
    /// already counts as none: what it costs, without doing it.
    #[must_use]
    pub fn start_cost(&self) -> usize {
        let is_made = || self.feed.snapshots.get(self.sight.form()).get().is_some();
        match self.sight.interest() {
            Interest::Boards(_) => 0,
            Interest::Everything if is_made() => 0,
            Interest::Everything | Interest::Cells(_) => self.feed.claims_shown(),
        }
    }

    /// How many claims [`Self::next`] has to look at.
    #[must_use]
    pub fn next_cost(&self, cursor: &Cursor, merge_over: usize) -> usize {
        if !self.sight.interest().shows_rounds() {
            return 0;
        }
        let Some(frames) = self.feed.ring.from(cursor.next) else {
            return self.start_cost();
        };
        let shares = frames.len() <= merge_over.max(1) && self.sight.interest().is_everything();
        let costs = frames.filter(|frame| !shares || !frame.is_made(self.sight.form()));
        let missed: usize = costs.map(|frame| frame.content().claims.len()).sum();
        if shares {
            missed
        } else {
            missed.min(self.feed.claims_shown())
        }
    }

    fn try_next(&self, cursor: &Cursor, merge_over: usize) -> Result<Next, NoLayout> {
        let feed = self.feed;
        let cursor_at_end = feed.end();
        let Some(frames) = feed.ring.from(cursor.next) else {
            return Ok(Next::Snapshot {
                messages: self.snapshot_messages()?,
                cursor: cursor_at_end,
            });
        };
        if frames.len() == 0 {
            return Ok(Next::Wait);
        }
        let frames: Vec<&Frame> = frames.map(Arc::as_ref).collect();
        let boards_from = cursor.boards_from.saturating_sub(cursor.next);
        let boards_from = usize::try_from(boards_from).unwrap_or(usize::MAX);
        let mut messages = Vec::new();
        if frames.len() <= merge_over.max(1) {
            for (index, frame) in frames.iter().enumerate() {
                self.tell(frame, index >= boards_from, &mut messages)?;
            }
        } else {
            let missed: usize = frames
                .iter()
                .map(|frame| frame.content().claims.len())
                .sum();
            if missed > feed.claims_shown() {
                return Ok(Next::Snapshot {
                    messages: self.snapshot_messages()?,
                    cursor: cursor_at_end,
                });
            }
            let together = Together::new(&frames, boards_from).expect("some were missed");
            messages = together.messages(self.sight)?;
        }
        Ok(Next::Messages {
            messages,
            cursor: cursor_at_end,
        })
    }

    /// Tells one frame, with or without its boards.
    fn tell(
        &self,
        frame: &Frame,
        with_boards: bool,
        messages: &mut Vec<Bytes>,
    ) -> Result<(), NoLayout> {
        let form = self.sight.form();
        if self.sight.interest().is_everything() {
            messages.extend_from_slice(match with_boards {
                true => frame.payloads(form),
                false => frame.payloads_before_boards(form),
            });
        } else {
            let alone = [frame];
            let boards_from = usize::from(!with_boards);
            let alone = Together::new(&alone, boards_from).expect("there is one");
            messages.append(&mut alone.messages(self.sight)?);
        }
        Ok(())
    }

    fn snapshot_messages(&self) -> Result<Vec<Bytes>, NoLayout> {
        let snapshot = match self.sight.interest() {
            Interest::Everything => self.feed.snapshot(self.sight.form()).clone(),
            Interest::Cells(_) | Interest::Boards(_) => self.write_snapshot()?,
        };
        let mut messages = vec![snapshot];
        messages.extend(self.board_messages(false));
        Ok(messages)
    }

    fn write_snapshot(&self) -> Result<Bytes, NoLayout> {
        let feed = self.feed;
        let interest = self.sight.interest();
        let shown = feed.shown.rounds.iter();
        let shown = shown.filter(|_| interest.shows_rounds());
        let rounds = shown.map(|(number, round)| round.message(*number, &feed.roster, self.sight));
        let mut boards = feed.shown.boards.iter();
        let total = boards.find(|board| board.name() == BoardName::TOTAL);
        let total = total.filter(|board| interest.shows_board(board.name()));
        let snapshot = SnapshotMessage {
            server_time: feed.time.into(),
            tick: feed.tick,
            resume: (&*feed.position).into(),
            hunt: feed.hunt.clone(),
            state: feed.shown.state,
            oldest: feed.shown.oldest,
            rounds: rounds.collect::<Result<_, _>>()?,
            board: total.map(|board| board.message().clone()),
            corrections: feed
                .shown
                .corrections
                .iter()
                .map(|correction| correction.message(&feed.roster))
                .collect(),
            boards: Some((*feed.shown.listed).clone()),
        };
        Ok(ServerMessage::Snapshot(snapshot).encode(self.sight.form()))
    }

    fn board_messages(&self, with_total: bool) -> impl Iterator<Item = Bytes> {
        let boards = self.feed.shown.boards.iter();
        let told = boards.filter(move |board| {
            let is_told = with_total || board.name() != BoardName::TOTAL;
            is_told && self.sight.interest().shows_board(board.name())
        });
        told.map(|board| board.text(self.sight.form()).clone())
    }
}
