//! Random schedules: whatever happens, in whatever order, the engine decides as the naive model
//! does and breaks no promise.

use huntcore_engine::{EngineLimits, NewFlag, NewHunt};
use huntcore_model::{
    BoardName, Flag, FlagSource, FlagValue, HuntId, HuntNumber, PlayerId, RoundNumber, TileIndex,
    TimeMicros,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::configs::config;
use crate::control_sim::{Command, facts};
use crate::desk::board;
use crate::world::{Ask, Asked, Fix, World};

const PLAYERS: [&str; 6] = ["ada", "bo", "cy", "dee", "Ünï 🐙", "f"];
const BOARDS: [&str; 3] = ["hourly", "weekly", "x"];
const OFFSETS_MS: [i64; 7] = [-20_000, -3_000, -150, 0, 40, 2_500, 15_000];

#[derive(Clone, Debug)]
enum Step {
    RunWell {
        millis: u64,
    },
    Wait {
        millis: u64,
    },
    Ask(Vec<AskPick>),
    Command(CommandPick),
    Announce,
    CommitControl(usize),
    Copy {
        shard: usize,
        count: usize,
    },
    ProvideValues {
        shard: usize,
        count: usize,
    },
    Commit {
        shard: usize,
        count: usize,
    },
    SetClock {
        shard: usize,
        offset: usize,
    },
    Snapshot {
        shard: usize,
    },
    SnapshotControl,
    Crash {
        shard: usize,
        offset: usize,
        checkpoint: usize,
    },
    CrashControl {
        offset: usize,
        checkpoint: usize,
    },
    SetControlClock {
        offset: usize,
    },
    SetStorageFull {
        shard: usize,
        full: bool,
    },
    Fork {
        shard: usize,
        checkpoint: usize,
    },
}

#[derive(Clone, Debug)]
enum AskPick {
    Attempt {
        hunt: u32,
        round: RoundPick,
        tile: u32,
        player: usize,
    },
    Again {
        told: usize,
        player: Option<usize>,
    },
    Event {
        hunt: u32,
        player: usize,
        event_id: u8,
        score: i64,
    },
    Void {
        hunt: u32,
        round: RoundPick,
        tile: u32,
    },
    /// Of a claim that somebody was told of.
    VoidTold {
        told: usize,
    },
    Disqualify {
        hunt: u32,
        player: usize,
        reinstate: bool,
    },
    CloseBoard {
        hunt: u32,
        board: usize,
        /// How long ago the window ended, in tenths of a second.
        ago: i64,
        players: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum RoundPick {
    FromNewest(i64),
    Any(u64),
}

#[derive(Clone, Debug)]
enum CommandPick {
    Create {
        config: usize,
        starts_ms: Option<i64>,
        ends_ms: Option<i64>,
    },
    Change {
        hunt: u32,
        config: usize,
    },
    MoveEnd {
        hunt: u32,
        ends_ms: Option<i64>,
    },
    Pause(u32),
    Resume(u32),
    Close(u32),
    /// These of the boards.
    Boards {
        hunt: u32,
        mask: u8,
    },
    Flag {
        hunt: Option<u32>,
        board: Option<usize>,
        mode: Option<bool>,
        by_file: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (shard, offset) = (0..3_usize, 0..OFFSETS_MS.len());
    let count = prop_oneof![Just(usize::MAX), 1..4_usize];
    let checkpoint = 0..6_usize;
    let millis = prop_oneof![4 => 1..400_u64, 2 => 400..3_000_u64, 1 => 3_000..40_000_u64];
    let step = prop_oneof![
        12 => millis.clone().prop_map(|millis| Step::RunWell { millis }),
        2 => millis.prop_map(|millis| Step::Wait { millis }),
        14 => vec(ask(), 1..12).prop_map(Step::Ask),
        // More than an arbiter looks at together.
        1 => vec(ask(), 60..200).prop_map(Step::Ask),
        4 => command().prop_map(Step::Command),
        2 => Just(Step::Announce),
        2 => count.clone().prop_map(Step::CommitControl),
        3 => (shard.clone(), count.clone()).prop_map(|(shard, count)| Step::Copy { shard, count }),
        2 => (shard.clone(), count.clone())
            .prop_map(|(shard, count)| Step::ProvideValues { shard, count }),
        6 => (shard.clone(), count).prop_map(|(shard, count)| Step::Commit { shard, count }),
        1 => (shard.clone(), offset.clone())
            .prop_map(|(shard, offset)| Step::SetClock { shard, offset }),
        4 => shard.clone().prop_map(|shard| Step::Snapshot { shard }),
        1 => Just(Step::SnapshotControl),
        3 => (shard.clone(), offset.clone(), checkpoint.clone())
            .prop_map(|(shard, offset, checkpoint)| Step::Crash { shard, offset, checkpoint }),
        1 => (offset.clone(), checkpoint.clone())
            .prop_map(|(offset, checkpoint)| Step::CrashControl { offset, checkpoint }),
        1 => offset.prop_map(|offset| Step::SetControlClock { offset }),
        1 => (shard.clone(), any::<bool>())
            .prop_map(|(shard, full)| Step::SetStorageFull { shard, full }),
        2 => (shard, checkpoint).prop_map(|(shard, checkpoint)| Step::Fork { shard, checkpoint }),
    ];
    vec(step, 10..70)
}

fn hunts() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![5 => Just(0_u32), 3 => 0..4_u32]
}

fn rounds() -> impl Strategy<Value = RoundPick> + Clone {
    prop_oneof![
        8 => (-4..3_i64).prop_map(RoundPick::FromNewest),
        1 => (-40..4_i64).prop_map(RoundPick::FromNewest),
        1 => prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1 << 60), 2..40_u64]
            .prop_map(RoundPick::Any),
    ]
}

fn tiles() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![8 => 0..4_u32, 1 => 0..9_u32, 1 => Just(u32::MAX)]
}

