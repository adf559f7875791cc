//! The hot path by itself: what one attempt meets between parse and reply, on one thread and
//! without clock, disk or network, so that its instructions and allocations can be counted.

use std::sync::Arc;

use huntcore_engine::{Arbiter, EngineLimits, Term};
use huntcore_lane::{EntranceLimits, Lane, LaneOptions, ShardPort, Submission, exchange};
use huntcore_model::{
    AttemptRef, Batch, ControlRecord, Epoch, Hash32, HuntConfig, HuntCreated, HuntId, HuntNumber,
    Outcome, OutcomeKind, RoundNumber, RoundOpened, ShardId, ShardMap, TileIndex, TimeMicros,
    ValueWeight,
};
use huntcore_wire::{ClaimReader, ClaimStreamForm, put_outcome};

use crate::load::{Crowd, HUNT_TILES, Source, Winners};

const HUNT: HuntNumber = HuntNumber::new(0);
const ROUND: RoundNumber = RoundNumber::FIRST;
const HUNT_ID: &str = "bench-0";
const NOW: TimeMicros = TimeMicros::from_millis(1_000_000);
const ROUND_MS: u64 = 3_600_000;
/// Attempts decided together unless it is said otherwise.
pub(crate) const BLOCK: usize = 1_000;

/// A shard with one open round, and a lane to it.
pub struct HotPath {
    arbiter: Arbiter,
    lane: Lane,
    port: ShardPort,
    source: Source,
    crowd: Crowd,
}

impl HotPath {
    /// With so many percent of attempts on tiles that nobody has.
    ///
    /// # Panics
    /// If the engine does not take a hunt that it should.
    #[must_use]
    pub fn new(winners_percent: u32) -> Self {
        let shards = ShardMap::new(1).expect("one shard is allowed");
        let (entrance, mut ports) = exchange(shards, EntranceLimits::default());
        Self {
            arbiter: arbiter_with_round(),
            lane: entrance.lane(LaneOptions::default()),
            port: ports.pop().expect("one for the shard"),
            source: Source::new(1, Winners::percent(winners_percent)),
            crowd: Crowd::new(),
        }
    }

    /// Takes so many attempts from a lane through the arbiter and back, in one block; the
    /// batch it made, if it made one. `reply` gets the outcomes as protobuf.
    ///
    /// # Panics
    /// If the round's tiles are used up, or an attempt is not decided.
    pub fn pass(&mut self, attempts: usize, reply: &mut Vec<u8>) -> Option<Batch> {
        let mut submission = self.lane.start().expect("none is out");
        for _ in 0..attempts {
            let drawn = self.source.draw().expect("the round has tiles left");
            submission.push(AttemptRef {
                hunt: HUNT,
                round: ROUND,
                tile: TileIndex::new(drawn.tile),
                player: self.crowd.id(drawn.player),
            });
        }
        self.pass_submission(submission, reply)
    }

    /// Takes a body of attempts the same way, as a door does.
    ///
    /// # Panics
    /// If an attempt is malformed or not decided.
    pub fn pass_body(&mut self, body: &[u8], reply: &mut Vec<u8>) -> Option<Batch> {
        let mut submission = self.lane.start().expect("none is out");
        let mut reader = ClaimReader::new(ClaimStreamForm::Protobuf);
        let mut rest = body;
        while let Some(claim) = reader.next(&mut rest) {
            let claim = claim.expect("well-formed");
            submission.push(AttemptRef {
                hunt: HUNT,
                round: claim.round,
                tile: claim.tile,
                player: &claim.player,
            });
        }
        self.pass_submission(submission, reply)
    }

    /// The next attempts as a body.
    pub fn body(&mut self, form: ClaimStreamForm, attempts: usize) -> Vec<u8> {
        body(&mut self.source, &self.crowd, form, attempts)
    }

    fn pass_submission(&mut self, submission: Submission, reply: &mut Vec<u8>) -> Option<Batch> {
        let (batch, answered) = self.decide(submission);
        for outcome in answered.outcomes() {
            assert!(outcome.kind().is_final(), "decided: {outcome:?}");
            put_outcome(reply, ClaimStreamForm::Protobuf, &outcome, NOW);
        }
        self.lane.recycle(answered);
        batch
    }

    fn decide(&mut self, submission: Submission) -> (Option<Batch>, Submission) {
        self.lane.submit(submission);
        let mut block = self.port.pop().expect("it was submitted");
        self.arbiter.begin(NOW);
        let (attempts, outcomes) = block.parts_mut();
        self.arbiter.decide(attempts, outcomes);
        let batch = self.arbiter.finish();
        if let Some(batch) = &batch {
            self.arbiter.committed(batch.tail().sequence);
        }
        block.answer();
        let answered = self.lane.try_answered().expect("it was answered");
        (batch, answered)
    }
}

impl std::fmt::Debug for HotPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HotPath").finish_non_exhaustive()
    }
}

fn body(source: &mut Source, crowd: &Crowd, form: ClaimStreamForm, attempts: usize) -> Vec<u8> {
    let mut batch = huntcore_client::ClaimBatch::new(form);
    for _ in 0..attempts {
        let drawn = source.draw().expect("the round has tiles left");
        let player = crowd.id(drawn.player);
        batch.push(HUNT_ID, ROUND, TileIndex::new(drawn.tile), player);
    }
    batch.into_bytes().to_vec()
}

