//! Which events are sent in which requests, and when: all drawn from a seed beforehand, so that
//! nothing a server does changes what it is asked.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::curve::Curve;
use super::shape::Shape;

/// A request that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Since the start. Never before the request before.
    pub(crate) due: Duration,
    pub(crate) events: Vec<PlannedEvent>,
}

/// An event of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedEvent {
    /// Which of all different events.
    pub(crate) index: u64,
    /// Whether it was sent before.
    pub(crate) again: bool,
    pub(crate) player: u32,
    pub(crate) score: i64,
    /// The sender's time of it, in milliseconds since the start; may be before that.
    pub(crate) sent_at_ms: i64,
}

/// Draws requests in the order in which they are due; the same from the same shape.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    shape: Shape,
    curve: Curve,
    random: ChaCha8Rng,
    /// Of each player and all before, the share of events.
    shares: Vec<f64>,
    /// By how much each player's clock is ahead, in milliseconds.
    clocks: Vec<i32>,
    /// How many events are due before the next one, in the measure of the curve.
    reached: f64,
    next: Option<Arrival>,
    events: u64,
    events_max: u64,
    batch: Vec<PlannedEvent>,
    batch_due: Duration,
    /// Events to be sent again.
    again: BinaryHeap<Reverse<Again>>,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    due: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Again {
    due: Duration,
    event: PlannedEvent,
}

impl Ord for Again {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.event.index).cmp(&(other.due, other.event.index))
    }
}

impl PartialOrd for Again {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Generator {
    /// At most `events_max` different events by a shape, along a curve made of it.
    pub(crate) fn new(shape: Shape, curve: Curve, events_max: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(shape.seed);
        let clocks = (0..shape.players.count)
            .map(|_| clock(&shape, &mut random))
            .collect();
        let mut generator = Self {
            shares: shares(shape.players.count, shape.players.zipf),
            clocks,
            shape,
            curve,
            random,
            reached: 0.0,
            next: None,
            events: 0,
            events_max,
            batch: Vec::new(),
            batch_due: Duration::ZERO,
            again: BinaryHeap::new(),
        };
        generator.next = generator.arrival();
        generator
    }

    /// When the next event comes: as many small chances make it, so the gaps are exponential.
    fn arrival(&mut self) -> Option<Arrival> {
        if self.events == self.events_max {
            return None;
        }
        self.reached += exponential(&mut self.random);
        let due = self.curve.due(self.reached)?;
        Some(Arrival { due })
    }

    fn draw(&mut self, due: Duration) -> PlannedEvent {
        let unit = unit(&mut self.random);
        let player = self.shares.partition_point(|&share| share <= unit);
        let player = player.min(self.shares.len() - 1);
        let events = &self.shape.events;
        let mean = events.score_mean;
        let score = whole(exponential(&mut self.random) * mean).min(events.score_max);
        let late = self.shape.events.late.map_or(0, |late| {
            let is_late = chance(&mut self.random, late.share);
            within(&mut self.random, late.by.millis()) * i64::from(is_late)
        });
        let due_ms = i64::try_from(due.as_millis()).unwrap_or(i64::MAX);
        let index = self.events;
        self.events += 1;
        PlannedEvent {
            index,
            again: false,
            player: u32::try_from(player).expect("players are counted in 32 bits"),
            score,
            sent_at_ms: due_ms - late + i64::from(self.clocks[player]),
        }
    }

    const fn batch_wait(&self) -> Duration {
        Duration::from_millis(self.shape.requests.wait.millis())
    }

    /// Puts a new event into a request; returns the request if it is to be sent now.
    fn take(&mut self, due: Duration) -> Option<Planned> {
        let event = self.draw(due);
        if let Some(again) = self.shape.events.duplicates {
            let is_again = chance(&mut self.random, again.share);
            // After the first time, which may wait for its batch, and before the end.
            let first = due + self.batch_wait();
            let left = self.curve.length().saturating_sub(first);
            let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let within_ms = again.within.millis().min(left_ms);
            let after = within(&mut self.random, within_ms).unsigned_abs();
            if is_again {
                let event = PlannedEvent {
                    again: true,
                    ..event
                };
                let due = first + Duration::from_millis(after);
                self.again.push(Reverse(Again { due, event }));
            }
        }
        if chance(&mut self.random, self.shape.requests.singles) {
            let events = vec![event];
            return Some(Planned { due, events });
        }
        if self.batch.is_empty() {
            self.batch_due = due + self.batch_wait();
        }
        self.batch.push(event);
        if self.batch.len() < self.shape.requests.batch as usize {
            return None;
        }
        let events = std::mem::take(&mut self.batch);
        Some(Planned { due, events })
    }
}

impl Iterator for Generator {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        loop {
            let arrival = self.next.map(|next| next.due);
            let batch = (!self.batch.is_empty()).then_some(self.batch_due);
            let again = self.again.peek().map(|Reverse(again)| again.due);
            let due = [arrival, batch, again].into_iter().flatten().min()?;
            // What waits goes before what comes.
            if batch == Some(due) {
                let events = std::mem::take(&mut self.batch);
                return Some(Planned { due, events });
            }
            if again == Some(due) {
                let Reverse(Again { event, .. }) = self.again.pop()?;
                let events = vec![event];
                return Some(Planned { due, events });
            }
            let request = self.take(due);
            self.next = self.arrival();
            if request.is_some() {
                return request;
            }
        }
    }
}

