//! The control stream: its controller, the naive fold beside it, its log and its owner's clock.

use std::collections::{BTreeMap, VecDeque};

use huntcore_engine::{
    CommandError, Controller, NewFlag, NewHunt, RoundDue, RoundFacts, SeedDue, Term,
};
use huntcore_model::{
    Batch, BoardDefinition, ControlRecord, Epoch, FlagSource, Hash32, HuntConfig, HuntNumber,
    Record, RoundNumber, RoundSchedule, ShardId, Tail, TimeMicros,
};

use crate::naive_hunts::{Hunt, Hunts, Micros};

pub(crate) struct ControlSim {
    pub(crate) controller: Controller,
    pub(crate) naive: Hunts,
    stored_naive: Hunts,
    pending: VecDeque<(Batch, Hunts)>,
    stored: Vec<Batch>,
    /// Snapshots, each with how many batches had been made by then.
    snapshots: Vec<(usize, Vec<u8>)>,
    /// The stored entries, each at its sequence.
    pub(crate) entries: Vec<ControlRecord>,
    epoch: Epoch,
    time: Micros,
    offset_ms: i64,
}

/// What an operator does.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Create(NewHunt),
    Change(HuntNumber, HuntConfig),
    MoveEnd(HuntNumber, Option<TimeMicros>),
    Pause(HuntNumber),
    Resume(HuntNumber),
    Close(HuntNumber),
    SetBoards(HuntNumber, Vec<BoardDefinition>),
    SetFlag(NewFlag),
}

impl ControlSim {
    pub(crate) fn new() -> Self {
        let mut sim = Self {
            controller: Controller::new(),
            naive: Hunts::default(),
            stored_naive: Hunts::default(),
            pending: VecDeque::new(),
            stored: Vec::new(),
            snapshots: Vec::new(),
            entries: Vec::new(),
            epoch: Epoch::new(0),
            time: 0,
            offset_ms: 0,
        };
        sim.begin_term();
        sim
    }

    pub(crate) fn set_clock(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms;
    }

    /// The number that the next hunt gets.
    pub(crate) fn next_hunt(&self) -> HuntNumber {
        let count = self.controller.catalog().hunts().len();
        HuntNumber::new(u32::try_from(count).expect("a few hunts"))
    }

    pub(crate) fn command(&mut self, clock: Micros, command: &Command) -> Result<(), CommandError> {
        let now = self.begin(clock);
        let result = match command {
            Command::Create(new) => self.controller.create(new).map(|_| ()),
            Command::Change(hunt, config) => {
                let due = self.naive.get(*hunt).map(|known| {
                    let from = known.last_announced().max(known.newest(now)) + 1;
                    (
                        from,
                        known.version(RoundNumber::new(from)).map(|_| known.clone()),
                    )
                });
                let result = self.controller.change(*hunt, config.clone());
                if let (Ok(()), Some((from, Some(before)))) = (&result, due) {
                    self.check_change(*hunt, from, &before, config);
                }
                result
            }
            Command::MoveEnd(hunt, ends_at) => self.controller.move_end(*hunt, *ends_at),
            Command::Pause(hunt) => self.controller.pause(*hunt),
            Command::Resume(hunt) => self.controller.resume(*hunt),
            Command::Close(hunt) => self.controller.close(*hunt),
            Command::SetBoards(hunt, boards) => {
                let result = self.controller.set_boards(*hunt, boards.clone());
                if result.is_ok() {
                    let entry = self.controller.catalog().by_number(*hunt);
                    let given = entry.expect("it was given boards").boards.iter();
                    assert!(given.map(|board| &board.definition).eq(boards));
                }
                result
            }
            Command::SetFlag(flag) => {
                let result = self.controller.set_flag(flag.clone());
                if result.is_ok() && flag.by == FlagSource::Api {
                    let key = (flag.flag, flag.hunt, flag.board);
                    let setting = self.controller.catalog().flags().setting(&key);
                    assert_eq!(setting.and_then(|setting| setting.value), flag.value);
                }
                result
            }
        };
        let records = self.finish();
        let most = match command {
            Command::Create(new) if !new.boards.is_empty() => 2,
            _ => 1,
        };
        assert!(records.len() <= most, "a command is one entry, or none");
        assert!(
            result.is_ok() || records.is_empty(),
            "a refused command changes nothing"
        );
        result
    }

