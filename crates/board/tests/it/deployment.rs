//! What happened in a made-up deployment whose hunt has boards of its own, which change, are
//! corrected and closed: as batches and as plain facts.

use huntcore_model::{
    Batch, BatchBuilder, BoardClock, BoardClosedRecord, BoardDefinition, BoardName, BoardOperator,
    BoardOrder, BoardSource, ClaimRecord, ControlRecord, Correction, CorrectionRecord, Epoch,
    EventDigest, PlayerNumber, Record, RoundNumber, Salt, ScoreRecord, Sequence, ShardId, ShardMap,
    Tail, TileIndex, TimeMicros, WindowRule, Zone, ZoneOffset,
};
use proptest::prelude::*;

use crate::batches::HUNT;
use crate::history::{START, name};

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
        kind: bool,
    },
    /// The stream's copy of the next entry that gives the hunt other boards.
    Redefine,
    /// Of one of the stream's claims.
    Void {
        claim: usize,
    },
    Disqualify {
        player: u8,
    },
    Reinstate {
        player: u8,
    },
    /// Results of a board's windows up to so long before the batch.
    Close {
        board: usize,
        before: u64,
    },
}

/// One batch: of which stream, how long after the one before (of all streams), what.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) stream: u16,
    pub(crate) micros: u64,
    pub(crate) acts: Vec<Act>,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Claim {
        points: u32,
    },
    Score {
        score: i64,
        sent_at: Option<TimeMicros>,
        kind: &'static str,
    },
    Redefined,
    Voided {
        claimed: Sequence,
    },
    Disqualified,
    Reinstated,
    Closed {
        board: BoardName,
        end: TimeMicros,
    },
}

/// One thing that has happened, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) time: TimeMicros,
    pub(crate) shard: ShardId,
    pub(crate) sequence: Sequence,
    pub(crate) player: u8,
    /// How many lists of boards the stream has come to, this one's record included.
    pub(crate) list: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) shards: ShardMap,
    pub(crate) streams: Vec<Vec<Batch>>,
    pub(crate) facts: Vec<Fact>,
    /// The hunt's boards, one list after the other; each is the entry of its place + 1.
    pub(crate) lists: Vec<Vec<BoardDefinition>>,
}

struct Writer {
    shard: ShardId,
    tail: Tail,
    players: Vec<u8>,
    list: usize,
    claims: Vec<(Sequence, u8, u32, u64, bool)>,
}

impl Deployment {
    pub(crate) fn new(shards: u16, lists: Vec<Vec<BoardDefinition>>, steps: &[Step]) -> Self {
        let shards = ShardMap::new(shards).expect("some shards");
        let mut writers: Vec<_> = shards
            .shards()
            .map(|shard| Writer {
                shard,
                tail: Tail::default(),
                players: Vec::new(),
                list: 0,
                claims: Vec::new(),
            })
            .collect();
        let mut streams = vec![Vec::new(); writers.len()];
        let mut facts = Vec::new();
        let mut closed = [TimeMicros::ZERO; 3];
        let mut time = START;
        for step in steps {
            time = TimeMicros::new(time.get() + step.micros);
            let stream = usize::from(step.stream % shards.count());
            let batch = writers[stream].batch(time, step, &lists, &mut closed, shards, &mut facts);
            streams[stream].push(batch);
        }
        Self {
            shards,
            streams,
            facts,
            lists,
        }
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
        step: &Step,
        lists: &[Vec<BoardDefinition>],
        closed: &mut [TimeMicros; 3],
        shards: ShardMap,
        facts: &mut Vec<Fact>,
    ) -> Batch {
        let mut builder = BatchBuilder::new();
        let mut next = self.tail.sequence;
        builder.push(&Record::Time);
        next = next.advanced(1);
        for &act in &step.acts {
            let player = match act {
                Act::Claim { player, .. }
                | Act::Score { player, .. }
                | Act::Disqualify { player }
                | Act::Reinstate { player } => player,
                Act::Void { claim } if !self.claims.is_empty() => {
                    self.claims[claim % self.claims.len()].1
                }
                _ => 0,
            };
            let known = self.players.iter().position(|&known| known == player);
            let number = known.unwrap_or(self.players.len());
            let number = PlayerNumber::new(u32::try_from(number).expect("few"));
            if known.is_none() {
                self.players.push(player);
                builder.push_player(number, &name(player), Salt([7; 16]));
                next = next.advanced(1);
            }
            let Some((record, what)) = self.record(act, time, number, lists, closed, shards) else {
                continue;
            };
            if let What::Claim { points } = what {
                let round = self.claims.len() as u64;
                self.claims.push((next, player, points, round, false));
            }
            builder.push(&record);
            facts.push(Fact {
                time,
                shard: self.shard,
                sequence: next,
                player,
                list: self.list,
                what,
            });
            next = next.advanced(1);
        }
        let durable = self.tail.sequence;
        let batch = builder.finish(self.shard, Epoch::new(1), &self.tail, time, durable);
        self.tail = batch.tail();
        batch
    }