fn ask() -> impl Strategy<Value = AskPick> {
    let (hunt, round, tile) = (hunts(), rounds(), tiles());
    let player = 0..PLAYERS.len();
    prop_oneof![
        6 => (hunt.clone(), round, tile, player.clone())
            .prop_map(|(hunt, round, tile, player)| AskPick::Attempt { hunt, round, tile, player }),
        3 => (any::<usize>(), option::weighted(0.3, player.clone()))
            .prop_map(|(told, player)| AskPick::Again { told, player }),
        2 => (hunt, player, 0..5_u8, 0..3_i64)
            .prop_map(|(hunt, player, event_id, score)| {
                AskPick::Event { hunt, player, event_id, score }
            }),
        1 => (hunts(), rounds(), tiles())
            .prop_map(|(hunt, round, tile)| AskPick::Void { hunt, round, tile }),
        1 => any::<usize>().prop_map(|told| AskPick::VoidTold { told }),
        1 => (hunts(), 0..PLAYERS.len(), any::<bool>())
            .prop_map(|(hunt, player, reinstate)| AskPick::Disqualify { hunt, player, reinstate }),
        1 => (hunts(), 0..BOARDS.len(), -3..60_i64, 0..PLAYERS.len())
            .prop_map(|(hunt, board, ago, players)| {
                AskPick::CloseBoard { hunt, board, ago, players }
            }),
    ]
}

fn command() -> impl Strategy<Value = CommandPick> {
    let hunt = prop_oneof![4 => Just(0_u32), 2 => 0..4_u32];
    let config = 0..6_usize;
    let ends = option::of(-2_000..30_000_i64);
    prop_oneof![
        3 => (config.clone(), option::of(-2_000..6_000_i64), option::weighted(0.4, 500..30_000_i64))
            .prop_map(|(config, starts_ms, ends_ms)| {
                CommandPick::Create { config, starts_ms, ends_ms }
            }),
        5 => (hunt.clone(), config).prop_map(|(hunt, config)| CommandPick::Change { hunt, config }),
        2 => (hunt.clone(), ends).prop_map(|(hunt, ends_ms)| CommandPick::MoveEnd { hunt, ends_ms }),
        2 => hunt.clone().prop_map(CommandPick::Pause),
        3 => hunt.clone().prop_map(CommandPick::Resume),
        1 => hunt.clone().prop_map(CommandPick::Close),
        4 => (hunt.clone(), 0..8_u8).prop_map(|(hunt, mask)| CommandPick::Boards { hunt, mask }),
        2 => (option::of(hunt), option::of(0..BOARDS.len()), option::of(any::<bool>()), any::<bool>())
            .prop_map(|(hunt, board, mode, by_file)| {
                CommandPick::Flag { hunt, board, mode, by_file }
            }),
    ]
}

