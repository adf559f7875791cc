//! Messages of every kind, made up. Times are whole milliseconds and positions are base64url: what
//! both forms can say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huntcore_model::{
    BoardName, Hash32, HuntId, OutcomeKind, PlayerId, RoundNumber, TileIndex, TimeMicros,
};
use huntcore_wire::{
    BoardEntry, BoardMessage, BoardWindow, CellText, ClaimMessage, ClientMessage, DeltaMessage,
    ErrorMessage, HuntStateName, Interest, LiveBoard, LiveBoards, LiveClaim, LiveCorrection,
    LiveCorrectionKind, LiveSeed, OutcomeMessage, PositionText, RankMessage, Receipt, RoundMessage,
    ServerMessage, SnapshotClaim, SnapshotMessage, SnapshotRound, SubscribeMessage,
    SubscribedMessage, Timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// 9999-12-30T21:59:59.999Z, the last time there is.
const LAST_MS: u64 = 253_402_207_199_999;

/// Numbers of every length, mostly short ones.
pub(crate) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..200_u64, 1 => 0..100_000_u64, 1 => any::<u64>()]
}

fn small() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..200_u32, 1 => any::<u32>()]
}

fn round() -> impl Strategy<Value = RoundNumber> {
    number().prop_map(RoundNumber::new)
}

fn tile() -> impl Strategy<Value = TileIndex> {
    small().prop_map(TileIndex::new)
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(0),
        1_790_000_000_000..1_800_000_000_000_u64,
        0..=LAST_MS
    ]
    .prop_map(|millis| TimeMicros::from_millis(millis).into())
}

fn position() -> impl Strategy<Value = PositionText> {
    vec(any::<u8>(), 0..30).prop_map(|bytes| PositionText::new(URL_SAFE_NO_PAD.encode(bytes)))
}

fn hash() -> impl Strategy<Value = Hash32> {
    any::<[u8; 32]>().prop_map(Hash32::new)
}

fn hunt() -> impl Strategy<Value = HuntId> {
    "[a-z0-9][a-z0-9_-]{0,10}".prop_map(|text| HuntId::new(&text).expect("a slug"))
}

fn player() -> impl Strategy<Value = PlayerId> {
    "[a-z]{1,8}|.{1,16}".prop_filter_map("no id", |text| PlayerId::new(&text).ok())
}

fn board() -> impl Strategy<Value = BoardName> {
    let own = "[a-z][a-z0-9-]{0,30}".prop_map(|text| BoardName::new(&text).expect("a name"));
    prop_oneof![3 => select(&BoardName::BUILT_IN[..]), 2 => own]
}

fn correction() -> impl Strategy<Value = LiveCorrection> {
    use LiveCorrectionKind::{ClaimVoided, Disqualified, Reinstated};
    let kind = select(vec![ClaimVoided, Disqualified, Reinstated]);
    let claim = (option::of(round()), option::of(tile()), option::of(small()));
    let why = (option::weighted(0.9, player()), ".{0,40}");
    (kind, claim, why, time(), position()).prop_map(
        |(kind, (round, tile, points), (player, reason), corrected_at, position)| LiveCorrection {
            kind,
            round,
            tile,
            points,
            player,
            reason,
            corrected_at,
            position,
        },
    )
}

fn boards() -> impl Strategy<Value = LiveBoards> {
    let listed = (board(), 0..20_u64);
    (0..20_u64, vec(listed, 0..5)).prop_map(|(version, list)| LiveBoards {
        version,
        list: list
            .into_iter()
            .map(|(board, generation)| LiveBoard { board, generation })
            .collect(),
    })
}

fn state() -> impl Strategy<Value = HuntStateName> {
    use HuntStateName::{Closed, Ended, Paused, Running, Scheduled};
    select(vec![Scheduled, Running, Paused, Ended, Closed])
}

