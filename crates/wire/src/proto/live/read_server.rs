//! What servers send, read.

use huntcore_model::{HuntId, PlayerId, RoundNumber, TileIndex};

use super::super::ProtoFault;
use super::super::fields::{Fields, Value, narrow};
use super::super::item::kind_of;
use super::super::writer::unzigzag;
use super::names::{board_named, board_of, hash, position, state_of, time};
use super::read_boards::{read_board, read_board_list, read_correction};
use super::{enclosed, read_interest, set_once, unknown_type};
use crate::{
    DeltaMessage, ErrorMessage, LiveClaim, LiveSeed, MessageError, OutcomeMessage, PositionText,
    RankMessage, Receipt, RoundMessage, ServerMessage, SnapshotClaim, SnapshotMessage,
    SnapshotRound, SubscribedMessage, Timestamp,
};

/// Reads a binary frame's message; a delta's claims only if they are wanted.
pub(crate) fn decode_server_message(
    message: &[u8],
    wants_claims: bool,
) -> Result<ServerMessage, MessageError> {
    let (field, value) = enclosed(message)?;
    Ok(match field {
        1 => ServerMessage::Subscribed(read_subscribed(value.bytes("subscribed")?)?),
        2 => ServerMessage::Round(read_round(value.bytes("round")?)?),
        3 => ServerMessage::Delta(read_delta(value.bytes("delta")?, wants_claims)?),
        4 => ServerMessage::Snapshot(read_snapshot(value.bytes("snapshot")?)?),
        5 => ServerMessage::Board(read_board(value.bytes("board")?)?),
        6 => ServerMessage::Rank(read_rank(value.bytes("rank")?)?),
        7 => ServerMessage::Outcome(read_outcome(value.bytes("outcome")?)?),
        8 => ServerMessage::Error(read_error(value.bytes("error")?)?),
        newer => return Err(unknown_type(newer)),
    })
}

/// The columns of claims.
#[derive(Default)]
struct Columns<'a> {
    tiles: Vec<u64>,
    points: Vec<u64>,
    /// An erased player is the empty one.
    players: Vec<&'a str>,
    /// The places in the columns of claims that count no more.
    voided: Vec<u64>,
}

impl<'a> Columns<'a> {
    /// The claims, each with its place in the columns.
    fn claims(
        &self,
    ) -> Result<impl Iterator<Item = Result<SnapshotClaim, ProtoFault>> + '_, ProtoFault> {
        same_length("claim_points", self.points.len(), self.tiles.len())?;
        same_length("claim_players", self.players.len(), self.tiles.len())?;
        let count = self.tiles.len() as u64;
        if let Some(&found) = self.voided.iter().find(|&&place| place >= count) {
            let field = "claim_voided";
            return Err(ProtoFault::Range { field, found });
        }
        let mut voided = self.voided.clone();
        voided.sort_unstable();
        let numbers = self.tiles.iter().zip(&self.points);
        let claims = (0_u64..).zip(numbers.zip(&self.players));
        Ok(claims.map(move |(place, ((&tile, &points), &player))| {
            Ok(SnapshotClaim {
                tile: TileIndex::new(narrow(tile, "claim_tiles")?),
                player: player_of(player)?,
                points: narrow(points, "claim_points")?,
                voided: !voided.is_empty() && voided.binary_search(&place).is_ok(),
            })
        }))
    }

    fn add_player(&mut self, value: Value<'a>) -> Result<(), ProtoFault> {
        self.players.push(value.text("claim_players")?);
        Ok(())
    }
}

/// Who; an erased player is the empty one.
pub(super) fn player_of(text: &str) -> Result<Option<PlayerId>, ProtoFault> {
    Ok(match text {
        "" => None,
        id => Some(PlayerId::new(id)?),
    })
}

