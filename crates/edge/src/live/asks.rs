//! What a reactor has asked the arbiters, and for whom.
//!
//! All attempts read in one turn of the loop form one submission. What was asked for whom is
//! kept beside it in recycled buffers, so an attempt costs no allocation.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use huntcore_lane::{Lane, Submission};
use huntcore_model::{AttemptRef, HuntNumber, Outcome, RoundNumber, TileIndex};
use huntcore_wire::ClaimText;

use super::slots::Key;
use super::wheel::Tick;

/// Submissions that a reactor's lane may have out: under load they grow instead.
pub(super) const SUBMISSIONS_MAX: usize = 64;

/// See the module.
pub(super) struct Asks {
    lane: Lane,
    filling: Option<(Submission, Asked)>,
    /// In the order of submission.
    out: VecDeque<Asked>,
    /// What came back while nobody had time for it.
    returned: Option<Submission>,
    free: Vec<Asked>,
}

/// Who asked what in one submission.
#[derive(Debug, Default)]
pub(super) struct Asked {
    attempts: Vec<Attempt>,
    /// The claims' ids, end to end.
    ids: String,
    /// When; `None` while it is being filled.
    at: Option<Tick>,
    /// Nobody waits for the answer any more.
    is_given_up: bool,
}

#[derive(Debug)]
struct Attempt {
    socket: Key,
    round: RoundNumber,
    tile: TileIndex,
    id_end: u32,
}

impl Asks {
    pub(super) const fn new(lane: Lane) -> Self {
        Self {
            lane,
            filling: None,
            out: VecDeque::new(),
            returned: None,
            free: Vec::new(),
        }
    }

    /// Whether [`Self::ask`] may be called.
    pub(super) fn has_room(&mut self) -> bool {
        if self.filling.is_none() {
            let submission = self.lane.start();
            self.filling = submission.map(|empty| (empty, self.free.pop().unwrap_or_default()));
        }
        self.filling.is_some()
    }

    /// The arbiters have not answered for so long that there is no point in waiting for room.
    pub(super) fn is_stuck(&self) -> bool {
        self.out.front().is_some_and(|oldest| oldest.is_given_up)
    }

    /// Asks for `socket`. There is room.
    pub(super) fn ask(
        &mut self,
        socket: Key,
        hunt: HuntNumber,
        player: &str,
        claim: &ClaimText<'_>,
        now: Tick,
    ) {
        let (submission, asked) = self.filling.as_mut().expect("there is room");
        submission.push(AttemptRef {
            hunt,
            round: claim.round,
            tile: claim.tile,
            player,
        });
        asked.ids.push_str(claim.id);
        asked.attempts.push(Attempt {
            socket,
            round: claim.round,
            tile: claim.tile,
            id_end: u32::try_from(asked.ids.len()).expect("bounded ids of bounded number"),
        });
        if submission.is_full() {
            self.submit(now);
        }
    }

    /// Hands in what has been asked.
    pub(super) fn submit(&mut self, now: Tick) {
        let filled = self
            .filling
            .take_if(|(submission, _)| !submission.is_empty());
        if let Some((submission, mut asked)) = filled {
            asked.at = Some(now);
            self.lane.submit(submission);
            self.out.push_back(asked);
        }
    }

    /// The next submission that has come back, and who asked what in it.
    pub(super) fn answered(&mut self) -> Option<(Submission, Asked)> {
        let submission = self.returned.take().or_else(|| self.lane.try_answered())?;
        let asked = self.out.pop_front().expect("it was asked by somebody");
        Some((submission, asked))
    }

    /// Whether something has come back; if not, the waker is called when it has.
    pub(super) fn has_answer(&mut self, context: &mut Context<'_>) -> bool {
        if self.returned.is_none()
            && let Poll::Ready(answered) = self.lane.poll_answered(context)
        {
            self.returned = answered;
        }
        self.returned.is_some()
    }

    pub(super) fn recycle(&mut self, submission: Submission, mut asked: Asked) {
        self.lane.recycle(submission);
        asked.attempts.clear();
        asked.ids.clear();
        asked.at = None;
        asked.is_given_up = false;
        self.free.push(asked);
    }

    /// When the oldest question that somebody waits for is given up.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Tick> {
        let waiting = self.out.iter().find(|asked| !asked.is_given_up)?;
        Some(waiting.at?.after(timeout))
    }

    /// Gives up the oldest question asked longer than `timeout` ago, and says who asked it.
    /// The answer is thrown away when it comes.
    pub(super) fn give_up(&mut self, timeout: Duration, now: Tick) -> Option<Asked> {
        let waiting = self.out.iter_mut().find(|asked| !asked.is_given_up)?;
        if waiting.at?.after(timeout) > now {
            return None;
        }
        waiting.is_given_up = true;
        let (attempts, ids) = (
            std::mem::take(&mut waiting.attempts),
            std::mem::take(&mut waiting.ids),
        );
        Some(Asked {
            attempts,
            ids,
            ..Asked::default()
        })
    }
}

impl Asked {
    /// Each attempt's socket and claim, in order, with its outcome.
    pub(super) fn with<'a>(
        &'a self,
        outcomes: impl Iterator<Item = Outcome> + 'a,
    ) -> impl Iterator<Item = (Key, ClaimText<'a>, Outcome)> + 'a {
        let mut id_start = 0;
        self.attempts
            .iter()
            .zip(outcomes)
            .map(move |(attempt, outcome)| {
                let id_end = attempt.id_end as usize;
                let claim = ClaimText {
                    id: &self.ids[id_start..id_end],
                    round: attempt.round,
                    tile: attempt.tile,
                };
                id_start = id_end;
                (attempt.socket, claim, outcome)
            })
    }
}