pub(crate) fn interest() -> impl Strategy<Value = Interest> {
    let cell = prop_oneof![
        (0..7_u64).prop_map(|digit| 0x0087_1fb4_6700_0fff_u64 | digit << 12),
        1..u64::MAX,
    ];
    prop_oneof![
        2 => Just(Interest::Everything),
        1 => vec(cell, 1..=64)
            .prop_map(|cells| Interest::cells(cells.into_iter().map(CellText::new)))
            .prop_map(|cells| cells.expect("not too many")),
        1 => vec(board(), 1..=19).prop_map(|boards| Interest::boards(boards).expect("some")),
    ]
}

pub(crate) fn client_message() -> impl Strategy<Value = ClientMessage> {
    let subscribe = (option::of(position()), interest(), option::of(board())).prop_map(
        |(resume, interest, own_rank)| {
            ClientMessage::Subscribe(SubscribeMessage {
                resume,
                interest,
                own_rank,
            })
        },
    );
    let claim = (".{1,16}", round(), tile(), option::of(".{0,64}")).prop_map(
        |(id, round, tile, answer)| {
            ClientMessage::Claim(ClaimMessage {
                id,
                round,
                tile,
                answer,
            })
        },
    );
    prop_oneof![subscribe, claim]
}

pub(crate) fn server_message() -> impl Strategy<Value = ServerMessage> {
    prop_oneof![
        subscribed().prop_map(ServerMessage::Subscribed),
        opened().prop_map(ServerMessage::Round),
        delta().prop_map(ServerMessage::Delta),
        snapshot().prop_map(ServerMessage::Snapshot),
        board_message().prop_map(ServerMessage::Board),
        rank().prop_map(ServerMessage::Rank),
        outcome().prop_map(ServerMessage::Outcome),
        error().prop_map(ServerMessage::Error),
    ]
}

pub(crate) fn subscribed() -> impl Strategy<Value = SubscribedMessage> {
    let who = (
        hunt(),
        option::of(player()),
        interest(),
        option::of(board()),
    );
    (time(), who, any::<bool>(), number(), position(), number()).prop_map(
        |(server_time, (hunt, player, interest, own_rank), resumed, tick, resume, tick_ms)| {
            SubscribedMessage {
                server_time,
                hunt,
                player,
                resumed,
                tick,
                resume,
                tick_ms,
                interest,
                own_rank,
            }
        },
    )
}

pub(crate) fn opened() -> impl Strategy<Value = RoundMessage> {
    let hashes = (hash(), hash(), hash());
    let times = (time(), time(), time());
    (times, hunt(), round(), small(), hashes, small()).prop_map(
        |(times, hunt, round, config_version, (map, commitment, layout), tiles)| RoundMessage {
            server_time: times.0,
            hunt,
            round,
            config_version,
            map,
            commitment,
            layout,
            tiles,
            opens_at: times.1,
            closes_at: times.2,
        },
    )
}

pub(crate) fn delta() -> impl Strategy<Value = DeltaMessage> {
    let claim = (
        number(),
        tile(),
        option::weighted(0.9, player()),
        small(),
        voided(),
    );
    let ticks = (number(), option::of(number()));
    let seeds = vec((round(), hash()), 0..3);
    let rounds = (vec(round(), 0..3), seeds, option::of(state()));
    let corrected = (vec(correction(), 0..3), option::weighted(0.3, boards()));
    (
        time(),
        ticks,
        position(),
        number(),
        vec(claim, 0..12),
        rounds,
        corrected,
    )
        .prop_map(
            |(server_time, (tick, from_tick), resume, oldest, claims, rounds, corrected)| {
                let (closed, seeds, state) = rounds;
                let (corrections, boards) = corrected;
                let claim = |(after, tile, player, points, voided): (u64, _, _, _, _)| LiveClaim {
                    round: RoundNumber::new(oldest.wrapping_add(after)),
                    tile,
                    player,
                    points,
                    voided,
                };
                DeltaMessage {
                    server_time,
                    tick,
                    from_tick,
                    resume,
                    oldest: RoundNumber::new(oldest),
                    claims: claims.into_iter().map(claim).collect(),
                    closed,
                    seeds: seeds
                        .into_iter()
                        .map(|(round, seed)| LiveSeed { round, seed })
                        .collect(),
                    state,
                    corrections,
                    boards,
                }
            },
        )
}

fn voided() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.2)
}