fn same_length(field: &'static str, found: usize, expected: usize) -> Result<(), ProtoFault> {
    match found == expected {
        true => Ok(()),
        false => Err(ProtoFault::Column {
            field,
            found,
            expected,
        }),
    }
}

fn read_subscribed(message: &[u8]) -> Result<SubscribedMessage, ProtoFault> {
    let (mut server_time, mut hunt, mut player) = (Timestamp::default(), "", None);
    let (mut resumed, mut tick, mut tick_ms) = (false, 0, 0);
    let (mut resume, mut interest, mut own_rank) = (PositionText::default(), None, None);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => hunt = value.text("hunt")?,
            3 => player = Some(PlayerId::new(value.text("player")?)?),
            4 => resumed = value.number("resumed")? != 0,
            5 => tick = value.number("tick")?,
            6 => resume = position(value, "resume")?,
            7 => tick_ms = value.number("tick_ms")?,
            8 => set_once(&mut interest, read_interest(value)?, "interest")?,
            9 => own_rank = board_of(value.number("own_rank")?, "own_rank")?,
            10 => own_rank = Some(board_named(value, "own_rank_name")?),
            _ => {}
        }
    }
    Ok(SubscribedMessage {
        server_time,
        hunt: HuntId::new(hunt)?,
        player,
        resumed,
        tick,
        resume,
        tick_ms,
        interest: interest.unwrap_or_default(),
        own_rank,
    })
}

fn read_round(message: &[u8]) -> Result<RoundMessage, ProtoFault> {
    let (mut server_time, mut hunt, mut round) = (Timestamp::default(), "", 0);
    let (mut config_version, mut tiles) = (0, 0);
    let (mut map, mut commitment, mut layout) = (None, None, None);
    let (mut opens_at, mut closes_at) = (Timestamp::default(), Timestamp::default());
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => hunt = value.text("hunt")?,
            3 => round = value.number("round")?,
            4 => config_version = value.number_u32("config_version")?,
            5 => map = Some(hash(value, "map")?),
            6 => commitment = Some(hash(value, "commitment")?),
            7 => layout = Some(hash(value, "layout")?),
            8 => tiles = value.number_u32("tiles")?,
            9 => opens_at = time(value.number("opens_at_ms")?, "opens_at_ms")?,
            10 => closes_at = time(value.number("closes_at_ms")?, "closes_at_ms")?,
            _ => {}
        }
    }
    Ok(RoundMessage {
        server_time,
        hunt: HuntId::new(hunt)?,
        round: RoundNumber::new(round),
        config_version,
        map: present(map, "map")?,
        commitment: present(commitment, "commitment")?,
        layout: present(layout, "layout")?,
        tiles,
        opens_at,
        closes_at,
    })
}

fn read_delta(message: &[u8], wants_claims: bool) -> Result<DeltaMessage, ProtoFault> {
    let (mut server_time, mut tick, mut from_tick) = (Timestamp::default(), 0, None);
    let (mut resume, mut oldest) = (PositionText::default(), 0);
    let (mut rounds, mut columns) = (Vec::new(), Columns::default());
    let (mut closed, mut seeds, mut state) = (Vec::new(), Vec::new(), None);
    let (mut corrections, mut boards) = (Vec::new(), None);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => tick = value.number("tick")?,
            3 => from_tick = Some(value.number("from_tick")?),
            4 => resume = position(value, "resume")?,
            5 => oldest = value.number("oldest")?,
            6..=9 | 15 if !wants_claims => {}
            6 => value.append_to(&mut rounds, "claim_rounds")?,
            7 => value.append_to(&mut columns.tiles, "claim_tiles")?,
            8 => value.append_to(&mut columns.points, "claim_points")?,
            9 => columns.add_player(value)?,
            10 => value.append_to(&mut closed, "closed")?,
            11 => seeds.push(read_seed(value)?),
            12 => state = state_of(value.number("state")?)?,
            13 => corrections.push(read_correction(value)?),
            14 => set_once(&mut boards, read_board_list(value)?, "boards")?,
            15 => value.append_to(&mut columns.voided, "claim_voided")?,
            _ => {}
        }
    }
    same_length("claim_rounds", rounds.len(), columns.tiles.len())?;
    let claims = rounds.iter().zip(columns.claims()?).map(|(&after, claim)| {
        let SnapshotClaim {
            tile,
            player,
            points,
            voided,
        } = claim?;
        Ok(LiveClaim {
            round: RoundNumber::new(oldest.wrapping_add(after)),
            tile,
            player,
            points,
            voided,
        })
    });
    Ok(DeltaMessage {
        server_time,
        tick,
        from_tick,
        resume,
        oldest: RoundNumber::new(oldest),
        claims: claims.collect::<Result<_, ProtoFault>>()?,
        closed: closed.into_iter().map(RoundNumber::new).collect(),
        seeds,
        state,
        corrections,
        boards,
    })
}