    fn record(
        &mut self,
        act: Act,
        time: TimeMicros,
        player: PlayerNumber,
        lists: &[Vec<BoardDefinition>],
        closed: &mut [TimeMicros; 3],
        shards: ShardMap,
    ) -> Option<(Record<'static>, What)> {
        let correction = |what| {
            Record::Correction(Box::new(CorrectionRecord {
                hunt: HUNT,
                player,
                what,
                reason: "made up".to_owned(),
            }))
        };
        // A player is disqualified where their score events are taken.
        let is_here = |player: u8| u16::from(player) % shards.count() == self.shard.get();
        Some(match act {
            Act::Claim { points, .. } => {
                let round = self.claims.len() as u64;
                let record = Record::Claim(ClaimRecord {
                    hunt: HUNT,
                    round: RoundNumber::new(round),
                    tile: TileIndex::new(0),
                    player,
                    points,
                });
                (record, What::Claim { points })
            }
            Act::Score {
                score,
                sent_before,
                kind,
                ..
            } => {
                let kind = if kind { "boss" } else { "jump" };
                let sent_at = sent_before
                    .map(|before| TimeMicros::new((time.get() + 500_000).saturating_sub(before)));
                let record = Record::Score(ScoreRecord {
                    hunt: HUNT,
                    player,
                    event_id: "e",
                    event_type: kind,
                    score,
                    sent_at,
                    payload: "",
                    digest: EventDigest([0; 16]),
                });
                (
                    record,
                    What::Score {
                        score,
                        sent_at,
                        kind,
                    },
                )
            }
            Act::Redefine => {
                let boards = lists.get(self.list)?.clone();
                self.list += 1;
                let at = Sequence::new(self.list as u64);
                let record = Box::new(ControlRecord::BoardsChanged { hunt: HUNT, boards });
                (Record::Control { at, record }, What::Redefined)
            }
            Act::Void { claim } => {
                let claims = self.claims.len();
                let claim = self.claims.get_mut(claim % claims.max(1))?;
                let (claimed, _, points, round, is_voided) = *claim;
                if is_voided {
                    return None;
                }
                claim.4 = true;
                let what = Correction::ClaimVoided {
                    round: RoundNumber::new(round),
                    tile: TileIndex::new(0),
                    points,
                    claimed,
                };
                (correction(what), What::Voided { claimed })
            }
            Act::Disqualify { player } if is_here(player) => {
                (correction(Correction::Disqualified), What::Disqualified)
            }
            Act::Reinstate { player } if is_here(player) => {
                (correction(Correction::Reinstated), What::Reinstated)
            }
            Act::Close { board, before } if self.shard.get() == 0 => {
                let place = board % closed.len();
                let end =
                    TimeMicros::new(time.get().saturating_sub(before) / 1_000_000 * 1_000_000);
                if end <= closed[place] {
                    return None;
                }
                closed[place] = end;
                let board = board_name(place);
                let record = BoardClosedRecord {
                    hunt: HUNT,
                    board,
                    start: TimeMicros::ZERO,
                    end,
                    players: 1,
                    entries: vec![(player, 1)],
                };
                (
                    Record::BoardClosed(Box::new(record)),
                    What::Closed { board, end },
                )
            }
            Act::Disqualify { .. } | Act::Reinstate { .. } | Act::Close { .. } => return None,
        })
    }
}

pub(crate) fn board_name(place: usize) -> BoardName {
    ["a", "b", "c"][place % 3].parse().expect("a name")
}

