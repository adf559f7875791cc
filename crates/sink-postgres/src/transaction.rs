//! One transaction: rows, windows, position and notice, all or nothing.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt as _;
use huntcore_model::{Batch, Correction};
use tokio_postgres::{Client, Statement};

use crate::copy::CopyRows;
use crate::error::SinkError;
use crate::names::{Known, Names, shown};
use crate::notice::{self, CHANNEL, Changed};
use crate::partitions::Partitions;
use crate::pg_time::PgTime;
use crate::rows::{self, CLAIMS, CopiedTable, EVENTS, MakeRows, PLAYERS, RESULTS, Rows};
use crate::sink::SinkConfig;
use crate::stand::{Stand, chain_of, sequence_of, shard_of, to_bigint};
use crate::status::{SinkStatus, TABLES, Table};
use crate::survey::{Corrected, Survey};
use crate::windows;

/// What writes into one session's tables.
pub(crate) struct Writer<'s> {
    pub(crate) config: &'s SinkConfig,
    pub(crate) status: &'s SinkStatus,
    pub(crate) client: &'s mut Client,
    pub(crate) stand: Stand,
    names: Names,
    partitions: Partitions,
    statements: Statements,
}

/// What every transaction uses.
struct Statements {
    lock: Statement,
    finish: Statement,
    streams: Statement,
    progress: Statement,
}

impl<'s> Writer<'s> {
    pub(crate) async fn new(
        config: &'s SinkConfig,
        status: &'s SinkStatus,
        client: &'s mut Client,
        stand: Stand,
        known: Option<&dyn Known>,
    ) -> Result<Self, SinkError> {
        let lock = "SELECT shard, next_sequence, chain FROM streams ORDER BY shard FOR UPDATE";
        let streams = "UPDATE streams SET next_sequence = gone.next, chain = gone.chain, \
                       last_time = gone.time FROM unnest($1::integer[], $2::bigint[], \
                       $3::bytea[], $4::timestamptz[]) AS gone (stream, next, chain, time) \
                       WHERE streams.shard = gone.stream";
        let progress = "UPDATE progress SET windows_final_until = $1, refreshes = refreshes + $2 \
                        RETURNING refreshes";
        let statements = Statements {
            lock: client.prepare(lock).await?,
            finish: client.prepare(windows::FINISH).await?,
            streams: client.prepare(streams).await?,
            progress: client.prepare(progress).await?,
        };
        Ok(Self {
            config,
            status,
            names: Names::load(client, &config.schema, known).await?,
            partitions: Partitions::load(client, &config.schema).await?,
            client,
            stand,
            statements,
        })
    }

    /// Writes what these batches hold. After an error nothing, or all of it, is written: whoever
    /// goes on asks the tables first.
    pub(crate) async fn write(&mut self, batches: &[Batch]) -> Result<(), SinkError> {
        let mut survey = Survey::of(batches, &mut self.names)?;
        let unknown = std::mem::take(&mut survey.unknown);
        self.names.look_up(self.client, unknown).await?;
        let schema = &self.config.schema;
        self.partitions
            .provide(self.client, schema, &survey.days)
            .await?;

        // What is known of the new rows counts once they are committed.
        let mut stand = self.stand.clone();
        batches.iter().for_each(|batch| stand.advance(batch));
        let mut counts = [0; TABLES.len()];
        self.begin().await?;
        if survey.players {
            counts[Table::Players as usize] = self.copy(PLAYERS, batches, rows::players).await?;
        }
        for (number, hunt) in &survey.hunts {
            let add = "INSERT INTO hunts (number, hunt) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            self.client
                .execute(add, &[&i64::from(number.get()), hunt])
                .await?;
        }
        for hunt in &survey.boards_changed {
            self.names.keep_boards(self.client, *hunt).await?;
        }
        if survey.events {
            counts[Table::Events as usize] = self.copy(EVENTS, batches, rows::events).await?;
        }
        if survey.claims {
            counts[Table::Claims as usize] = self.copy(CLAIMS, batches, rows::claims).await?;
        }
        if survey.results {
            counts[Table::BoardResults as usize] =
                self.copy(RESULTS, batches, rows::results).await?;
        }
        for corrected in &survey.corrections {
            self.correct(corrected).await?;
        }
        counts[Table::Corrections as usize] = survey.corrections.len() as u64;
        let (from, until) = (
            stand.windows_final_until,
            windows::final_until(stand.time()).max(stand.windows_final_until),
        );
        let finish = &self.statements.finish;
        let (finished, count) = windows::finish(self.client, finish, from, until).await?;
        counts[Table::Leaderboard as usize] = count;
        stand.windows_final_until = until;
        let changed = survey.changed(&self.names, finished)?;
        self.keep_place(&stand, &changed).await?;
        self.client.batch_execute("COMMIT").await?;

        self.stand = stand;
        self.names.forget();
        self.status
            .committed(&self.stand, counts, !changed.is_empty());
        let retention = self.config.retention;
        let drop_old = self
            .partitions
            .drop_old(self.client, schema, until, retention);
        drop_old.await
    }