    /// A change holds from the first round on that is neither announced nor open by the clock,
    /// and does not move that round's opening.
    fn check_change(&self, hunt: HuntNumber, from: u64, before: &Hunt, config: &HuntConfig) {
        let entry = self.controller.catalog().by_number(hunt).expect("changed");
        let latest = entry.latest_version();
        assert_eq!(&latest.config, config);
        let number = before.versions.last().map_or(0, |version| version.number);
        if latest.version == number {
            return; // It was so before.
        }
        assert_eq!(
            (latest.version, latest.from_round.get()),
            (number + 1, from)
        );
        let version = before
            .version(RoundNumber::new(from))
            .expect("checked before");
        let opens = version.from_time + (from - version.from_round) * version.round;
        assert_eq!(latest.from_time.get(), opens);
        assert!(from > before.last_announced());
    }

    /// Announces rounds and publishes seeds, all that is due.
    pub(crate) fn announce(
        &mut self,
        clock: Micros,
        shards_time: Micros,
        revealed: &mut BTreeMap<HuntNumber, RoundNumber>,
    ) {
        loop {
            let now = self.begin(clock);
            let rounds = self.controller.rounds_due();
            assert_eq!(rounds, self.expected_rounds(now));
            let next = self.controller.next_announcement().map(TimeMicros::get);
            assert_eq!(
                next.is_some_and(|next| next <= now),
                !rounds.is_empty(),
                "an announcement is due exactly if there is a round to announce"
            );
            for due in &rounds {
                self.controller.open_round(due, &facts(due.hunt, due.round));
            }
            let opened = self.finish();
            assert_eq!(opened.len(), rounds.len());
            self.begin(clock);
            let seeds = self.controller.seeds_due(TimeMicros::new(shards_time));
            assert_eq!(seeds, self.expected_seeds(shards_time));
            for due in &seeds {
                revealed.insert(due.hunt, due.round);
                self.controller
                    .publish_seed(due, facts(due.hunt, due.round).map);
            }
            let published = self.finish();
            assert_eq!(published.len(), seeds.len());
            if opened.is_empty() && published.is_empty() {
                break;
            }
        }
    }

    /// Every round that was not announced, whose window has not passed, and which opens within
    /// a second: without gaps but for those that have passed.
    fn expected_rounds(&self, now: Micros) -> Vec<RoundDue> {
        let mut expected = Vec::new();
        for (hunt, known) in self.naive.iter().filter(|(_, hunt)| hunt.closed.is_none()) {
            let mut rounds = Vec::new();
            for round in (known.last_announced() + 1..).map(RoundNumber::new) {
                let Some((opens, closes)) = known.schedule(round) else {
                    break;
                };
                if opens > now + 1_000_000 {
                    break;
                }
                if closes > now {
                    rounds.push(RoundDue {
                        hunt,
                        round,
                        config_version: known.version(round).expect("scheduled").number,
                        schedule: RoundSchedule {
                            opens_at: TimeMicros::new(opens),
                            closes_at: TimeMicros::new(closes),
                        },
                    });
                }
            }
            rounds.truncate(16);
            expected.extend(rounds);
        }
        expected
    }

    /// Every seed whose window, and all windows before it, all shards have passed.
    fn expected_seeds(&self, shards_time: Micros) -> Vec<SeedDue> {
        let mut expected = Vec::new();
        for (hunt, known) in self.naive.iter() {
            for (&round, &(_, closes)) in &known.announced {
                if known.seeds.contains(&round) {
                    continue;
                }
                if closes > shards_time {
                    break;
                }
                let round = RoundNumber::new(round);
                expected.push(SeedDue { hunt, round });
            }
        }
        expected
    }

    /// The log stores the next batches; their entries may be copied from now on.
    pub(crate) fn commit(&mut self, count: usize) {
        for _ in 0..count {
            let Some((batch, naive)) = self.pending.pop_front() else {
                break;
            };
            self.entries.extend(entries(&batch));
            self.controller.committed(batch.tail().sequence);
            self.stored
                .push(Batch::decode(batch.bytes().clone()).expect("own bytes"));
            self.stored_naive = naive;
        }
    }

