//! How far the tables have come, and whether that is a place in this log.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt as _;

use huntcore_log::ReadError;
use huntcore_model::{Batch, Hash32, Position, Sequence, ShardId, ShardMap, Tail, TimeMicros};
use huntcore_projection::Batches;
use tokio_postgres::Client;

use crate::copy::CopyRows;
use crate::error::SinkError;
use crate::incoming::whole_second_from;
use crate::names::{Known, shown};
use crate::pg_time::PgTime;
use crate::rows::{PLAYERS, player_row};

/// Where one stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) shard: ShardId,
    pub(crate) tail: Tail,
    /// Players with lower numbers were told when the tables began.
    pub(crate) players_seeded: u64,
}

/// Where all streams stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) streams: Vec<Standing>,
    pub(crate) windows_final_until: TimeMicros,
}

impl Stand {
    /// What the tables say; makes them begin if they do not say anything yet.
    pub(crate) async fn load(
        client: &mut Client,
        shards: ShardMap,
        batches: &Arc<dyn Batches>,
        known: Option<&dyn Known>,
    ) -> Result<Self, SinkError> {
        if let Some(stand) = Self::read(client).await? {
            stand.check(shards, batches.as_ref())?;
            return Ok(stand);
        }
        begin(client, shards, batches.as_ref(), known).await?;
        let begun = Self::read(client).await?;
        Ok(begun.expect("just written, and nothing takes it away"))
    }

    async fn read(client: &Client) -> Result<Option<Self>, SinkError> {
        let progress = "SELECT windows_final_until FROM progress";
        let Some(progress) = client.query_opt(progress, &[]).await? else {
            return Ok(None);
        };
        let PgTime(windows_final_until) = progress.get(0);
        let streams = "SELECT shard, next_sequence, chain, last_time, players_seeded FROM streams \
                       ORDER BY shard";
        let rows = client.query(streams, &[]).await?;
        let streams = rows.iter().map(|row| {
            let PgTime(time) = row.get(3);
            Standing {
                shard: shard_of(row.get(0)),
                tail: Tail {
                    sequence: sequence_of(row.get(1)),
                    chain: chain_of(row.get(2)),
                    time,
                },
                players_seeded: sequence_of(row.get(4)).get(),
            }
        });
        Ok(Some(Self {
            streams: streams.collect(),
            windows_final_until,
        }))
    }

    /// Refuses tables that were filled from another log, or that this one has run away from.
    fn check(&self, shards: ShardMap, batches: &dyn Batches) -> Result<(), SinkError> {
        for standing in &self.streams {
            if !shards.streams().any(|shard| shard == standing.shard) {
                return Err(standing.other_log("and this log has no such stream".to_owned()));
            }
            check_stream(standing, batches)?;
        }
        for shard in shards.streams() {
            if !self.streams.iter().any(|stands| stands.shard == shard) {
                let none = Standing {
                    shard,
                    tail: Tail::default(),
                    players_seeded: 0,
                };
                return Err(none.other_log("and the tables have no such stream".to_owned()));
            }
        }
        Ok(())
    }

    /// Takes in that a stream has come further.
    pub(crate) fn advance(&mut self, batch: &Batch) {
        let shard = batch.header().shard;
        if let Some(stands) = self.streams.iter_mut().find(|stands| stands.shard == shard) {
            stands.tail = batch.tail();
        }
    }

    /// What every shard has reached: windows that end by then do not change any more.
    pub(crate) fn time(&self) -> TimeMicros {
        let shards = self
            .streams
            .iter()
            .filter(|stands| !stands.shard.is_control());
        shards
            .map(|stands| stands.tail.time)
            .min()
            .unwrap_or_default()
    }

    pub(crate) fn position(&self) -> Position {
        let mut position = Position::start();
        for stands in &self.streams {
            position.advance(stands.shard, stands.tail.sequence);
        }
        position
    }
}

impl Standing {
    fn other_log(&self, reason: String) -> SinkError {
        SinkError::OtherLog {
            shard: self.shard,
            stands: self.tail.sequence,
            chain: self.tail.chain,
            reason,
        }
    }
}

/// Compares the chain where a stream stands: by the batch that ends there, or, if that was
/// trimmed, by the one that begins there.
fn check_stream(standing: &Standing, batches: &dyn Batches) -> Result<(), SinkError> {
    let Standing { shard, tail, .. } = *standing;
    let end = batches.next(shard);
    if tail.sequence > end {
        return Err(standing.other_log(format!(
            "where this log ends at {end}: it has lost its end, or is another"
        )));
    }
    if tail.sequence == Sequence::ZERO {
        return match batches.read(shard, Sequence::ZERO) {
            Err(ReadError::Trimmed { oldest, .. }) => Err(SinkError::Gap {
                shard,
                stands: tail.sequence,
                begins: oldest,
            }),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        };
    }
    let before = Sequence::new(tail.sequence.get() - 1);
    let found = match batches.read(shard, before) {
        Ok(found) => found
            .first()
            .map(|batch| (batch.header().next_sequence(), batch.chain())),
        Err(ReadError::Trimmed { oldest, .. }) if oldest > tail.sequence => {
            return Err(SinkError::Gap {
                shard,
                stands: tail.sequence,
                begins: oldest,
            });
        }
        Err(ReadError::Trimmed { .. }) => {
            let next = batches.read(shard, tail.sequence)?;
            next.first().map(|batch| {
                let header = batch.header();
                (header.first_sequence, header.previous_chain)
            })
        }
        Err(error) => return Err(error.into()),
    };
    match found {
        Some((sequence, chain)) if sequence == tail.sequence && chain == tail.chain => Ok(()),
        Some((sequence, chain)) => Err(standing.other_log(format!(
            "where this log has a batch at {sequence} with {chain}"
        ))),
        None => Err(standing.other_log("where this log has nothing".to_owned())),
    }
}