    /// Begins, and makes sure that nobody else has moved the tables on since this writer did:
    /// another program, or a commit of this one whose answer was lost.
    async fn begin(&self) -> Result<(), SinkError> {
        let begin = self.client.batch_execute("BEGIN");
        let locked = self.client.query(&self.statements.lock, &[]);
        let ((), rows) = futures_util::future::try_join(begin, locked).await?;
        for standing in &self.stand.streams {
            let is_there = rows.iter().any(|row| {
                shard_of(row.get(0)) == standing.shard
                    && sequence_of(row.get(1)) == standing.tail.sequence
                    && chain_of(row.get(2)) == standing.tail.chain
            });
            if !is_there {
                return Err(SinkError::Moved {
                    shard: standing.shard,
                });
            }
        }
        Ok(())
    }

    /// Copies the rows that batches make in a table; they leave as they are made.
    async fn copy(
        &self,
        table: CopiedTable,
        batches: &[Batch],
        make: MakeRows,
    ) -> Result<u64, SinkError> {
        let maker = Rows {
            names: &self.names,
            stand: &self.stand,
        };
        let sink = self.client.copy_in::<_, Bytes>(table.copy).await?;
        let mut sink = pin!(sink);
        let mut rows = CopyRows::new(table.fields);
        for batch in batches {
            for item in batch.records() {
                let (sequence, record) = item?;
                make(&maker, &mut rows, batch.header(), sequence, &record)?;
                if let Some(piece) = rows.piece() {
                    sink.send(piece).await?;
                }
            }
        }
        let count = rows.rows();
        sink.send(rows.finish()).await?;
        sink.finish().await?;
        Ok(count)
    }

    async fn correct(&self, corrected: &Corrected) -> Result<(), SinkError> {
        let Corrected {
            at,
            shard,
            sequence,
            record,
        } = corrected;
        let hunt = self.names.hunt(record.hunt)?;
        let player = self.names.player(*shard, record.player);
        let (at, shard) = (PgTime(*at), i32::from(shard.get()));
        let sequence = to_bigint(sequence.get());
        let reason = &*shown(&record.reason);
        let (kind, claim) = match record.what {
            Correction::ClaimVoided {
                round,
                tile,
                points,
                claimed,
            } => {
                let claim = (
                    to_bigint(round.get()),
                    i64::from(tile.get()),
                    i64::from(points),
                );
                let void = "UPDATE claims SET voided_at = $1, void_reason = $2 \
                            WHERE hunt = $3 AND round = $4 AND tile = $5 \
                            AND shard = $6 AND sequence = $7";
                let claimed = to_bigint(claimed.get());
                self.client
                    .execute(
                        void,
                        &[&at, &reason, &hunt, &claim.0, &claim.1, &shard, &claimed],
                    )
                    .await?;
                ("claim-voided", Some(claim))
            }
            Correction::Disqualified => {
                let out = "INSERT INTO disqualified (hunt, player_id, since, reason) \
                           SELECT $1, $2::text, $3, $4 WHERE $2::text IS NOT NULL \
                           ON CONFLICT (hunt, player_id) DO UPDATE \
                           SET since = excluded.since, reason = excluded.reason \
                           WHERE disqualified.since IS NULL";
                self.client
                    .execute(out, &[&hunt, &player, &at, &reason])
                    .await?;
                ("disqualified", None)
            }
            Correction::Reinstated => {
                let back = "DELETE FROM disqualified WHERE hunt = $1 AND player_id = $2";
                self.client.execute(back, &[&hunt, &player]).await?;
                ("reinstated", None)
            }
        };
        let (round, tile, points) = match claim {
            Some((round, tile, points)) => (Some(round), Some(tile), Some(points)),
            None => (None, None, None),
        };
        let note = "INSERT INTO corrections (corrected_at, shard, sequence, hunt, player_id, \
                    correction, round, tile, points, reason) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        self.client
            .execute(
                note,
                &[
                    &at, &shard, &sequence, &hunt, &player, &kind, &round, &tile, &points, &reason,
                ],
            )
            .await?;
        Ok(())
    }

    /// Writes down how far the tables are, and tells listeners if a board has changed.
    async fn keep_place(&self, stand: &Stand, changed: &Changed) -> Result<(), SinkError> {
        let moved = stand.streams.iter().zip(&self.stand.streams);
        let moved: Vec<_> = moved
            .filter(|(new, old)| new != old)
            .map(|(new, _)| new)
            .collect();
        let shards: Vec<i32> = moved.iter().map(|to| i32::from(to.shard.get())).collect();
        let nexts: Vec<i64> = moved
            .iter()
            .map(|to| to_bigint(to.tail.sequence.get()))
            .collect();
        let chains: Vec<&[u8]> = moved.iter().map(|to| &to.tail.chain.bytes()[..]).collect();
        let times: Vec<PgTime> = moved.iter().map(|to| PgTime(to.tail.time)).collect();
        let streams = &self.statements.streams;
        self.client
            .execute(streams, &[&shards, &nexts, &chains, &times])
            .await?;
        let more = i64::from(!changed.is_empty());
        let final_until = PgTime(stand.windows_final_until);
        let progress = &self.statements.progress;
        let refreshes = self
            .client
            .query_one(progress, &[&final_until, &more])
            .await?;
        if !changed.is_empty() {
            let refresh = sequence_of(refreshes.get(0)).get();
            let position = stand.position();
            let payload = notice::payload(
                self.config,
                refresh,
                &position,
                stand.windows_final_until,
                changed,
            );
            let tell = "SELECT pg_notify($1, $2)";
            self.client.execute(tell, &[&CHANNEL, &payload]).await?;
        }
        Ok(())
    }
}