    pub(crate) fn snapshot(&mut self) {
        let batches = self.stored.len() + self.pending.len();
        self.snapshots.push((batches, bytes(&self.controller)));
    }

    /// The owner dies with what the log has not stored; another one takes the snapshot before
    /// the `back`-th newest, or none if there are fewer, and folds what the log has on top.
    pub(crate) fn crash(&mut self, offset_ms: i64, back: usize) {
        self.check_replay();
        self.pending.clear();
        let stored = self.stored.len();
        self.snapshots.retain(|(batches, _)| *batches <= stored);
        let controller = folded(self.stored.iter());
        self.controller = match self.snapshots.iter().rev().nth(back) {
            None => controller,
            Some((batches, snapshot)) => {
                let mut restored = Controller::restore(snapshot.as_slice()).expect("own bytes");
                for batch in &self.stored[*batches..] {
                    restored.apply(batch).expect("what follows the snapshot");
                }
                assert_eq!(
                    bytes(&restored),
                    bytes(&controller),
                    "I5: a restored one differs"
                );
                restored
            }
        };
        self.naive = self.stored_naive.clone();
        self.offset_ms = offset_ms;
        self.time = self.stored.last().map_or(0, |last| last.tail().time.get());
        self.begin_term();
    }

    /// A replay of all that was decided ends where the deciding controller is.
    pub(crate) fn check_replay(&self) {
        let pending = self.pending.iter().map(|(batch, _)| batch);
        let again = folded(self.stored.iter().chain(pending));
        assert_eq!(again.tail(), self.controller.tail());
        assert_eq!(again.catalog(), self.controller.catalog());
        assert_eq!(bytes(&again), bytes(&self.controller));
    }

    fn begin_term(&mut self) {
        self.epoch = self.epoch.next();
        let tail = self.stored.last().map_or_else(Tail::default, Batch::tail);
        let epoch = self.epoch;
        self.controller.begin_term(Term { epoch, tail });
    }

    fn begin(&mut self, clock: Micros) -> Micros {
        let now = clock
            .saturating_add_signed(self.offset_ms * 1_000)
            .max(self.time);
        self.controller.begin(TimeMicros::new(now));
        now
    }

    fn finish(&mut self) -> Vec<ControlRecord> {
        let before = self.controller.tail();
        let Some(batch) = self.controller.finish() else {
            return Vec::new();
        };
        assert!(batch.follows(&before));
        let header = batch.header();
        assert_eq!((header.shard, header.epoch), (ShardId::CONTROL, self.epoch));
        self.time = header.time.get();
        let written: Vec<_> = entries(&batch).collect();
        for (at, record) in (header.first_sequence.get()..).zip(&written) {
            self.naive.fold(at, record);
        }
        self.pending.push_back((batch, self.naive.clone()));
        written
    }
}

/// All of a controller's state.
fn bytes(controller: &Controller) -> Vec<u8> {
    let mut bytes = Vec::new();
    controller.snapshot().write(&mut bytes).expect("memory");
    bytes
}

fn folded<'a>(batches: impl Iterator<Item = &'a Batch>) -> Controller {
    let mut controller = Controller::new();
    for batch in batches {
        controller
            .apply(batch)
            .expect("what a controller wrote can be folded");
    }
    controller
}

fn entries(batch: &Batch) -> impl Iterator<Item = ControlRecord> {
    batch
        .records()
        .map(|item| match item.expect("a good record") {
            (sequence, Record::Control { at, record }) if at == sequence => *record,
            other => panic!("{other:?} in the control stream"),
        })
}

/// What a map generator would say of a round; here only different for each.
pub(crate) fn facts(hunt: HuntNumber, round: RoundNumber) -> RoundFacts {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&hunt.get().to_le_bytes());
    bytes[4..12].copy_from_slice(&round.get().to_le_bytes());
    let name = |kind| {
        bytes[31] = kind;
        Hash32::new(bytes)
    };
    let [map, commitment, layout] = [1, 2, 3].map(name);
    RoundFacts {
        map,
        commitment,
        layout,
    }
}
