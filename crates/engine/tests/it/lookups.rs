//! Events that leave memory, under any interleaving of looking up, deciding, sealing, writing
//! down, dropping, snapshots, crashes and restarts: each is taken once, and known ever after.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_engine::{
    Arbiter, ClosedOrdinal, Coverage, EngineLimits, EventFact, EventKey, EventSeen, EventSpan,
    EventVerdict, LookAgain, Looked, SealedEvents, Term,
};
use huntcore_model::{Sequence, ShardId};
use proptest::prelude::*;

use crate::desk::{Desk, HUNT, at};
use crate::world::event;

const SECRET: [u8; 32] = [9; 32];

fn limits() -> EngineLimits {
    EngineLimits {
        events_sealed_at: 3,
        ..EngineLimits::default()
    }
}

/// What stands on disk: survives crashes.
#[derive(Clone, Default)]
struct Disk {
    runs: Vec<(EventSpan, Vec<EventFact>)>,
}

impl Disk {
    fn get(&self, key: &EventKey) -> Option<EventSeen> {
        let facts = self.runs.iter().flat_map(|(_, facts)| facts);
        facts
            .clone()
            .find(|fact| fact.key == *key)
            .map(|fact| fact.seen)
    }

    fn write(&mut self, sealed: &SealedEvents) {
        let facts = sealed.facts().copied().collect();
        self.runs.push((sealed.span(), facts));
    }
}

/// One shard with its keeper, none of whose hands know what the others do.
struct Bench {
    desk: Desk,
    disk: Disk,
    covers: Coverage,
    handed_in: ClosedOrdinal,
    // Handed in and not written yet; written and not told yet.
    waiting: Vec<Arc<SealedEvents>>,
    told: Vec<(ClosedOrdinal, Coverage)>,
    // Looked up and not decided yet.
    looked: Vec<(u32, Looked)>,
    snapshot: Option<(Vec<u8>, Vec<u8>)>,
    taken: BTreeMap<u32, Sequence>,
    now_ms: i64,
}

#[derive(Clone, Debug)]
enum Step {
    LookUp(u32),
    Decide(usize),
    HandIn,
    Write,
    Tell,
    Snapshot,
    Restart { from_snapshot: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..24_u32).prop_map(Step::LookUp),
        8 => (0..4_usize).prop_map(Step::Decide),
        3 => Just(Step::HandIn),
        3 => Just(Step::Write),
        3 => Just(Step::Tell),
        1 => Just(Step::Snapshot),
        1 => any::<bool>().prop_map(|from_snapshot| Step::Restart { from_snapshot }),
    ]
}

impl Bench {
    fn new() -> Self {
        Self {
            desk: Desk::new(limits()),
            disk: Disk::default(),
            covers: Coverage::START,
            handed_in: ClosedOrdinal::ZERO,
            waiting: Vec::new(),
            told: Vec::new(),
            looked: Vec::new(),
            snapshot: None,
            taken: BTreeMap::new(),
            now_ms: 0,
        }
    }

    fn look_up(&mut self, number: u32) {
        let known = self
            .disk
            .get(&EventKey::new(HUNT, "ada", &number.to_string()));
        let covers = self.covers;
        self.looked.push((number, Looked { known, covers }));
    }

    fn decide(&mut self, index: usize) {
        if index >= self.looked.len() {
            return;
        }
        let (number, looked) = self.looked.remove(index);
        let id = number.to_string();
        self.now_ms += 1;
        self.desk.arbiter.begin(at(self.now_ms));
        let decided = self
            .desk
            .arbiter
            .score_event(&event(HUNT, "ada", &id, 1), &looked);
        self.desk.finish();
        match decided.map(|decided| decided.answer) {
            Err(LookAgain) => self.look_up(number),
            Ok(EventVerdict::Accepted(sequence)) => {
                let before = self.taken.insert(number, sequence);
                assert_eq!(before, None, "event {number} was taken twice");
            }
            Ok(EventVerdict::Duplicate(sequence)) => {
                assert_eq!(self.taken.get(&number), Some(&sequence), "event {number}");
            }
            Ok(other) => panic!("event {number}: {other:?}"),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::LookUp(number) => self.look_up(number),
            Step::Decide(index) => self.decide(index),
            Step::HandIn => {
                let next = self
                    .desk
                    .arbiter
                    .sealed_events(self.handed_in)
                    .next()
                    .cloned();
                if let Some(sealed) = next {
                    self.handed_in = sealed.ordinal().next();
                    self.waiting.push(sealed);
                }
            }
            Step::Write => {
                if !self.waiting.is_empty() {
                    let sealed = self.waiting.remove(0);
                    self.disk.write(&sealed);
                    self.covers = self.covers.next();
                    self.told.push((sealed.ordinal(), self.covers));
                }
            }
            Step::Tell => {
                if !self.told.is_empty() {
                    let (last, covers) = self.told.remove(0);
                    self.desk.arbiter.drop_sealed_events(last, covers);
                }
            }
            Step::Snapshot => {
                let snapshot = self.desk.arbiter.snapshot(ClosedOrdinal::ZERO);
                let (mut base, mut answers) = (Vec::new(), Vec::new());
                snapshot.write(&mut base).expect("memory");
                snapshot.write_answers(&mut answers).expect("memory");
                self.snapshot = Some((base, answers));
            }
            Step::Restart { from_snapshot } => self.restart(from_snapshot),
        }
    }

