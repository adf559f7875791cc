//! How many bytes messages take in either form. The table stands in `docs/live.md`, and this test
//! keeps it true.

use huntcore_model::{
    BoardName, Hash32, HuntId, Outcome, PlayerId, Position, RoundNumber, Sequence, ShardId,
    TileIndex, TimeMicros,
};
use huntcore_wire::{
    BoardEntry, BoardMessage, BoardWindow, ClaimMessage, ClientMessage, DeltaMessage,
    HuntStateName, LiveClaim, LiveForm, OutcomeMessage, RankMessage, RoundMessage, ServerMessage,
    SnapshotClaim, SnapshotMessage, SnapshotRound,
};

const DOCUMENT: &str = include_str!("../../../../docs/live.md");
const NOW: TimeMicros = TimeMicros::from_millis(1_795_341_600_123);
/// A hunt of one-second rounds, a day old.
const ROUND: u64 = 86_400;
const OPEN_ROUNDS: u64 = 10;
const TILES: u32 = 1_024;

/// Of 10,000 players with ids of 20 bytes.
fn player(number: u64) -> PlayerId {
    PlayerId::new(&format!("player-{:013}", number % 10_000)).expect("an id")
}

/// Three shards and the control stream, each some millions of records long.
fn position() -> Position {
    let mut position = Position::start();
    for shard in 0..4 {
        position.advance(ShardId::new(shard), Sequence::new(3_000_000));
    }
    position
}

fn hash(byte: u8) -> Hash32 {
    Hash32::new([byte; 32])
}

/// Claims spread over the open rounds, their tiles and the players.
fn claims(count: u64) -> impl Iterator<Item = LiveClaim> {
    (0..count).map(|number| {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        LiveClaim {
            round: RoundNumber::new(ROUND + mixed % OPEN_ROUNDS),
            tile: TileIndex::new(u32::try_from((mixed >> 8) % u64::from(TILES)).expect("few")),
            player: Some(player(mixed >> 16)),
            points: u32::try_from(1 + (mixed >> 4) % 100).expect("few"),
            voided: false,
        }
    })
}

fn delta(count: u64) -> ServerMessage {
    ServerMessage::Delta(DeltaMessage {
        server_time: NOW.into(),
        tick: 864_000,
        from_tick: None,
        resume: (&position()).into(),
        oldest: RoundNumber::new(ROUND),
        claims: claims(count).collect(),
        closed: Vec::new(),
        seeds: Vec::new(),
        state: None,
        corrections: Vec::new(),
        boards: None,
    })
}

fn round() -> RoundMessage {
    RoundMessage {
        server_time: NOW.into(),
        hunt: HuntId::new("park").expect("a slug"),
        round: RoundNumber::new(ROUND),
        config_version: 1,
        map: hash(0xa1),
        commitment: hash(0xb2),
        layout: hash(0xc3),
        tiles: TILES,
        opens_at: NOW.into(),
        closes_at: NOW.plus_millis(10_000).into(),
    }
}

/// Ten rounds, half of whose tiles are won.
fn snapshot() -> ServerMessage {
    let opened = round();
    let rounds = (0..OPEN_ROUNDS).map(|after| SnapshotRound {
        round: RoundNumber::new(ROUND + after),
        config_version: opened.config_version,
        map: opened.map,
        commitment: opened.commitment,
        layout: opened.layout,
        tiles: opened.tiles,
        opens_at: opened.opens_at,
        closes_at: opened.closes_at,
        closed: false,
        seed: None,
        claims: claims(u64::from(TILES / 2))
            .map(|claim| SnapshotClaim {
                tile: claim.tile,
                player: claim.player,
                points: claim.points,
                voided: false,
            })
            .collect(),
    });
    ServerMessage::Snapshot(SnapshotMessage {
        server_time: NOW.into(),
        tick: 864_000,
        resume: (&position()).into(),
        hunt: opened.hunt.clone(),
        state: HuntStateName::Running,
        oldest: RoundNumber::new(ROUND),
        rounds: rounds.collect(),
        board: None,
        corrections: Vec::new(),
        boards: None,
    })
}

fn board() -> ServerMessage {
    let entries = (1..=10).map(|rank| BoardEntry {
        rank,
        player: player(rank * 977),
        score: 12_345 - i64::try_from(rank).expect("few"),
    });
    ServerMessage::Board(BoardMessage {
        server_time: NOW.into(),
        board: BoardName::TOTAL,
        generation: 0,
        window: BoardWindow::WHOLE_HUNT,
        position: (&position()).into(),
        players: 10_000,
        entries: entries.collect(),
    })
}

fn rank() -> ServerMessage {
    ServerMessage::Rank(RankMessage {
        server_time: NOW.into(),
        board: BoardName::TOTAL,
        player: player(977),
        rank: Some(4_321),
        score: Some(1_250),
        players: 10_000,
        position: (&position()).into(),
    })
}

fn claim() -> ClaimMessage {
    ClaimMessage {
        id: "c17".to_owned(),
        round: RoundNumber::new(ROUND),
        tile: TileIndex::new(517),
        answer: None,
    }
}

fn outcome() -> ServerMessage {
    let won = Outcome::Won {
        shard: ShardId::new(2),
        sequence: Sequence::new(3_000_000),
        points: 25,
    };
    ServerMessage::Outcome(OutcomeMessage::of_outcome(claim(), &won, NOW))
}

fn thousands(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

#[test]
fn the_document_states_the_bytes_of_messages() {
    let of_server = |message: ServerMessage| LiveForm::ALL.map(|form| message.encode(form).len());
    let claim = ClientMessage::Claim(claim());
    let rows = [
        (
            "`claim`",
            LiveForm::ALL.map(|form| claim.encode(form).len()),
        ),
        ("`outcome` (`won`)", of_server(outcome())),
        ("`round`", of_server(ServerMessage::Round(round()))),
        ("`delta`, 1 claim", of_server(delta(1))),
        ("`delta`, 100 claims", of_server(delta(100))),
        ("`delta`, 1,000 claims", of_server(delta(1_000))),
        ("`snapshot`, 10 rounds, 5,120 claims", of_server(snapshot())),
        ("`board`, 10 entries", of_server(board())),
        ("`rank`", of_server(rank())),
    ];
    let table = rows.map(|(name, [json, proto])| {
        let percent = (100 * proto + json / 2) / json;
        let (json, proto) = (thousands(json), thousands(proto));
        format!("| {name} | {json} | {proto} | {percent} % |\n")
    });
    let table = table.concat();
    assert!(
        DOCUMENT.contains(&table),
        "docs/live.md has another table than:\n{table}"
    );
}
