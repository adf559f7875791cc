//! The whole node but for the network: lanes, arbiter, log with its syncs, projections.
//!
//! One thread asks, through one lane; it shares the machine with what it measures, so what
//! it takes of the CPU is told with each figure.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use huntcore_edge::Backend as _;
use huntcore_lane::{ATTEMPTS_MAX, Lane, LaneOptions, Submission};
use huntcore_model::{AttemptRef, HuntNumber, OutcomeKind, RoundNumber, TileIndex};

use super::world::{World, WorldOptions};
use crate::claims::Run;
use crate::load::{
    CpuShare, Crowd, HUNT_TILES, Latency, Pacer, Sleeper, Source, ThreadCpu, Winners, rate,
};
use crate::peers::redis::PIPELINED;
use crate::report::{BenchError, Row, resident_bytes};

/// Attempts handed in together by a closed loop.
const BLOCK: usize = 1_000;
/// Submissions of a closed loop that are out at one time: about three commits' worth.
const OUT_MAX: usize = 32;
/// Of an open loop, which goes on sending while answers are late.
const OPEN_OUT_MAX: usize = 512;
/// An open loop hands in what is due this often.
const TURN: Duration = Duration::from_micros(200);
/// For the answers still missing at the end of an open loop.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// No faster run is expected; sizes the ground.
const RATE_MAX: u64 = 10_000_000;
/// What all hunts may have open at one time, the next round of each counted in.
const HUNTS_MAX: u64 = 32;

/// How attempts are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// As fast as answers come back.
    Closed,
    /// So many a second, whatever comes back.
    Open(u64),
    /// The same far beyond what can be decided: what is refused is offered again, as clients
    /// do. A generator that shares the machine may not keep up with that, so latency counts
    /// from when attempts are handed in, and what was really offered is told.
    Flood(u64),
}

/// What a run through lanes came to.
#[derive(Debug)]
pub(crate) struct Raced {
    pub(crate) sent: u64,
    /// Answered with `won`, `taken` or `expired`.
    pub(crate) decided: u64,
    /// Answered with a refusal for want of room.
    pub(crate) refused: u64,
    pub(crate) elapsed: Duration,
    /// Of those decided.
    pub(crate) latency: Latency,
    pub(crate) cpu: CpuShare,
}

impl Raced {
    pub(crate) fn row(&self, case: &str) -> Row {
        let mut row = Row::new(case, rate(self.decided, self.elapsed), "attempts/s");
        row.generator_cpu_percent = Some(self.cpu.percent());
        self.latency.fill(row).holding(resident_bytes("self"))
    }
}

/// The case of a closed loop with a share of winners, against Redis.
pub(crate) fn closed(run: &mut Run<'_>, case: &str, winners: Winners) -> Result<(), BenchError> {
    let raced = race_anew(winners, Offer::Closed, run.duration())?;
    if raced.refused > 0 {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!("{} attempts found no room in a closed loop", raced.refused),
        });
    }
    run.report.rows.push(raced.row(case));
    run.against_redis(case, winners, PIPELINED)
}

/// The case of an open loop at a rate.
pub(crate) fn open(run: &mut Run<'_>, case: &str, rate: u64) -> Result<(), BenchError> {
    let raced = race_anew(Winners::HALF, Offer::Open(rate), run.duration())?;
    if raced.refused > 0 {
        let refused = raced.refused;
        run.report.note(format!(
            "{case}: {refused} attempts were refused as overloaded"
        ));
    }
    run.report.rows.push(raced.row(case));
    Ok(())
}

/// A run on a node of its own.
fn race_anew(winners: Winners, offer: Offer, duration: Duration) -> Result<Raced, BenchError> {
    let world = World::open(WorldOptions::new(hunts_for(winners, offer, duration)))?;
    race(&world, winners, offer, duration)
}