fn limits() -> impl Strategy<Value = EngineLimits> {
    (
        3..8_u32,
        2..12_usize,
        0..4_000_u64,
        0..6_000_u64,
        0..120_usize,
        1..6_usize,
    )
        .prop_map(
            |(
                players_max,
                events_max,
                event_horizon_ms,
                answer_ttl_ms,
                answers_max,
                events_sealed_at,
            )| {
                EngineLimits {
                    players_max,
                    events_max,
                    events_sealed_at,
                    event_horizon_ms,
                    answer_ttl_ms,
                    answers_max,
                }
            },
        )
}

fn run(shards: u16, limits: EngineLimits, steps: &[Step]) {
    let mut world = World::new(shards, limits);
    let first = CommandPick::Create {
        config: 0,
        starts_ms: None,
        ends_ms: None,
    };
    take(&mut world, &Step::Command(first));
    world.run_well(1);
    for step in steps {
        take(&mut world, step);
    }
    world.settle();
}

fn take(world: &mut World, step: &Step) {
    let shards = world.shards.len();
    match step {
        Step::RunWell { millis } => world.run_well(*millis),
        Step::Wait { millis } => world.clock += millis * 1_000,
        Step::Ask(picks) => {
            let asks: Vec<Ask> = picks.iter().map(|pick| picked(world, pick)).collect();
            world.decide(&asks);
        }
        Step::Command(pick) => command_world(world, pick),
        Step::Announce => world.announce(),
        Step::CommitControl(count) => world.control.commit(*count),
        Step::Copy { shard, count } => world.copy(shard % shards, *count),
        Step::ProvideValues { shard, count } => {
            world.shards[shard % shards].provide_values(*count);
        }
        Step::Commit { shard, count } => world.commit(shard % shards, *count),
        Step::SetClock { shard, offset } => {
            world.shards[shard % shards].set_clock(OFFSETS_MS[*offset]);
        }
        Step::Snapshot { shard } => world.shards[shard % shards].snapshot(),
        Step::SnapshotControl => world.control.snapshot(),
        Step::Crash {
            shard,
            offset,
            checkpoint,
        } => world.crash(shard % shards, OFFSETS_MS[*offset], *checkpoint),
        Step::CrashControl { offset, checkpoint } => {
            world.control.crash(OFFSETS_MS[*offset], *checkpoint);
        }
        Step::SetControlClock { offset } => world.control.set_clock(OFFSETS_MS[*offset]),
        Step::SetStorageFull { shard, full } => {
            world.shards[shard % shards].set_storage_full(*full);
        }
        Step::Fork { shard, checkpoint } => world.fork(shard % shards, *checkpoint),
    }
}

