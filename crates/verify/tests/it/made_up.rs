//! A made-up hunt with boards of its own, which change and are corrected, as batches of shards.

use std::fmt;

use huntcore_model::{
    Batch, BatchBuilder, BoardClock, BoardDefinition, BoardName, BoardOperator, BoardOrder,
    BoardSource, ClaimRecord, ControlRecord, Correction, CorrectionRecord, Epoch, EventDigest,
    HuntNumber, PlayerNumber, Record, RoundNumber, Salt, ScoreRecord, Sequence, ShardId, ShardMap,
    Tail, TileIndex, TimeMicros, WindowRule,
};
use proptest::prelude::*;

pub(crate) const HUNT: HuntNumber = HuntNumber::new(1);
const START: TimeMicros = TimeMicros::new(10_000_000);

/// What may happen; what cannot be at its place does not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Claim {
        player: u8,
        points: u32,
    },
    Score {
        player: u8,
        score: i64,
        sent_before: Option<u64>,
    },
    /// The stream's copy of the next entry that gives the hunt other boards.
    Redefine,
    /// Of the stream's newest claim.
    Void,
    Disqualify {
        player: u8,
    },
    Reinstate {
        player: u8,
    },
}

/// One batch: of which stream, how long after the one before (of all streams), what.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    stream: u16,
    micros: u64,
    acts: Vec<Act>,
}

#[derive(Clone)]
pub(crate) struct MadeUp {
    pub(crate) shards: ShardMap,
    streams: Vec<Vec<Batch>>,
}

struct Writer {
    shard: ShardId,
    tail: Tail,
    players: Vec<u8>,
    lists: u64,
    claims: Vec<(Sequence, ClaimRecord)>,
}

/// What is in it, not its bytes.
impl fmt::Debug for MadeUp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for batch in self.streams.iter().flatten() {
            let header = batch.header();
            writeln!(formatter, "{} at {}", header.shard, header.time.get())?;
            for record in batch.records() {
                writeln!(formatter, "  {record:?}")?;
            }
        }
        Ok(())
    }
}

impl MadeUp {
    fn new(shards: u16, lists: &[Vec<BoardDefinition>], steps: &[Step]) -> Self {
        let shards = ShardMap::new(shards).expect("some shards");
        let writer = |shard| Writer {
            shard,
            tail: Tail::default(),
            players: Vec::new(),
            lists: 0,
            claims: Vec::new(),
        };
        let mut writers: Vec<_> = shards.shards().map(writer).collect();
        let mut streams = vec![Vec::new(); writers.len()];
        let mut time = START;
        for step in steps {
            time = TimeMicros::new(time.get() + step.micros);
            let stream = usize::from(step.stream % shards.count());
            let batch = writers[stream].batch(time, &step.acts, lists, shards);
            streams[stream].push(batch);
        }
        Self { shards, streams }
    }

    /// Every batch once, each stream in order, streams mixed as the choices say.
    pub(crate) fn interleaved(&self, choices: &[usize]) -> Vec<&Batch> {
        let mut left: Vec<_> = self.streams.iter().map(|stream| stream.iter()).collect();
        let mut choices = choices.iter().copied().cycle();
        let mut batches = Vec::new();
        while !left.is_empty() {
            let chosen = choices.next().unwrap_or(0) % left.len();
            match left[chosen].next() {
                Some(batch) => batches.push(batch),
                None => drop(left.remove(chosen)),
            }
        }
        batches
    }
}

impl Writer {
    fn batch(
        &mut self,
        time: TimeMicros,
        acts: &[Act],
        lists: &[Vec<BoardDefinition>],
        shards: ShardMap,
    ) -> Batch {
        let mut builder = BatchBuilder::new();
        builder.push(&Record::Time);
        let mut next = self.tail.sequence.advanced(1);
        for &act in acts {
            let number = act.player().map(|player| {
                let known = self.players.iter().position(|&known| known == player);
                let number = known.unwrap_or(self.players.len());
                let number = PlayerNumber::new(u32::try_from(number).expect("few"));
                if known.is_none() {
                    self.players.push(player);
                    let id = format!("player {player}");
                    builder.push_player(number, &id, Salt([7; 16]));
                    next = next.advanced(1);
                }
                number
            });
            let number = number.unwrap_or(PlayerNumber::new(0));
            if let Some(record) = self.record(act, (next, time), number, lists, shards) {
                builder.push(&record);
                next = next.advanced(1);
            }
        }
        let durable = self.tail.sequence;
        let batch = builder.finish(self.shard, Epoch::new(1), &self.tail, time, durable);
        self.tail = batch.tail();
        batch
    }