/// How many hunts hold as many fresh tiles as the run can use.
pub(crate) fn hunts_for(winners: Winners, offer: Offer, duration: Duration) -> u32 {
    let rate = match offer {
        Offer::Closed => RATE_MAX,
        Offer::Open(rate) | Offer::Flood(rate) => rate,
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of a small positive number"
    )]
    let hunts = (rate as f64 * winners.share() * duration.as_secs_f64() / f64::from(HUNT_TILES))
        .ceil() as u64;
    u32::try_from(hunts.clamp(1, HUNTS_MAX)).expect("clamped")
}

/// Asks on all of a world's hunts.
pub(crate) fn race(
    world: &World,
    winners: Winners,
    offer: Offer,
    duration: Duration,
) -> Result<Raced, BenchError> {
    let hunts = u32::try_from(world.places.len()).expect("few");
    race_on(world, Source::new(hunts, winners), offer, duration)
}

/// Asks what a source says until the time or the source is used up, then waits for what is out.
pub(crate) fn race_on(
    world: &World,
    source: Source,
    offer: Offer,
    duration: Duration,
) -> Result<Raced, BenchError> {
    let submissions_max = match offer {
        Offer::Closed => OUT_MAX,
        Offer::Open(_) | Offer::Flood(_) => OPEN_OUT_MAX,
    };
    let generator = Generator {
        lane: world.node.lane(LaneOptions { submissions_max }),
        places: &world.places,
        crowd: Crowd::new(),
        source: Some(source),
        sleeper: Sleeper::new(),
        to_offer_again: Vec::new(),
        sent: 0,
        decided: 0,
        refused: 0,
        latency: Latency::new(),
    };
    match offer {
        Offer::Closed => generator.closed_loop(duration),
        Offer::Open(rate) => generator.open_loop(rate, duration, Since::Due),
        Offer::Flood(rate) => generator.open_loop(rate, duration, Since::HandedIn),
    }
}

/// From when an open loop's latency counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Due,
    HandedIn,
}

struct Generator<'a> {
    lane: Lane,
    places: &'a [(HuntNumber, RoundNumber)],
    crowd: Crowd,
    /// `None` once it has ended.
    source: Option<Source>,
    sleeper: Sleeper,
    /// Refused as a whole in a flood.
    to_offer_again: Vec<Submission>,
    sent: u64,
    decided: u64,
    refused: u64,
    latency: Latency,
}

