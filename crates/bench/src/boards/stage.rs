//! Boards in this process, on one thread, fed with batches that are made beforehand.

use std::time::{Duration, Instant};

use huntcore_board::{BoardLimits, BoardView, Boards, BoardsVersion};
use huntcore_model::{
    Batch, BatchBuilder, BoardName, ClaimRecord, ControlRecord, Epoch, EventDigest, Hash32,
    HuntConfig, HuntCreated, HuntId, HuntNumber, PlayerId, PlayerNumber, Record, RoundNumber, Salt,
    ScoreRecord, Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::report::BenchError;

/// Records of a batch.
pub(crate) const BATCH_RECORDS: u32 = 4_096;
const HUNT: HuntNumber = HuntNumber::new(0);
const POINTS_MAX: i64 = 100_000;
const SHARD: ShardId = ShardId::new(0);
/// What is counted, each on a board of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    /// Points of claims, added up on one board.
    Claims,
    /// Score events: the highest of the whole hunt, and that of each second.
    Scores,
}

/// Boards and the stream that they follow.
pub(crate) struct Stage {
    pub(crate) boards: Boards,
    counted: Counted,
    players: u32,
    draw: ChaCha8Rng,
    builder: BatchBuilder,
    tail: Tail,
    time: TimeMicros,
    scored: u64,
}

impl Stage {
    /// With so many players, each of whom has scored once.
    pub(crate) fn new(counted: Counted, players: u32) -> Result<Self, BenchError> {
        let shards = ShardMap::new(1).map_err(BenchError::huntcore)?;
        let mut stage = Self {
            boards: Boards::new(shards, BoardLimits::default()),
            counted,
            players,
            draw: ChaCha8Rng::seed_from_u64(4),
            builder: BatchBuilder::new(),
            tail: Tail::default(),
            time: TimeMicros::from_millis(1_000_000),
            scored: 0,
        };
        stage.create_hunt()?;
        for first in (0..players).step_by(BATCH_RECORDS as usize) {
            let numbers = first..players.min(first + BATCH_RECORDS);
            for number in numbers.clone() {
                let id = player_id(number);
                let number = PlayerNumber::new(number);
                stage.builder.push_player(number, &id, Salt([1; 16]));
            }
            let meeting = stage.commit(0);
            stage.apply(&meeting)?;
            for number in numbers {
                stage.push(number);
            }
            let scores = stage.commit(1);
            stage.apply(&scores)?;
        }
        stage.boards.publish();
        Ok(stage)
    }

    /// So many scores of players drawn at random, in batches `interval` apart.
    pub(crate) fn scores(&mut self, count: u32, interval: Duration) -> Vec<Batch> {
        let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
        let mut batches = Vec::new();
        let mut left = count;
        while left > 0 {
            let here = left.min(BATCH_RECORDS);
            left -= here;
            for _ in 0..here {
                let number = self.draw.random_range(0..self.players);
                self.push(number);
            }
            batches.push(self.commit(micros));
        }
        batches
    }

    pub(crate) fn apply(&mut self, batch: &Batch) -> Result<(), BenchError> {
        self.boards.apply(batch).map_err(BenchError::huntcore)
    }

    /// The board that it is counted on.
    pub(crate) fn board<'a>(
        &self,
        version: &'a BoardsVersion,
    ) -> Result<BoardView<'a>, BenchError> {
        let name = match self.counted {
            Counted::Claims => BoardName::TOTAL,
            Counted::Scores => BoardName::BEST,
        };
        let board = version.board(HUNT, name);
        board.ok_or_else(|| BenchError::Huntcore(format!("there is no board {name}")))
    }

    /// A player of those there are.
    pub(crate) fn any_player(&mut self) -> PlayerId {
        let number = self.draw.random_range(0..self.players);
        PlayerId::new(&player_id(number)).expect("plain ids")
    }

    /// Higher the more has been scored, so that most scores are their player's best yet.
    pub(crate) fn any_score(&mut self) -> i64 {
        self.scored += 1;
        let most = 1_000_000 + self.scored;
        let score = self.draw.random_range(0..most);
        i64::try_from(score).expect("far below")
    }

    pub(crate) fn any_rank(&mut self) -> usize {
        self.draw.random_range(0..self.players) as usize
    }

    fn push(&mut self, number: u32) {
        let score = self.any_score();
        let player = PlayerNumber::new(number);
        match self.counted {
            Counted::Claims => self.builder.push(&Record::Claim(ClaimRecord {
                hunt: HUNT,
                round: RoundNumber::new(self.scored >> 20),
                tile: TileIndex::new(u32::try_from(self.scored & 0xf_ffff).expect("20 bits")),
                player,
                points: u32::try_from(1 + score % POINTS_MAX).expect("a small number"),
            })),
            Counted::Scores => {
                let event_id = self.scored.to_string();
                self.builder.push(&Record::Score(ScoreRecord {
                    hunt: HUNT,
                    player,
                    event_id: &event_id,
                    event_type: "score",
                    score,
                    sent_at: None,
                    payload: "",
                    digest: EventDigest([0; 16]),
                }));
            }
        }
    }

    fn commit(&mut self, micros: u64) -> Batch {
        self.time = TimeMicros::new(self.time.get() + micros);
        let known_durable = self.tail.sequence;
        let batch = self
            .builder
            .finish(SHARD, Epoch::new(1), &self.tail, self.time, known_durable);
        self.tail = batch.tail();
        batch
    }

    fn create_hunt(&mut self) -> Result<(), BenchError> {
        let record = Box::new(ControlRecord::HuntCreated(HuntCreated {
            hunt: HUNT,
            id: HuntId::new("bench").map_err(BenchError::huntcore)?,
            created_at: TimeMicros::ZERO,
            starts_at: TimeMicros::ZERO,
            ends_at: None,
            config: HuntConfig {
                area: "{}".to_owned(),
                resolution: 12,
                round_ms: 3_600_000,
                claim_window_ms: 3_600_000,
                tiles: 1,
                values: Vec::new(),
                values_hidden: false,
                cells: 1,
                cells_hash: Hash32::ZERO,
                config_hash: Hash32::ZERO,
            },
            anchor: Hash32::ZERO,
        }));
        let at = Sequence::ZERO;
        self.builder.push(&Record::Control { at, record });
        let batch = self.commit(0);
        self.apply(&batch)
    }
}

fn player_id(number: u32) -> String {
    format!("player-{number:013}")
}

/// How long something took.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = run();
    (result, started.elapsed())
}