    fn record(
        &mut self,
        act: Act,
        (at, time): (Sequence, TimeMicros),
        player: PlayerNumber,
        lists: &[Vec<BoardDefinition>],
        shards: ShardMap,
    ) -> Option<Record<'static>> {
        let correction = |player, what| {
            Record::Correction(Box::new(CorrectionRecord {
                hunt: HUNT,
                player,
                what,
                reason: "made up".to_owned(),
            }))
        };
        // A player's score events are all taken in one stream, corrections of the player, too.
        let is_here = |player: u8| u16::from(player) % shards.count() == self.shard.get();
        Some(match act {
            Act::Claim { points, .. } => {
                let claim = ClaimRecord {
                    hunt: HUNT,
                    round: RoundNumber::new(at.get()),
                    tile: TileIndex::new(0),
                    player,
                    points,
                };
                self.claims.push((at, claim));
                Record::Claim(claim)
            }
            Act::Score {
                player: who,
                score,
                sent_before,
            } if is_here(who) => Record::Score(ScoreRecord {
                hunt: HUNT,
                player,
                event_id: "e",
                event_type: "quiz",
                score,
                sent_at: sent_before
                    .map(|before| TimeMicros::new(time.get().saturating_sub(before))),
                payload: "",
                digest: EventDigest([0; 16]),
            }),
            Act::Redefine => {
                let boards = lists
                    .get(usize::try_from(self.lists).expect("few"))?
                    .clone();
                self.lists += 1;
                Record::Control {
                    at: Sequence::new(self.lists),
                    record: Box::new(ControlRecord::BoardsChanged { hunt: HUNT, boards }),
                }
            }
            Act::Void => {
                let (claimed, claim) = self.claims.pop()?;
                let what = Correction::ClaimVoided {
                    round: claim.round,
                    tile: claim.tile,
                    points: claim.points,
                    claimed,
                };
                correction(claim.player, what)
            }
            Act::Disqualify { player: who } if is_here(who) => {
                correction(player, Correction::Disqualified)
            }
            Act::Reinstate { player: who } if is_here(who) => {
                correction(player, Correction::Reinstated)
            }
            Act::Score { .. } | Act::Disqualify { .. } | Act::Reinstate { .. } => return None,
        })
    }
}

impl Act {
    const fn player(self) -> Option<u8> {
        match self {
            Self::Claim { player, .. }
            | Self::Score { player, .. }
            | Self::Disqualify { player }
            | Self::Reinstate { player } => Some(player),
            Self::Redefine | Self::Void => None,
        }
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    let player = 0_u8..12;
    let sent_before = prop_oneof![Just(None), (0_u64..6_000_000).prop_map(Some)];
    prop_oneof![
        8 => (player.clone(), 0_u32..9).prop_map(|(player, points)| Act::Claim { player, points }),
        8 => (player.clone(), -3_i64..9, sent_before).prop_map(|(player, score, sent_before)| {
            Act::Score { player, score, sent_before }
        }),
        2 => Just(Act::Redefine),
        1 => Just(Act::Void),
        1 => player.clone().prop_map(|player| Act::Disqualify { player }),
        1 => player.prop_map(|player| Act::Reinstate { player }),
    ]
}

fn any_definition(name: &'static str) -> impl Strategy<Value = BoardDefinition> {
    let from = prop::sample::select(vec![
        BoardSource::Claims,
        BoardSource::Events,
        BoardSource::Both,
    ]);
    let operator = prop::sample::select(vec![
        BoardOperator::Sum,
        BoardOperator::Max,
        BoardOperator::Last,
        BoardOperator::Count,
        BoardOperator::Min,
    ]);
    let order = prop::sample::select(vec![BoardOrder::Descending, BoardOrder::Ascending]);
    let window = prop::sample::select(vec![
        WindowRule::Whole,
        WindowRule::Tumbling { length_ms: 1_000 },
        WindowRule::Tumbling { length_ms: 3_000 },
    ]);
    let clock = prop::sample::select(vec![
        BoardClock::Server,
        BoardClock::Event { lateness_ms: 0 },
        BoardClock::Event { lateness_ms: 2_500 },
    ]);
    let keep_ms = prop::sample::select(vec![0_u64, 2_000, 3_600_000]);
    (from, operator, order, window, clock, keep_ms).prop_map(
        move |(from, operator, order, window, clock, keep_ms)| BoardDefinition {
            name: BoardName::new(name).expect("a name"),
            from,
            operator,
            order,
            clock: match window {
                WindowRule::Whole => BoardClock::Server,
                _ => clock,
            },
            window,
            event_types: Vec::new(),
            keep_ms,
            results: 0,
        },
    )
}

pub(crate) fn any_made_up() -> impl Strategy<Value = MadeUp> {
    // Lists are made of few definitions, so that some boards go on from one to the next.
    let pool = (
        [any_definition("a"), any_definition("a")],
        any_definition("b"),
    );
    let picks = prop::collection::vec((0_usize..3, any::<bool>()), 0..4);
    let micros = prop_oneof![
        Just(0_u64),
        Just(250_000),
        Just(1_000_000),
        0_u64..3_000_000
    ];
    let step = (0_u16..3, micros, prop::collection::vec(any_act(), 0..7));
    let step = step.prop_map(|(stream, micros, acts)| Step {
        stream,
        micros,
        acts,
    });
    let steps = prop::collection::vec(step, 0..40);
    let shards = prop_oneof![Just(1_u16), Just(3)];
    (shards, pool, picks, steps).prop_map(|(shards, (a, b), picks, steps)| {
        let lists: Vec<Vec<_>> = picks
            .into_iter()
            .map(|(of_a, with_b)| {
                let picked = [a.get(of_a), Some(&b).filter(|_| with_b)];
                picked.into_iter().flatten().cloned().collect()
            })
            .collect();
        MadeUp::new(shards, &lists, &steps)
    })
}

pub(crate) fn any_choices() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..12, 1..60)
}