/// Cumulative shares of players by Zipf's law.
fn shares(count: u32, exponent: f64) -> Vec<f64> {
    let weights = (1..=count).map(|rank| f64::from(rank).powf(-exponent));
    let mut sum = 0.0;
    let mut shares: Vec<f64> = weights
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}

fn clock(shape: &Shape, random: &mut ChaCha8Rng) -> i32 {
    let Some(clocks) = shape.events.clocks else {
        return 0;
    };
    let is_wrong = chance(random, clocks.share);
    let off = i64::try_from(clocks.off.millis()).unwrap_or(i64::MAX / 2);
    let by = within(random, clocks.off.millis().saturating_mul(2)) - off;
    i32::try_from(by).unwrap_or(i32::MAX) * i32::from(is_wrong)
}

/// From 0 to below 1, to 53 bits.
fn unit(random: &mut ChaCha8Rng) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are left")]
    let bits = (random.next_u64() >> 11) as f64;
    bits / (1_u64 << 53) as f64
}

/// With a mean of 1.
fn exponential(random: &mut ChaCha8Rng) -> f64 {
    -(1.0 - unit(random)).ln()
}

fn chance(random: &mut ChaCha8Rng, share: f64) -> bool {
    unit(random) < share
}

/// From 0 up to `millis`, evenly.
fn within(random: &mut ChaCha8Rng, millis: u64) -> i64 {
    let part = (u128::from(random.next_u64()) * u128::from(millis)) >> 64;
    i64::try_from(part).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, as is meant")]
const fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn shape(seed: u64) -> Shape {
        let text = "
[players]
count = 1000
zipf = 1.0
[events]
late = { share = 0.1, by = \"90s\" }
duplicates = { share = 0.2, within = \"2s\" }
clocks = { share = 0.5, off = \"3s\" }
[requests]
batch = 10
wait = \"50ms\"
singles = 0.25
[[rate]]
at = \"00:00\"
per_second = 200
[[rate]]
at = \"00:01\"
per_second = 600
[[burst]]
at = \"00:00:30\"
lasts = \"5s\"
per_second = 1000
";
        Shape {
            seed,
            ..Shape::parse(text).expect("a shape")
        }
    }

    fn requests(seed: u64, compress: f64, events_max: u64) -> Vec<Planned> {
        let shape = shape(seed);
        let curve = Curve::new(&shape.rate, &shape.bursts, compress, 1.0);
        Generator::new(shape, curve, events_max).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_requests_and_another_draws_others() {
        let one = requests(7, 1.0, u64::MAX);
        assert_eq!(one, requests(7, 1.0, u64::MAX));
        assert_ne!(one, requests(8, 1.0, u64::MAX));
    }

    #[test]
    fn requests_are_due_in_order_within_the_shape() {
        let requests = requests(7, 1.0, u64::MAX);
        assert!(requests.is_sorted_by_key(|request| request.due));
        let last = requests.last().expect("some").due;
        // The last batch waits for what does not come.
        assert!(last <= Duration::from_millis(60_050), "{last:?}");
        let batches = requests.iter().filter(|request| request.events.len() > 1);
        assert!(batches.clone().all(|request| request.events.len() <= 10));
        assert!(batches.count() > 1_000);
    }

    #[test]
    fn every_event_comes_once_and_some_once_more_as_they_were() {
        let mut first = HashMap::new();
        let (mut again, mut late) = (0_usize, 0_usize);
        for event in requests(7, 1.0, u64::MAX)
            .iter()
            .flat_map(|request| &request.events)
        {
            if event.again {
                again += 1;
                let before: &PlannedEvent = &first[&event.index];
                assert_eq!(
                    *before,
                    PlannedEvent {
                        again: false,
                        ..*event
                    }
                );
            } else {
                assert_eq!(first.insert(event.index, *event), None);
            }
        }
        let events = first.len();
        // 400 a second on average, and 5,000 in the burst: 29,000.
        assert!(events.abs_diff(29_000) < 900, "{events}");
        assert!(again.abs_diff(events / 5) < 500, "{again} of {events}");
        let mut by_player: HashMap<u32, u64> = HashMap::new();
        for event in first.values() {
            *by_player.entry(event.player).or_default() += 1;
            late += usize::from(event.sent_at_ms < -5_000);
        }
        assert!(by_player[&0] > 10 * by_player.get(&99).copied().unwrap_or(1));
        assert!(late > 0, "some were held up since long before the start");
    }

    #[test]
    fn a_player_whose_clock_is_wrong_is_always_wrong_by_as_much() {
        let shape = shape(7);
        let curve = Curve::new(&shape.rate, &shape.bursts, 1.0, 1.0);
        let generator = Generator::new(shape, curve, 1);
        let wrong = generator.clocks.iter().filter(|&&by| by != 0).count();
        assert!(wrong.abs_diff(500) < 60, "{wrong}");
        assert!(generator.clocks.iter().all(|by| by.abs() <= 3_000));
        let different: HashSet<i32> = generator.clocks.iter().copied().collect();
        assert!(different.len() > 300);
    }

    #[test]
    fn there_are_never_more_events_than_asked_for() {
        let requests = requests(7, 1.0, 1_000);
        let events = requests.iter().flat_map(|request| &request.events);
        assert_eq!(events.filter(|event| !event.again).count(), 1_000);
    }
}