/// Puts empty tables at the log's beginning: its first record, or the oldest that there is, then
/// with all who were named before.
async fn begin(
    client: &mut Client,
    shards: ShardMap,
    batches: &dyn Batches,
    known: Option<&dyn Known>,
) -> Result<(), SinkError> {
    let mut begins = Vec::new();
    for shard in shards.streams() {
        let tail = match batches.read(shard, Sequence::ZERO) {
            Ok(_) => Tail::default(),
            Err(ReadError::Trimmed { oldest, .. }) => {
                let first = batches.read(shard, oldest)?;
                let header = first.first().map(|batch| *batch.header());
                match header.filter(|_| known.is_some()) {
                    None => {
                        return Err(SinkError::Gap {
                            shard,
                            stands: Sequence::ZERO,
                            begins: oldest,
                        });
                    }
                    Some(header) => Tail {
                        sequence: header.first_sequence,
                        chain: header.previous_chain,
                        time: header.time,
                    },
                }
            }
            Err(error) => return Err(error.into()),
        };
        begins.push((shard, tail));
    }
    let gaps = begins
        .iter()
        .filter(|(_, tail)| tail.sequence > Sequence::ZERO);
    let gaps: Vec<(ShardId, Tail)> = gaps.copied().collect();
    let of_shards = gaps.iter().filter(|(shard, _)| !shard.is_control());
    // The second in which a shard's log begins now was longer once.
    let windows_from = of_shards
        .map(|(_, tail)| whole_second_from(tail.time))
        .max();
    let windows_from = PgTime(windows_from.unwrap_or_default());
    let transaction = client.transaction().await?;
    let begin = "INSERT INTO progress (windows_from, windows_final_until, refreshes) \
                 VALUES ($1, $1, 0)";
    transaction.execute(begin, &[&windows_from]).await?;
    for (shard, tail) in &begins {
        let mut seeded = 0;
        if let Some(known) = known
            && tail.sequence > Sequence::ZERO
            && !shard.is_control()
        {
            let statement = transaction.prepare(PLAYERS.copy).await?;
            let sink = transaction.copy_in::<_, Bytes>(&statement).await?;
            let mut sink = pin!(sink);
            let mut rows = CopyRows::new(PLAYERS.fields);
            for (number, id) in known.players(*shard) {
                player_row(&mut rows, *shard, number, id.as_deref());
                seeded = seeded.max(u64::from(number.get()) + 1);
                if let Some(piece) = rows.piece() {
                    sink.send(piece).await?;
                }
            }
            sink.send(rows.finish()).await?;
            sink.finish().await?;
        }
        let begin = "INSERT INTO streams (shard, next_sequence, chain, last_time, players_seeded) \
                     VALUES ($1, $2, $3, $4, $5)";
        transaction
            .execute(
                begin,
                &[
                    &i32::from(shard.get()),
                    &to_bigint(tail.sequence.get()),
                    &&tail.chain.bytes()[..],
                    &PgTime(tail.time),
                    &to_bigint(seeded),
                ],
            )
            .await?;
    }
    if let Some(known) = known.filter(|_| !gaps.is_empty()) {
        for hunt in known.hunts() {
            let add = "INSERT INTO hunts (number, hunt) VALUES ($1, $2)";
            let number = i64::from(hunt.number.get());
            transaction.execute(add, &[&number, &hunt.id]).await?;
        }
        // Since when and why is gone with the log.
        let aside = "INSERT INTO disqualified (hunt, player_id) \
                     SELECT hunt, player FROM unnest($1::bigint[], $2::text[]) \
                     AS aside (number, player) JOIN hunts USING (number)";
        let (hunts, players): (Vec<i64>, Vec<String>) = known
            .disqualified()
            .into_iter()
            .map(|(hunt, player)| (i64::from(hunt.get()), shown(&player).into_owned()))
            .unzip();
        transaction.execute(aside, &[&hunts, &players]).await?;
    }
    for (shard, tail) in &gaps {
        let note = "INSERT INTO gaps (shard, from_sequence, until_sequence) VALUES ($1, 0, $2)";
        let until = to_bigint(tail.sequence.get());
        let shard_number = i32::from(shard.get());
        transaction.execute(note, &[&shard_number, &until]).await?;
        tracing::warn!(
            stream = %huntcore_log::stream_name(*shard),
            begins = tail.sequence.get(),
            "the tables begin with what the log still holds: what was before is in none of them"
        );
    }
    transaction.commit().await?;
    Ok(())
}

pub(crate) fn to_bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn sequence_of(value: i64) -> Sequence {
    Sequence::new(u64::try_from(value).unwrap_or(0))
}

pub(crate) fn shard_of(value: i32) -> ShardId {
    // What is no stream's number is told from all that are.
    ShardId::new(u16::try_from(value).unwrap_or(u16::MAX - 1))
}

pub(crate) fn chain_of(bytes: &[u8]) -> Hash32 {
    bytes.try_into().map_or(Hash32::ZERO, Hash32::new)
}