fn any_act() -> impl Strategy<Value = Act> {
    let player = 0_u8..6;
    let points = prop_oneof![Just(0_u32), Just(1), Just(1), 0_u32..30];
    let score = prop_oneof![-3_i64..3, Just((1 << 53) - 1), Just(-(1 << 53) + 1)];
    let sent_before = prop_oneof![
        Just(None),
        (0_u64..3_000_000).prop_map(Some),
        (0_u64..20_000_000).prop_map(Some)
    ];
    prop_oneof![
        4 => (player.clone(), points).prop_map(|(player, points)| Act::Claim { player, points }),
        4 => (player.clone(), score, sent_before, any::<bool>()).prop_map(
            |(player, score, sent_before, kind)| Act::Score { player, score, sent_before, kind }
        ),
        2 => Just(Act::Redefine),
        2 => (0_usize..9).prop_map(|claim| Act::Void { claim }),
        1 => player.clone().prop_map(|player| Act::Disqualify { player }),
        1 => player.prop_map(|player| Act::Reinstate { player }),
        1 => (0_usize..3, 0_u64..4_000_000).prop_map(|(board, before)| Act::Close { board, before }),
    ]
}

fn any_definition(place: usize) -> impl Strategy<Value = BoardDefinition> {
    let from = prop_oneof![
        Just(BoardSource::Claims),
        Just(BoardSource::Events),
        Just(BoardSource::Both)
    ];
    let operator = prop_oneof![
        Just(BoardOperator::Sum),
        Just(BoardOperator::Max),
        Just(BoardOperator::Last),
        Just(BoardOperator::Count),
        Just(BoardOperator::Min)
    ];
    let order = prop_oneof![Just(BoardOrder::Descending), Just(BoardOrder::Ascending)];
    let zone = Zone {
        name: "Test/Zone".to_owned(),
        offsets: vec![ZoneOffset {
            from: TimeMicros::ZERO,
            seconds: 3_600,
        }],
    };
    let window = prop_oneof![
        Just(WindowRule::Whole),
        Just(WindowRule::Tumbling { length_ms: 1_000 }),
        Just(WindowRule::Tumbling { length_ms: 3_000 }),
        Just(WindowRule::Cron {
            expression: "* * * * *".to_owned(),
            zone
        }),
    ];
    let clock = prop_oneof![
        Just(BoardClock::Server),
        Just(BoardClock::Event { lateness_ms: 0 }),
        Just(BoardClock::Event { lateness_ms: 2_500 })
    ];
    let event_types = prop_oneof![Just(Vec::new()), Just(vec!["boss".to_owned()])];
    let keep_ms = prop_oneof![Just(0_u64), Just(2_000), Just(3_600_000)];
    let results = prop_oneof![Just(0_u16), Just(2)];
    let rules = (from, operator, order, window, clock, event_types);
    (rules, keep_ms, results).prop_map(move |(rules, keep_ms, results)| {
        let (from, operator, order, window, clock, event_types) = rules;
        let is_whole = window == WindowRule::Whole;
        BoardDefinition {
            name: board_name(place),
            from,
            operator,
            order,
            window,
            clock: if is_whole { BoardClock::Server } else { clock },
            event_types: if from == BoardSource::Claims {
                Vec::new()
            } else {
                event_types
            },
            keep_ms,
            results,
        }
    })
}

pub(crate) fn any_deployment() -> impl Strategy<Value = Deployment> {
    // Lists are made of few definitions, so that some boards go on from one to the next.
    let pool = (
        [any_definition(0), any_definition(0)],
        [any_definition(1), any_definition(1)],
        any_definition(2),
    );
    let picks = proptest::collection::vec((0_usize..3, 0_usize..3, 0_usize..2), 0..4);
    let micros = prop_oneof![
        Just(0_u64),
        Just(1),
        Just(250_000),
        Just(1_000_000),
        0_u64..3_000_000,
        Just(30_000_000)
    ];
    let step = (0_u16..3, micros, proptest::collection::vec(any_act(), 0..7));
    let step = step.prop_map(|(stream, micros, acts)| Step {
        stream,
        micros,
        acts,
    });
    let steps = proptest::collection::vec(step, 0..30);
    (prop_oneof![Just(1_u16), Just(3)], pool, picks, steps).prop_map(
        |(shards, (a, b, c), picks, steps)| {
            let lists = picks.into_iter().map(|(of_a, of_b, of_c)| {
                let picked = [a.get(of_a), b.get(of_b), Some(&c).filter(|_| of_c == 0)];
                picked.into_iter().flatten().cloned().collect()
            });
            Deployment::new(shards, lists.collect(), &steps)
        },
    )
}