fn read_seed(value: Value<'_>) -> Result<LiveSeed, ProtoFault> {
    let (mut round, mut seed) = (0, None);
    let mut fields = Fields::of(value.bytes("seeds")?);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => round = value.number("round")?,
            2 => seed = Some(hash(value, "seed")?),
            _ => {}
        }
    }
    Ok(LiveSeed {
        round: RoundNumber::new(round),
        seed: present(seed, "seed")?,
    })
}

fn read_snapshot(message: &[u8]) -> Result<SnapshotMessage, ProtoFault> {
    let (mut server_time, mut tick) = (Timestamp::default(), 0);
    let (mut resume, mut hunt, mut state) = (PositionText::default(), "", None);
    let (mut oldest, mut rounds, mut board) = (0, Vec::new(), None);
    let (mut corrections, mut boards) = (Vec::new(), None);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => tick = value.number("tick")?,
            3 => resume = position(value, "resume")?,
            4 => hunt = value.text("hunt")?,
            5 => state = state_of(value.number("state")?)?,
            6 => oldest = value.number("oldest")?,
            7 => rounds.push(read_snapshot_round(value.bytes("rounds")?)?),
            8 => set_once(&mut board, read_board(value.bytes("board")?)?, "board")?,
            9 => corrections.push(read_correction(value)?),
            10 => set_once(&mut boards, read_board_list(value)?, "boards")?,
            _ => {}
        }
    }
    Ok(SnapshotMessage {
        server_time,
        tick,
        resume,
        hunt: HuntId::new(hunt)?,
        state: present(state, "state")?,
        oldest: RoundNumber::new(oldest),
        rounds,
        board,
        corrections,
        boards,
    })
}

fn read_snapshot_round(message: &[u8]) -> Result<SnapshotRound, ProtoFault> {
    let (mut round, mut config_version, mut tiles) = (0, 0, 0);
    let (mut map, mut commitment, mut layout) = (None, None, None);
    let (mut opens_at, mut closes_at) = (Timestamp::default(), Timestamp::default());
    let (mut closed, mut seed, mut columns) = (false, None, Columns::default());
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => round = value.number("round")?,
            2 => config_version = value.number_u32("config_version")?,
            3 => map = Some(hash(value, "map")?),
            4 => commitment = Some(hash(value, "commitment")?),
            5 => layout = Some(hash(value, "layout")?),
            6 => tiles = value.number_u32("tiles")?,
            7 => opens_at = time(value.number("opens_at_ms")?, "opens_at_ms")?,
            8 => closes_at = time(value.number("closes_at_ms")?, "closes_at_ms")?,
            9 => closed = value.number("closed")? != 0,
            10 => seed = Some(hash(value, "seed")?),
            11 => value.append_to(&mut columns.tiles, "claim_tiles")?,
            12 => value.append_to(&mut columns.points, "claim_points")?,
            13 => columns.add_player(value)?,
            14 => value.append_to(&mut columns.voided, "claim_voided")?,
            _ => {}
        }
    }
    Ok(SnapshotRound {
        round: RoundNumber::new(round),
        config_version,
        map: present(map, "map")?,
        commitment: present(commitment, "commitment")?,
        layout: present(layout, "layout")?,
        tiles,
        opens_at,
        closes_at,
        closed,
        seed,
        claims: columns.claims()?.collect::<Result<_, _>>()?,
    })
}

