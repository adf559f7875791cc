//! Records as rows.

use huntcore_model::{BatchHeader, PlayerNumber, Record, Sequence, ShardId};

use crate::copy::CopyRows;
use crate::error::SinkError;
use crate::names::Names;
use crate::stand::Stand;

/// A table that rows are copied into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopiedTable {
    pub(crate) copy: &'static str,
    pub(crate) fields: usize,
}

pub(crate) const PLAYERS: CopiedTable = CopiedTable {
    copy: "COPY players (shard, number, player_id) FROM STDIN (FORMAT binary)",
    fields: 3,
};
pub(crate) const EVENTS: CopiedTable = CopiedTable {
    copy: "COPY events (ts, shard, sequence, hunt, player_id, event_id, event_type, score, \
           sent_at, payload) FROM STDIN (FORMAT binary)",
    fields: 10,
};
pub(crate) const CLAIMS: CopiedTable = CopiedTable {
    copy: "COPY claims (claimed_at, shard, sequence, hunt, round, tile, player_id, points) \
           FROM STDIN (FORMAT binary)",
    fields: 8,
};
pub(crate) const RESULTS: CopiedTable = CopiedTable {
    copy: "COPY board_results (closed_at, shard, sequence, hunt, board, window_start, \
           window_end, players, place, player_id, score) FROM STDIN (FORMAT binary)",
    fields: 11,
};

/// Makes rows of records; who they are about was found out before.
pub(crate) struct Rows<'n> {
    pub(crate) names: &'n Names,
    pub(crate) stand: &'n Stand,
}

/// Appends the rows that a record makes in one table.
pub(crate) type MakeRows =
    fn(&Rows<'_>, &mut CopyRows, &BatchHeader, Sequence, &Record<'_>) -> Result<(), SinkError>;

pub(crate) fn player_row(
    rows: &mut CopyRows,
    shard: ShardId,
    number: PlayerNumber,
    id: Option<&str>,
) {
    rows.begin();
    rows.int(i32::from(shard.get()));
    rows.count(u64::from(number.get()));
    rows.text_or_null(id);
}

pub(crate) fn players(
    maker: &Rows<'_>,
    rows: &mut CopyRows,
    header: &BatchHeader,
    _: Sequence,
    record: &Record<'_>,
) -> Result<(), SinkError> {
    if let Record::Player(player) = record {
        let mut streams = maker.stand.streams.iter();
        let stands = streams.find(|stands| stands.shard == header.shard);
        let seeded = stands.map_or(0, |stands| stands.players_seeded);
        if u64::from(player.number.get()) >= seeded {
            player_row(rows, header.shard, player.number, player.id);
        }
    }
    Ok(())
}

pub(crate) fn events(
    maker: &Rows<'_>,
    rows: &mut CopyRows,
    header: &BatchHeader,
    sequence: Sequence,
    record: &Record<'_>,
) -> Result<(), SinkError> {
    let Record::Score(event) = record else {
        return Ok(());
    };
    let hunt = maker.names.hunt(event.hunt)?;
    rows.begin();
    rows.time(header.time);
    rows.int(i32::from(header.shard.get()));
    rows.count(sequence.get());
    rows.text(hunt);
    rows.text_or_null(maker.names.player(header.shard, event.player));
    rows.text(event.event_id);
    rows.text(event.event_type);
    rows.bigint(event.score);
    match event.sent_at {
        Some(sent_at) => rows.time(sent_at),
        None => rows.null(),
    }
    rows.text_or_null((!event.payload.is_empty()).then_some(event.payload));
    Ok(())
}

pub(crate) fn claims(
    maker: &Rows<'_>,
    rows: &mut CopyRows,
    header: &BatchHeader,
    sequence: Sequence,
    record: &Record<'_>,
) -> Result<(), SinkError> {
    let Record::Claim(claim) = record else {
        return Ok(());
    };
    let hunt = maker.names.hunt(claim.hunt)?;
    rows.begin();
    rows.time(header.time);
    rows.int(i32::from(header.shard.get()));
    rows.count(sequence.get());
    rows.text(hunt);
    rows.count(claim.round.get());
    rows.count(u64::from(claim.tile.get()));
    rows.text_or_null(maker.names.player(header.shard, claim.player));
    rows.count(u64::from(claim.points));
    Ok(())
}

pub(crate) fn results(
    maker: &Rows<'_>,
    rows: &mut CopyRows,
    header: &BatchHeader,
    sequence: Sequence,
    record: &Record<'_>,
) -> Result<(), SinkError> {
    let Record::BoardClosed(closed) = record else {
        return Ok(());
    };
    let hunt = maker.names.hunt(closed.hunt)?;
    for (place, (player, score)) in (1..).zip(&closed.entries) {
        rows.begin();
        rows.time(header.time);
        rows.int(i32::from(header.shard.get()));
        rows.count(sequence.get());
        rows.text(hunt);
        rows.text(closed.board.as_str());
        rows.time(closed.start);
        rows.time(closed.end);
        rows.count(closed.players);
        rows.int(place);
        rows.text_or_null(maker.names.player(header.shard, *player));
        rows.bigint(*score);
    }
    Ok(())
}
