//! A small deployment in virtual time: the engine decides, its batches become a log.

use std::sync::{Arc, LazyLock};

use huntcore_board::{Boards, BoardsVersion};
use huntcore_engine::{
    Arbiter, AttemptRef, CloseVerdict, Controller, CorrectionAsk, CorrectionRef, CorrectionVerdict,
    EngineLimits, EventKey, EventRef, EventVerdict, Looked, NewHunt, RoundFacts, Term,
    WindowResults,
};
use huntcore_map::{Area, CellList, FairnessKey, MapConfig, RoundMap, Seed, SeedChain, ValueTable};
use huntcore_model::{
    Batch, BoardDefinition, ControlRecord, Epoch, EventDigest, EventType, HuntConfig, HuntId,
    HuntNumber, Outcome, PlayerId, Record, RoundNumber, Sequence, ShardId, ShardMap, Slot, Tail,
    TileIndex, TimeMicros,
};
use serde_json::json;

use crate::logs::Log;

pub(crate) const HUNT: HuntNumber = HuntNumber::new(0);
pub(crate) const TILES: u32 = 24;
const ROUND_MS: u64 = 1_000;
const WINDOW_MS: u64 = 3_000;
const STEP_MS: u64 = 50;
const START_MS: u64 = 1_800_000_000_000;

pub(crate) fn key() -> FairnessKey {
    FairnessKey::new([7; 32])
}

pub(crate) fn id() -> HuntId {
    HuntId::new("park").expect("a slug")
}

pub(crate) fn seed(round: RoundNumber) -> Seed {
    // A chain takes a while to compute in a debug build.
    static CHAIN: LazyLock<SeedChain> = LazyLock::new(|| SeedChain::derive(&key(), &id(), 0));
    CHAIN.seed(round).expect("a round of the first chain")
}

fn anchor() -> huntcore_model::Hash32 {
    seed(RoundNumber::FIRST).earlier(1).reveal()
}

fn area() -> &'static (String, Arc<CellList>) {
    static AREA: LazyLock<(String, Arc<CellList>)> = LazyLock::new(|| {
        let (west, south, east, north) = (7.0, 46.0, 7.01, 46.01);
        let ring = [
            [west, south],
            [east, south],
            [east, north],
            [west, north],
            [west, south],
        ];
        let area = Area::from_value(&json!({"type": "Polygon", "coordinates": [ring]}));
        let area = area.expect("a square");
        let cells = area.cells(10).expect("some cells");
        (area.outline().to_string(), Arc::new(cells))
    });
    &AREA
}

/// Controller and arbiters on one virtual clock; what they write is durable at once.
pub(crate) struct Deployment {
    pub(crate) shards: ShardMap,
    pub(crate) now: TimeMicros,
    controller: Controller,
    arbiters: Vec<Arbiter>,
    /// Control entries that the shards are to copy in the next step.
    copies: Vec<(Sequence, ControlRecord)>,
    configs: Vec<MapConfig>,
    log: Log,
}

impl Deployment {
    /// With one hunt that starts at once.
    pub(crate) fn new(shards: u16) -> Self {
        Self::with_boards(shards, Vec::new())
    }

    /// The same, its hunt with boards of its own.
    pub(crate) fn with_boards(shards: u16, boards: Vec<BoardDefinition>) -> Self {
        let shards = ShardMap::new(shards).expect("a few");
        let term = Term {
            epoch: Epoch::new(1),
            tail: Tail::default(),
        };
        let mut controller = Controller::new();
        controller.begin_term(term);
        let arbiter = |shard| {
            let mut arbiter = Arbiter::new(shard, EngineLimits::default(), [3; 32]);
            arbiter.begin_term(term);
            arbiter
        };
        let mut deployment = Self {
            shards,
            now: TimeMicros::from_millis(START_MS),
            controller,
            arbiters: shards.shards().map(arbiter).collect(),
            copies: Vec::new(),
            configs: Vec::new(),
            log: Log::new(shards),
        };
        let config = deployment.configure(TILES);
        deployment.control(|controller| {
            let new = NewHunt {
                id: id(),
                starts_at: None,
                ends_at: None,
                config,
                anchor: anchor(),
                boards,
            };
            controller.create(&new).expect("the first hunt");
        });
        deployment
    }