pub(crate) fn snapshot() -> impl Strategy<Value = SnapshotMessage> {
    let board = option::of(board_message());
    let head = (time(), number(), position(), hunt(), state(), round());
    let corrected = (vec(correction(), 0..3), option::weighted(0.3, boards()));
    (head, vec(snapshot_round(), 0..4), board, corrected).prop_map(
        |(head, rounds, board, (corrections, boards))| {
            let (server_time, tick, resume, hunt, state, oldest) = head;
            SnapshotMessage {
                server_time,
                tick,
                resume,
                hunt,
                state,
                oldest,
                rounds,
                board,
                corrections,
                boards,
            }
        },
    )
}

fn snapshot_round() -> impl Strategy<Value = SnapshotRound> {
    let claim = (tile(), option::weighted(0.9, player()), small(), voided()).prop_map(
        |(tile, player, points, voided)| SnapshotClaim {
            tile,
            player,
            points,
            voided,
        },
    );
    let end = (any::<bool>(), option::of(hash()), vec(claim, 0..12));
    (opened(), end).prop_map(|(opened, (closed, seed, claims))| SnapshotRound {
        round: opened.round,
        config_version: opened.config_version,
        map: opened.map,
        commitment: opened.commitment,
        layout: opened.layout,
        tiles: opened.tiles,
        opens_at: opened.opens_at,
        closes_at: opened.closes_at,
        closed,
        seed,
        claims,
    })
}

pub(crate) fn board_message() -> impl Strategy<Value = BoardMessage> {
    let window = (option::of(time()), option::of(time()), any::<bool>()).prop_map(
        |(start, end, is_final)| BoardWindow {
            start,
            end,
            is_final,
        },
    );
    let entry = (number(), player(), any::<i64>()).prop_map(|(rank, player, score)| BoardEntry {
        rank,
        player,
        score,
    });
    (
        time(),
        (board(), prop_oneof![Just(0), 0..20_u64]),
        window,
        position(),
        number(),
        vec(entry, 0..6),
    )
        .prop_map(
            |(server_time, (board, generation), window, position, players, entries)| BoardMessage {
                server_time,
                board,
                generation,
                window,
                position,
                players,
                entries,
            },
        )
}

pub(crate) fn rank() -> impl Strategy<Value = RankMessage> {
    let place = (option::of(number()), option::of(any::<i64>()));
    (time(), board(), player(), place, number(), position()).prop_map(
        |(server_time, board, player, (rank, score), players, position)| RankMessage {
            server_time,
            board,
            player,
            rank,
            score,
            players,
            position,
        },
    )
}

pub(crate) fn outcome() -> impl Strategy<Value = OutcomeMessage> {
    let kind = select(&OutcomeKind::ALL[..]);
    let receipt = option::of(position().prop_map(|position| Receipt { position }));
    let more = (option::of(number()), option::of(".{0,16}"));
    let head = (time(), ".{1,16}", kind, round(), tile());
    (
        head,
        receipt,
        option::of(small()),
        option::of(position()),
        more,
    )
        .prop_map(
            |((server_time, id, outcome, round, tile), receipt, points, winner_position, more)| {
                OutcomeMessage {
                    server_time,
                    id,
                    outcome,
                    round,
                    tile,
                    receipt,
                    points,
                    winner_position,
                    retry_after_ms: more.0,
                    detail: more.1,
                }
            },
        )
}

pub(crate) fn error() -> impl Strategy<Value = ErrorMessage> {
    (time(), option::of(".{0,16}"), "[a-z-]{0,16}", ".{0,40}").prop_map(
        |(server_time, id, code, detail)| ErrorMessage {
            server_time,
            id,
            code,
            detail,
        },
    )
}

/// What happens to bytes: where, with which byte, and how.
pub(crate) type Damage = Vec<(prop::sample::Index, u8, u8)>;

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4)
}

pub(crate) fn damaged(bytes: &[u8], damage: &Damage) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(index, byte, kind) in damage {
        if bytes.is_empty() {
            break;
        }
        let at = index.index(bytes.len());
        match kind {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => bytes.truncate(at),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}