    fn restart(&mut self, from_snapshot: bool) {
        let tail = self.desk.arbiter.tail();
        let mut arbiter = match self.snapshot.as_ref().filter(|_| from_snapshot) {
            Some((base, answers)) => {
                Arbiter::restore(limits(), SECRET, &base[..], [&answers[..]]).expect("own bytes")
            }
            None => Arbiter::new(ShardId::new(0), limits(), SECRET),
        };
        let spans: Vec<EventSpan> = self.disk.runs.iter().map(|(span, _)| *span).collect();
        for needed in arbiter.events_elsewhere() {
            let stands = spans
                .iter()
                .any(|span| span.first <= needed.first && needed.end <= span.end);
            assert!(stands, "{needed:?} stands nowhere");
        }
        arbiter.events_stand(spans);
        for batch in &self.desk.log {
            if batch.header().first_sequence >= arbiter.tail().sequence {
                arbiter
                    .apply(batch)
                    .expect("what an arbiter wrote can be folded");
            }
        }
        assert_eq!(arbiter.tail(), tail);
        let epoch = huntcore_model::Epoch::new(100 + self.now_ms.unsigned_abs());
        arbiter.begin_term(Term { epoch, tail });
        self.desk.arbiter = arbiter;
        self.handed_in = ClosedOrdinal::ZERO;
        self.covers = Coverage::START;
        (self.waiting, self.told, self.looked) = Default::default();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn an_event_is_taken_once_whatever_leaves_memory_when(
        steps in prop::collection::vec(step(), 1..220)
    ) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.step(step);
        }
        // All of them again, at the end: known, wherever they are.
        let taken = bench.taken.clone();
        bench.looked.clear();
        for &number in taken.keys() {
            bench.look_up(number);
            bench.decide(0);
        }
        prop_assert_eq!(&bench.taken, &taken);
        let held = bench.desk.arbiter.events_held();
        prop_assert!(held <= taken.len(), "{} in memory", held);
    }
}

#[test]
fn an_id_older_than_what_is_remembered_is_refused_unless_it_is_known() {
    let mut desk = Desk::new(limits());
    // Made at the start of the hunt.
    let made_ms = crate::desk::START_MS;
    let old = format!(
        "{:08x}-{:04x}-7000-8000-000000000001",
        made_ms >> 16,
        made_ms & 0xffff
    );
    let taken = desk.score(10, "ada", &old, 1);
    let EventVerdict::Accepted(sequence) = taken else {
        panic!("{taken:?}")
    };
    let day_ms = 24 * 3_600 * 1_000;
    let five_minutes_ms = 5 * 60 * 1_000;
    let last_ms = day_ms - five_minutes_ms - 1;
    assert_eq!(
        desk.score(last_ms, "ada", &old, 1),
        EventVerdict::Duplicate(sequence)
    );
    assert!(matches!(
        desk.score(last_ms, "bo", &old, 1),
        EventVerdict::Accepted(_)
    ));
    assert_eq!(
        desk.score(last_ms + 1, "eve", &old, 1),
        EventVerdict::TooOld
    );
    // Known, so it is still answered.
    assert_eq!(
        desk.score(last_ms + 1, "ada", &old, 1),
        EventVerdict::Duplicate(sequence)
    );
    // Forgotten, and refused for ever.
    for later_ms in [2 * day_ms, 40 * day_ms] {
        desk.score(later_ms - 1, "bo", &later_ms.to_string(), 1);
        assert_eq!(desk.score(later_ms, "ada", &old, 1), EventVerdict::TooOld);
    }
}

#[test]
fn what_lies_more_than_five_minutes_ahead_is_refused() {
    let mut desk = Desk::new(limits());
    let five_minutes_ms = 5 * 60 * 1_000;
    let id = |made_ms: u64| {
        format!(
            "{:08x}-{:04x}-7000-8000-000000000001",
            made_ms >> 16,
            made_ms & 0xffff
        )
    };
    let now_ms = crate::desk::START_MS;
    let ahead = id(now_ms + five_minutes_ms + 1);
    assert_eq!(desk.score(0, "ada", &ahead, 1), EventVerdict::TooNew);
    let near = id(now_ms + five_minutes_ms);
    assert!(matches!(
        desk.score(0, "ada", &near, 1),
        EventVerdict::Accepted(_)
    ));
    let mut sent = event(HUNT, "ada", "quest", 1);
    let before = desk.records();
    desk.arbiter.begin(at(0));
    sent.sent_at = Some(
        desk.arbiter
            .tail()
            .time
            .plus_millis(five_minutes_ms)
            .plus_millis(1),
    );
    let refused = desk.arbiter.score_event(&sent, &Looked::default());
    assert_eq!(
        refused.map(|decided| decided.answer),
        Ok(EventVerdict::TooNew)
    );
    assert_eq!(desk.records(), before);
}