/// An arbiter in whose only hunt round 1 is open.
fn arbiter_with_round() -> Arbiter {
    let mut arbiter = Arbiter::new(ShardId::new(0), EngineLimits::default(), [9; 32]);
    arbiter.begin_term(Term {
        epoch: Epoch::new(1),
        tail: arbiter.tail(),
    });
    let created = HuntCreated {
        hunt: HUNT,
        id: HuntId::new(HUNT_ID).expect("a slug"),
        created_at: NOW,
        starts_at: NOW,
        ends_at: None,
        config: HuntConfig {
            area: "{}".to_owned(),
            resolution: 11,
            round_ms: ROUND_MS,
            claim_window_ms: ROUND_MS,
            tiles: HUNT_TILES,
            values: vec![ValueWeight {
                points: 1,
                weight: 1,
            }],
            values_hidden: false,
            cells: HUNT_TILES,
            cells_hash: Hash32::ZERO,
            config_hash: Hash32::ZERO,
        },
        anchor: Hash32::ZERO,
    };
    let version = created.first_version();
    let opened = RoundOpened {
        hunt: HUNT,
        round: ROUND,
        config_version: version.version,
        map: Hash32::ZERO,
        commitment: Hash32::ZERO,
        layout: Hash32::ZERO,
        tiles: HUNT_TILES,
        schedule: version.schedule(ROUND).expect("it holds from round 1"),
    };
    for record in [
        ControlRecord::HuntCreated(created),
        ControlRecord::RoundOpened(opened),
    ] {
        arbiter.begin(NOW);
        let next = arbiter.catalog().next();
        arbiter
            .copy_control(next, &record)
            .expect("an entry in order");
        if let Some(batch) = arbiter.finish() {
            arbiter.committed(batch.tail().sequence);
        }
    }
    let points: Arc<[u32]> = vec![1; HUNT_TILES as usize].into();
    arbiter.provide_values(HUNT, ROUND, points);
    arbiter
}

/// A piece of the hot path whose instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Piece {
    /// Lane, arbiter, batch and reply; so many percent win.
    Decide(u32),
    /// Every attempt wins, and the batches are folded by another arbiter, as at a restart.
    DecideAndFold,
    ParseProtobuf,
    ParseLines,
    WriteProtobuf,
    WriteLines,
}

impl Piece {
    /// Does it for so many attempts, in blocks.
    pub(crate) fn work(self, attempts: usize) {
        let blocks = attempts / BLOCK;
        let mut reply = Vec::new();
        match self {
            Self::Decide(percent) => {
                let mut path = HotPath::new(percent);
                for _ in 0..blocks {
                    reply.clear();
                    path.pass(BLOCK, &mut reply);
                }
            }
            Self::DecideAndFold => {
                let mut path = HotPath::new(100);
                let mut folding = arbiter_with_round();
                for _ in 0..blocks {
                    reply.clear();
                    let batch = path.pass(BLOCK, &mut reply).expect("claims were made");
                    folding.apply(&batch).expect("it follows");
                }
            }
            Self::ParseProtobuf => parse(ClaimStreamForm::Protobuf, blocks),
            Self::ParseLines => parse(ClaimStreamForm::Lines, blocks),
            Self::WriteProtobuf => write(ClaimStreamForm::Protobuf, blocks),
            Self::WriteLines => write(ClaimStreamForm::Lines, blocks),
        }
    }
}

fn parse(form: ClaimStreamForm, blocks: usize) {
    let mut source = Source::new(1, Winners::HALF);
    let body = body(&mut source, &Crowd::new(), form, BLOCK);
    let mut reader = ClaimReader::new(form);
    let mut count = 0;
    for _ in 0..blocks {
        let mut rest = body.as_slice();
        while let Some(claim) = reader.next(&mut rest) {
            let claim = claim.expect("well-formed");
            count += usize::from(std::hint::black_box(claim).round == ROUND);
        }
    }
    assert_eq!(count, blocks * BLOCK, "every attempt is read");
}

fn write(form: ClaimStreamForm, blocks: usize) {
    let mut path = HotPath::new(50);
    let mut submission = path.lane.start().expect("none is out");
    for _ in 0..BLOCK {
        let drawn = path.source.draw().expect("tiles are left");
        submission.push(AttemptRef {
            hunt: HUNT,
            round: ROUND,
            tile: TileIndex::new(drawn.tile),
            player: path.crowd.id(drawn.player),
        });
    }
    let (_, answered) = path.decide(submission);
    let outcomes: Vec<Outcome> = answered.outcomes().collect();
    let won = |outcome: &&Outcome| outcome.kind() == OutcomeKind::Won;
    let winners = outcomes.iter().filter(won).count();
    assert!((BLOCK / 3..BLOCK).contains(&winners), "about half win");
    let mut reply = Vec::new();
    for _ in 0..blocks {
        reply.clear();
        for outcome in &outcomes {
            put_outcome(&mut reply, form, std::hint::black_box(outcome), NOW);
        }
        std::hint::black_box(&reply);
    }
}