fn read_rank(message: &[u8]) -> Result<RankMessage, ProtoFault> {
    let (mut server_time, mut board, mut player) = (Timestamp::default(), None, "");
    let (mut rank, mut score, mut players) = (None, None, 0);
    let mut seen = PositionText::default();
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => board = board_of(value.number("board")?, "board")?,
            8 => board = Some(board_named(value, "board_name")?),
            3 => player = value.text("player")?,
            4 => rank = Some(value.number("rank")?),
            5 => score = Some(unzigzag(value.number("score")?)),
            6 => players = value.number("players")?,
            7 => seen = position(value, "position")?,
            _ => {}
        }
    }
    Ok(RankMessage {
        server_time,
        board: present(board, "board")?,
        player: PlayerId::new(player)?,
        rank,
        score,
        players,
        position: seen,
    })
}

fn read_outcome(message: &[u8]) -> Result<OutcomeMessage, ProtoFault> {
    let (mut server_time, mut id, mut kind) = (Timestamp::default(), "", 0);
    let (mut round, mut tile) = (0, 0);
    let (mut receipt, mut points, mut winner_position) = (None, None, None);
    let (mut retry_after_ms, mut detail) = (None, None);
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => id = value.text("id")?,
            3 => kind = value.number("outcome")?,
            4 => round = value.number("round")?,
            5 => tile = value.number_u32("tile")?,
            6 => set_once(&mut receipt, read_receipt(value)?, "receipt")?,
            7 => points = Some(value.number_u32("points")?),
            8 => winner_position = Some(position(value, "winner_position")?),
            9 => retry_after_ms = Some(value.number("retry_after_ms")?),
            10 => detail = Some(value.text("detail")?.to_owned()),
            _ => {}
        }
    }
    let unknown = ProtoFault::Range {
        field: "outcome",
        found: kind,
    };
    Ok(OutcomeMessage {
        server_time,
        id: id.to_owned(),
        outcome: kind_of(kind).ok_or(unknown)?,
        round: RoundNumber::new(round),
        tile: TileIndex::new(tile),
        receipt,
        points,
        winner_position,
        retry_after_ms,
        detail,
    })
}

fn read_receipt(value: Value<'_>) -> Result<Receipt, ProtoFault> {
    let mut receipt = Receipt {
        position: PositionText::default(),
    };
    let mut fields = Fields::of(value.bytes("receipt")?);
    while let Some((field, value)) = fields.next()? {
        if field == 1 {
            receipt.position = position(value, "position")?;
        }
    }
    Ok(receipt)
}

fn read_error(message: &[u8]) -> Result<ErrorMessage, ProtoFault> {
    let (mut server_time, mut id) = (Timestamp::default(), None);
    let (mut code, mut detail) = ("", "");
    let mut fields = Fields::of(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => server_time = read_server_time(value)?,
            2 => id = Some(value.text("id")?.to_owned()),
            3 => code = value.text("code")?,
            4 => detail = value.text("detail")?,
            _ => {}
        }
    }
    Ok(ErrorMessage {
        server_time,
        id,
        code: code.to_owned(),
        detail: detail.to_owned(),
    })
}

pub(super) fn read_server_time(value: Value<'_>) -> Result<Timestamp, ProtoFault> {
    time(value.number("server_time_ms")?, "server_time_ms")
}

pub(super) fn present<T>(value: Option<T>, field: &'static str) -> Result<T, ProtoFault> {
    value.ok_or(ProtoFault::Missing { field })
}