fn picked(world: &World, pick: &AskPick) -> Ask {
    match pick {
        AskPick::Attempt {
            hunt,
            round,
            tile,
            player,
        } => {
            let hunt = HuntNumber::new(*hunt);
            let round = number(world, hunt, *round);
            Ask::Attempt(Asked {
                hunt,
                round: RoundNumber::new(round),
                tile: TileIndex::new(*tile),
                player: PLAYERS[*player].to_owned(),
            })
        }
        AskPick::Again { told, player } => {
            let count = world.told.finals.len().max(1);
            let Some(asked) = world.told.finals.keys().nth(told % count) else {
                return picked(
                    world,
                    &AskPick::Event {
                        hunt: 0,
                        player: 0,
                        event_id: 0,
                        score: 0,
                    },
                );
            };
            let mut asked = asked.clone();
            if let Some(player) = player {
                PLAYERS[*player].clone_into(&mut asked.player);
            }
            Ask::Attempt(asked)
        }
        AskPick::Event {
            hunt,
            player,
            event_id,
            score,
        } => Ask::Event {
            hunt: HuntNumber::new(*hunt),
            player: PLAYERS[*player].to_owned(),
            event_id: format!("event {event_id}"),
            score: *score,
        },
        AskPick::Void { hunt, round, tile } => {
            let hunt = HuntNumber::new(*hunt);
            let round = RoundNumber::new(number(world, hunt, *round));
            Ask::Correct(hunt, Fix::Void(round, TileIndex::new(*tile)))
        }
        AskPick::VoidTold { told } => {
            let count = world.told.finals.len().max(1);
            match world.told.finals.keys().nth(told % count) {
                Some(asked) => Ask::Correct(asked.hunt, Fix::Void(asked.round, asked.tile)),
                None => Ask::Correct(HuntNumber::new(0), Fix::Reinstate("nobody".to_owned())),
            }
        }
        AskPick::Disqualify {
            hunt,
            player,
            reinstate,
        } => {
            let player = PLAYERS[*player].to_owned();
            let fix = match reinstate {
                true => Fix::Reinstate(player),
                false => Fix::Disqualify(player),
            };
            Ask::Correct(HuntNumber::new(*hunt), fix)
        }
        AskPick::CloseBoard {
            hunt,
            board,
            ago,
            players,
        } => {
            let entries = PLAYERS[..*players].iter().zip(0..);
            let clock = TimeMicros::new(world.clock.saturating_add_signed(-ago * 100_000));
            Ask::Close {
                hunt: HuntNumber::new(*hunt),
                board: BoardName::new(BOARDS[*board]).expect("a name"),
                end: TimeMicros::from_millis(clock.millis() / 1_000 * 1_000),
                entries: entries
                    .map(|(player, score)| (PlayerId::new(player).expect("an id"), score))
                    .collect(),
            }
        }
    }
}

fn number(world: &World, hunt: HuntNumber, round: RoundPick) -> u64 {
    match round {
        RoundPick::FromNewest(by) => world.newest_round(hunt).saturating_add_signed(by),
        RoundPick::Any(round) => round,
    }
}

fn command_world(world: &mut World, pick: &CommandPick) {
    let clock = world.clock;
    let later = |millis: i64| TimeMicros::new(clock.saturating_add_signed(millis * 1_000));
    let command = match pick {
        CommandPick::Create {
            config: which,
            starts_ms,
            ends_ms,
        } => {
            let hunt = world.control.next_hunt();
            Command::Create(NewHunt {
                id: HuntId::new(&format!("hunt-{hunt}")).expect("a slug"),
                starts_at: starts_ms.map(later),
                ends_at: ends_ms.map(later),
                config: config(*which),
                anchor: facts(hunt, RoundNumber::new(0)).map,
                boards: Vec::new(),
            })
        }
        CommandPick::Change {
            hunt,
            config: which,
        } => Command::Change(HuntNumber::new(*hunt), config(*which)),
        CommandPick::MoveEnd { hunt, ends_ms } => {
            Command::MoveEnd(HuntNumber::new(*hunt), ends_ms.map(later))
        }
        CommandPick::Pause(hunt) => Command::Pause(HuntNumber::new(*hunt)),
        CommandPick::Resume(hunt) => Command::Resume(HuntNumber::new(*hunt)),
        CommandPick::Close(hunt) => Command::Close(HuntNumber::new(*hunt)),
        CommandPick::Boards { hunt, mask } => {
            let chosen = (0..).zip(BOARDS).filter(|(bit, _)| mask & (1 << bit) != 0);
            let boards = chosen.map(|(_, name)| board(name)).collect();
            Command::SetBoards(HuntNumber::new(*hunt), boards)
        }
        CommandPick::Flag {
            hunt,
            board,
            mode,
            by_file,
        } => Command::SetFlag(NewFlag {
            flag: Flag::BoardsShadow,
            hunt: hunt.map(HuntNumber::new),
            board: board.map(|board| BoardName::new(BOARDS[board]).expect("a name")),
            value: mode.map(FlagValue::On),
            by: match by_file {
                true => FlagSource::File,
                false => FlagSource::Api,
            },
            reason: String::new(),
        }),
    };
    // A refusal is an answer too; that it changes nothing is checked where it is given.
    drop(world.control.command(clock, &command));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn one_shard_decides_as_the_naive_model_does(limits in limits(), steps in steps()) {
        run(1, limits, &steps);
    }

    #[test]
    fn three_shards_decide_as_the_naive_model_does(limits in limits(), steps in steps()) {
        run(3, limits, &steps);
    }
}
