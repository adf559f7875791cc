//! The items of a batch, and what came of each.

use huntcore_lane::Submission;
use huntcore_model::{AttemptRef, Outcome, OutcomeKind};
use huntcore_wire::{ClaimFault, ClaimForRef};

use super::HuntNames;
use crate::state::App;

/// More of a fault's description is not kept: it may quote what was sent.
const ERROR_BYTES_MAX: usize = 256;

/// Items of one submission that need no arbiter, and why; in order.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

#[derive(Debug)]
struct Note {
    index: usize,
    kind: OutcomeKind,
    error: String,
}

/// What came of an item.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    Decided(Outcome),
    Refused(OutcomeKind, &'a str),
}

impl Item<'_> {
    pub(crate) const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Decided(outcome) => outcome.kind(),
            Self::Refused(kind, _) => *kind,
        }
    }
}

impl Notes {
    /// Puts an item into `submission`, or a note of why it is no attempt.
    #[inline]
    pub(crate) fn put(
        &mut self,
        submission: &mut Submission,
        app: &App,
        hunts: &mut HuntNames,
        item: Result<ClaimForRef<'_>, ClaimFault>,
    ) {
        match item {
            Ok(claim) => match hunts.number(app, &claim.hunt) {
                Some(hunt) => submission.push(AttemptRef {
                    hunt,
                    round: claim.round,
                    tile: claim.tile,
                    player: &claim.player,
                }),
                None => {
                    let error = format!("there is no hunt {}", claim.hunt);
                    self.note(submission, OutcomeKind::UnknownHunt, error);
                }
            },
            Err(fault) => self.note(submission, OutcomeKind::Invalid, fault.to_string()),
        }
    }

    #[cold]
    fn note(&mut self, submission: &mut Submission, kind: OutcomeKind, mut error: String) {
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        self.0.push(Note {
            index: submission.len(),
            kind,
            error,
        });
        // It holds the place; the note says what really came of it.
        submission.push_answered(Outcome::UnknownHunt);
    }

    /// Gives what came of each item, in order. `outcomes` holds one for each, whether it was
    /// noted or not.
    #[inline]
    pub(crate) fn for_each(
        &self,
        outcomes: impl Iterator<Item = Outcome>,
        mut give: impl FnMut(Item<'_>),
    ) {
        let mut notes = self.0.iter();
        let mut next = notes.next();
        for (index, outcome) in outcomes.enumerate() {
            match next {
                Some(note) if note.index == index => {
                    give(Item::Refused(note.kind, &note.error));
                    next = notes.next();
                }
                _ => give(Item::Decided(outcome)),
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