impl Generator<'_> {
    fn closed_loop(mut self, duration: Duration) -> Result<Raced, BenchError> {
        let cpu = ThreadCpu::start();
        let started = Instant::now();
        let deadline = started + duration;
        // When each submission that is out was handed in; submissions come back in order.
        let mut sent = VecDeque::with_capacity(OUT_MAX);
        loop {
            while self.source.is_some()
                && Instant::now() < deadline
                && let Some(mut submission) = self.lane.start()
            {
                self.fill(&mut submission, BLOCK);
                sent.push_back(Instant::now());
                self.lane.submit(submission);
            }
            match self.poll() {
                Poll::Ready(Some(answered)) => {
                    let since = sent.pop_front().expect("one for each submission");
                    let took = since.elapsed();
                    let decided = self.count(&answered)?;
                    self.latency.record(took, decided);
                    self.lane.recycle(answered);
                }
                Poll::Ready(None) => break,
                Poll::Pending => self.sleeper.sleep_until(deadline + DRAIN_MAX),
            }
        }
        Ok(self.done(started.elapsed(), cpu))
    }

    fn open_loop(
        mut self,
        per_second: u64,
        duration: Duration,
        since: Since,
    ) -> Result<Raced, BenchError> {
        let mut handed_in = VecDeque::with_capacity(OPEN_OUT_MAX);
        let cpu = ThreadCpu::start();
        let started = Instant::now();
        let pacer = Pacer::new(started, per_second);
        let all = pacer.due(started + duration);
        let give_up = started + duration + DRAIN_MAX;
        let mut answered_until = 0;
        loop {
            let now = Instant::now();
            let may_send = since == Since::Due || now < started + duration;
            while may_send && self.source.is_some() && self.sent < pacer.due(now).min(all) {
                let before = self.sent;
                let due = usize::try_from(pacer.due(now).min(all) - before).unwrap_or(ATTEMPTS_MAX);
                let Some(mut submission) = self.next(due.min(ATTEMPTS_MAX)) else {
                    break;
                };
                submission.tag = before;
                handed_in.push_back(Instant::now());
                self.lane.submit(submission);
            }
            let next_turn = now + TURN;
            while let Poll::Ready(Some(answered)) = self.poll() {
                answered_until = answered.tag + answered.len() as u64;
                let handed_in = handed_in.pop_front().expect("one for each submission");
                match since {
                    Since::Due => self.settle(&answered, &pacer)?,
                    Since::HandedIn => {
                        let took = handed_in.elapsed();
                        let decided = self.count(&answered)?;
                        self.latency.record(took, decided);
                        if decided == 0 {
                            self.to_offer_again.push(answered);
                            continue;
                        }
                    }
                }
                self.lane.recycle(answered);
            }
            // A flood ends with its time, however much of it could be offered.
            let out_of_time = since == Since::HandedIn && now >= started + duration;
            let ended = self.sent == all || self.source.is_none() || out_of_time;
            if ended && self.lane.in_flight() == 0 {
                break;
            }
            if now > give_up {
                return Err(BenchError::Huntcore(format!(
                    "{} attempts are unanswered {DRAIN_MAX:?} after the last was sent",
                    self.sent - answered_until
                )));
            }
            self.sleeper.sleep_until(next_turn);
        }
        Ok(self.done(started.elapsed(), cpu))
    }

    /// What to hand in next; `None` while as much is out as may be.
    fn next(&mut self, due: usize) -> Option<Submission> {
        if let Some(mut refused) = self.to_offer_again.pop() {
            refused.ask_again();
            self.sent += refused.len() as u64;
            return Some(refused);
        }
        let mut submission = self.lane.start()?;
        self.fill(&mut submission, due);
        Some(submission)
    }

    /// Puts attempts in; how many, if the ground ends.
    fn fill(&mut self, submission: &mut Submission, count: usize) -> usize {
        let Some(source) = &mut self.source else {
            return 0;
        };
        for filled in 0..count {
            let Some(drawn) = source.draw() else {
                self.source = None;
                self.sent += filled as u64;
                return filled;
            };
            let (hunt, round) = self.places[drawn.hunt as usize];
            submission.push(AttemptRef {
                hunt,
                round,
                tile: TileIndex::new(drawn.tile),
                player: self.crowd.id(drawn.player),
            });
        }
        self.sent += count as u64;
        count
    }

    fn poll(&mut self) -> Poll<Option<Submission>> {
        let mut context = Context::from_waker(self.sleeper.waker());
        self.lane.poll_answered(&mut context)
    }

    /// Records each attempt's latency from when it was due. Those of one group count from the
    /// first of them.
    fn settle(&mut self, answered: &Submission, pacer: &Pacer) -> Result<(), BenchError> {
        const GROUP: u64 = 16;
        let now = Instant::now();
        let decided = self.count(answered)?;
        let mut left = decided;
        let mut index = answered.tag;
        while left > 0 {
            let count = left.min(GROUP);
            self.latency
                .record(now.saturating_duration_since(pacer.due_at(index)), count);
            left -= count;
            index += count;
        }
        Ok(())
    }

    /// Counts a submission's outcomes; gives how many were decided.
    fn count(&mut self, answered: &Submission) -> Result<u64, BenchError> {
        let mut decided = 0;
        for outcome in answered.outcomes() {
            match outcome.kind() {
                kind if kind.is_final() => decided += 1,
                OutcomeKind::Overloaded => self.refused += 1,
                _ => {
                    return Err(BenchError::Huntcore(format!(
                        "an attempt was answered {outcome:?}"
                    )));
                }
            }
        }
        self.decided += decided;
        Ok(decided)
    }

    fn done(self, elapsed: Duration, cpu: ThreadCpu) -> Raced {
        Raced {
            sent: self.sent,
            decided: self.decided,
            refused: self.refused,
            elapsed,
            latency: self.latency,
            cpu: cpu.taken(),
        }
    }
}