    /// Some rounds of which many tiles are claimed, a change, a pause, score events, and a
    /// close; then long enough for every seed to be out.
    pub(crate) fn history(shards: u16) -> Log {
        let mut deployment = Self::new(shards);
        deployment.pass(2_000);
        for turn in 0..40_u32 {
            deployment.play(turn);
            if turn == 20 {
                let config = deployment.configure(TILES / 2);
                deployment.control(|c| c.change(HUNT, config.clone()).expect("changed"));
            }
            if turn == 28 {
                deployment.control(|c| c.pause(HUNT).expect("paused"));
            }
            if turn == 32 {
                deployment.control(|c| c.resume(HUNT).expect("resumed"));
            }
        }
        deployment.control(|c| c.close(HUNT).expect("closed"));
        deployment.pass(5_000);
        deployment.log
    }

    /// As far as it got, its last rounds still open.
    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }

    /// Some attempts and score events, and a fifth of a second.
    pub(crate) fn play(&mut self, turn: u32) {
        let hunt = self.controller.catalog().by_number(HUNT).expect("created");
        let open = hunt.open_rounds(self.now).map(|round| round.opened.round);
        let rounds: Vec<RoundNumber> = open.collect();
        for (index, &round) in (0_u32..).zip(&rounds) {
            for attempt in 0..4 {
                let tile = TileIndex::new((turn * 5 + index * 7 + attempt * 3) % TILES);
                let player = format!("player {}", (turn + attempt * index) % 9);
                self.attempt(round, tile, &player);
            }
        }
        for event in 0..3_u32 {
            let player = format!("player {}", (turn * 2 + event) % 7);
            // Every third one is sent twice.
            let event_id = format!("event {}", turn - turn % 3 + event);
            self.event(&player, &event_id, i64::from(turn * 31 % 17) - 3, None);
        }
        self.pass(200);
    }

    /// Time goes by in steps.
    pub(crate) fn pass(&mut self, millis: u64) {
        for _ in 0..millis / STEP_MS {
            self.now = self.now.plus_millis(STEP_MS);
            self.control(|_| {});
            let shards: Vec<ShardId> = self.shards.shards().collect();
            for shard in shards {
                self.decide(shard, |_| {});
            }
            self.copies.clear();
        }
    }

    pub(crate) fn control(&mut self, command: impl FnOnce(&mut Controller)) {
        let times = self.arbiters.iter().map(|arbiter| arbiter.tail().time);
        let times = times.min().expect("a shard");
        self.controller.begin(self.now);
        command(&mut self.controller);
        for due in self.controller.rounds_due() {
            let map = self.map(due.round, due.config_version);
            let facts = RoundFacts {
                map: map.name(),
                commitment: seed(due.round).commitment(due.round),
                layout: seed(due.round).layout(),
            };
            self.controller.open_round(&due, &facts);
        }
        for due in self.controller.seeds_due(times) {
            self.controller.publish_seed(&due, seed(due.round).reveal());
        }
        let Some(batch) = self.controller.finish() else {
            return;
        };
        self.controller.committed(batch.header().next_sequence());
        for item in batch.records() {
            if let (at, Record::Control { record, .. }) = item.expect("just written") {
                self.copies.push((at, *record));
            }
        }
        self.log.push(batch);
        for shard in self.shards.shards() {
            self.decide(shard, |_| {});
        }
        self.copies.clear();
    }

    fn attempt(&mut self, round: RoundNumber, tile: TileIndex, player: &str) -> Outcome {
        let shard = self.shards.shard_of(Slot::of_tile(HUNT, round, tile));
        let attempt = AttemptRef {
            hunt: HUNT,
            round,
            tile,
            player,
        };
        self.decide(shard, |arbiter| arbiter.attempt(&attempt).answer)
    }

    /// Has a claim voided, or a player disqualified or reinstated.
    pub(crate) fn correct(&mut self, what: CorrectionAsk<'_>) {
        let slot = match what {
            CorrectionAsk::Void { round, tile } => Slot::of_tile(HUNT, round, tile),
            CorrectionAsk::Disqualify { player } | CorrectionAsk::Reinstate { player } => {
                Slot::of_player(HUNT, &PlayerId::new(player).expect("short"))
            }
        };
        let correction = CorrectionRef {
            hunt: HUNT,
            what,
            reason: "a bot",
        };
        let shard = self.shards.shard_of(slot);
        let verdict = self.decide(shard, |arbiter| arbiter.correct(&correction).answer);
        assert!(
            matches!(verdict, CorrectionVerdict::Corrected(_)),
            "{verdict:?}"
        );
    }

    /// The boards of all that was written so far.
    pub(crate) fn follow(&self, boards: &mut Boards) -> Arc<BoardsVersion> {
        for batch in self.log.streams.iter().flatten() {
            boards.apply(batch).expect("in order");
        }
        boards.publish()
    }

    /// Has the results written that a version says are due; how many were.
    pub(crate) fn close_due(&mut self, version: &BoardsVersion) -> usize {
        let due = version.due_results(self.controller.catalog(), 64);
        let written = due.iter().filter(|due| {
            let shard = self.shards.shard_of(Slot::of_board(due.hunt, due.board));
            let verdict = self.decide(shard, |arbiter| {
                let results = WindowResults {
                    hunt: due.hunt,
                    board: due.board,
                    start: due.start,
                    end: due.end,
                    players: due.players,
                    entries: &due.entries,
                };
                arbiter.close_board(&results).answer
            });
            matches!(verdict, CloseVerdict::Closed(_))
        });
        written.count()
    }

    /// Takes a score event of the quiz.
    pub(crate) fn event(
        &mut self,
        player: &str,
        event_id: &str,
        score: i64,
        sent_at: Option<TimeMicros>,
    ) -> EventVerdict {
        let known = PlayerId::new(player).expect("short");
        let shard = self.shards.shard_of(Slot::of_player(HUNT, &known));
        let event_type = EventType::new("quiz").expect("short");
        let event = EventRef {
            hunt: HUNT,
            player,
            event_id,
            event_type: "quiz",
            score,
            sent_at,
            payload: "{}",
            digest: EventDigest::of(&event_type, score, sent_at, "{}"),
            key: EventKey::new(HUNT, player, event_id),
            id_time: None,
        };
        self.decide(shard, |arbiter| {
            let decided = arbiter.score_event(&event, &Looked::default());
            decided.expect("nothing leaves memory here").answer
        })
    }

    fn decide<T>(&mut self, shard: ShardId, decision: impl FnOnce(&mut Arbiter) -> T) -> T {
        let points: Vec<_> = self
            .copies
            .iter()
            .filter_map(|(_, record)| match record {
                ControlRecord::RoundOpened(opened) => {
                    let map = self.map(opened.round, opened.config_version);
                    let points: Arc<[u32]> = map.tiles().iter().map(|tile| tile.points).collect();
                    Some((opened.round, points))
                }
                _ => None,
            })
            .collect();
        let arbiter = &mut self.arbiters[usize::from(shard.get())];
        arbiter.begin(self.now);
        for (at, record) in &self.copies {
            arbiter.copy_control(*at, record).expect("a known hunt");
        }
        for (round, points) in points {
            arbiter.provide_values(HUNT, round, points);
        }
        let decided = decision(arbiter);
        if let Some(batch) = arbiter.finish() {
            arbiter.committed(batch.header().next_sequence());
            self.log.push(batch);
        }
        decided
    }

    fn configure(&mut self, tiles: u32) -> HuntConfig {
        let (area, cells) = area();
        let version = u32::try_from(self.configs.len() + 1).expect("a few");
        let values = ValueTable::default();
        let config = MapConfig::new(version, Arc::clone(cells), tiles, values.clone());
        let config = config.expect("enough cells");
        let hunt = HuntConfig {
            area: area.clone(),
            resolution: 10,
            round_ms: ROUND_MS,
            claim_window_ms: WINDOW_MS,
            tiles,
            values: values.rows().to_vec(),
            values_hidden: false,
            cells: cells.count(),
            cells_hash: cells.hash(),
            config_hash: config.hash(),
        };
        self.configs.push(config);
        hunt
    }

    fn map(&self, round: RoundNumber, version: u32) -> RoundMap {
        let config = &self.configs[version as usize - 1];
        RoundMap::generate(&id(), round, config, &seed(round))
    }
}

/// What a batch holds, to look at.
pub(crate) fn records(batch: &Batch) -> Vec<(Sequence, Record<'_>)> {
    batch.records().collect::<Result<_, _>>().expect("readable")
}
