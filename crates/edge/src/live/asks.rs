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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use huntcore_lane::{EntranceLimits, LaneOptions, ShardPort, exchange};
    use huntcore_model::ShardMap;

    use super::super::wheel::TickClock;
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn asks(submissions_max: usize) -> (Asks, ShardPort) {
        let shards = ShardMap::new(1).expect("one shard");
        let (entrance, mut ports) = exchange(shards, EntranceLimits::default());
        let lane = entrance.lane(LaneOptions { submissions_max });
        (Asks::new(lane), ports.remove(0))
    }

    fn ask(asks: &mut Asks, socket: u64, id: &str, now: Tick) {
        let claim = ClaimText {
            id,
            round: RoundNumber::new(1),
            tile: TileIndex::new(2),
        };
        assert!(asks.has_room());
        asks.ask(
            Key::from_number(socket),
            HuntNumber::new(3),
            "ada",
            &claim,
            now,
        );
    }

    fn ids(asked: &Asked) -> Vec<(u64, String)> {
        let outcomes = std::iter::repeat(Outcome::Expired);
        let each = asked.with(outcomes);
        each.map(|(key, claim, _)| (key.number(), claim.id.to_owned()))
            .collect()
    }

    fn decide(port: &ShardPort) {
        let mut block = port.pop().expect("something was asked");
        let (attempts, outcomes) = block.parts_mut();
        outcomes.resize(attempts.len(), Outcome::Expired);
        block.answer();
    }

    #[test]
    fn answers_find_who_asked_in_buffers_used_before() {
        let now = TickClock::new(Instant::now()).tick(Instant::now());
        let (mut asks, port) = asks(2);
        for _ in 0..3 {
            asks.submit(now);
            assert!(port.is_empty(), "nothing to ask");
            for (socket, id) in [(7, "a"), (7, "bc"), (1 << 32, "d")] {
                ask(&mut asks, socket, id, now);
            }
            asks.submit(now);
            decide(&port);
            let (submission, asked) = asks.answered().expect("decided");
            let expected = [(7, "a"), (7, "bc"), (1 << 32, "d")];
            let expected = expected.map(|(socket, id)| (socket, id.to_owned()));
            assert_eq!(ids(&asked), expected);
            asks.recycle(submission, asked);
        }
    }

    #[test]
    fn what_is_given_up_is_told_once_and_its_answer_thrown_away() {
        let now = TickClock::new(Instant::now()).tick(Instant::now());
        let (mut asks, port) = asks(2);
        ask(&mut asks, 1, "early", now);
        asks.submit(now);
        let later = now.after(TIMEOUT / 2);
        ask(&mut asks, 2, "late", later);
        asks.submit(later);
        assert!(!asks.has_room() && !asks.is_stuck(), "worth waiting for");
        assert_eq!(asks.deadline(TIMEOUT), Some(now.after(TIMEOUT)));
        assert!(asks.give_up(TIMEOUT, later).is_none());
        let given_up = asks.give_up(TIMEOUT, now.after(TIMEOUT)).expect("overdue");
        assert_eq!(ids(&given_up), [(1, "early".to_owned())]);
        assert!(asks.give_up(TIMEOUT, now.after(TIMEOUT)).is_none());
        assert_eq!(asks.deadline(TIMEOUT), Some(later.after(TIMEOUT)));
        assert!(!asks.has_room() && asks.is_stuck(), "not worth waiting for");
        decide(&port);
        decide(&port);
        for expected in [vec![], vec![(2, "late".to_owned())]] {
            let (submission, asked) = asks.answered().expect("decided");
            assert_eq!(ids(&asked), expected);
            asks.recycle(submission, asked);
        }
        assert!(asks.has_room() && !asks.is_stuck());
    }
}
