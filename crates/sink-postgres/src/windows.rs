//! One-second windows, made from events when no shard can add to them any more.
//!
//! In SQL, of what the tables hold: so there is no window in memory that a restart could lose,
//! and the leaderboard is the fold of the very events that stand beside it.

use huntcore_model::TimeMicros;
use tokio_postgres::{Client, Statement};

use crate::error::SinkError;
use crate::pg_time::PgTime;

const WINDOW_MICROS: u64 = 1_000_000;

/// The best score of each player within each second from $1 up to $2; of equal scores the one that
/// came first (batch time, then shard, then sequence).
pub(crate) const FINISH: &str = "WITH best AS (\
    SELECT DISTINCT ON (window_start, player_id, hunt) \
        date_trunc('second', ts) AS window_start, player_id, score, hunt, ts, shard, sequence \
    FROM events WHERE ts >= $1 AND ts < $2 AND player_id IS NOT NULL \
    ORDER BY window_start, player_id, hunt, score DESC, ts, shard, sequence), \
  added AS (\
    INSERT INTO leaderboard_1s \
        (window_start, player_id, score, hunt, reached_at, shard, sequence) \
    SELECT window_start, player_id, score, hunt, ts, shard, sequence FROM best RETURNING hunt) \
  SELECT hunt, count(*) FROM added GROUP BY hunt";

/// Up to when windows have ended when every shard has reached `time`.
pub(crate) const fn final_until(time: TimeMicros) -> TimeMicros {
    TimeMicros::new(time.get() - time.get() % WINDOW_MICROS)
}

/// Writes the windows that have become final; says of which hunts, and how many rows.
pub(crate) async fn finish(
    client: &Client,
    statement: &Statement,
    from: TimeMicros,
    until: TimeMicros,
) -> Result<(Vec<String>, u64), SinkError> {
    if until <= from {
        return Ok((Vec::new(), 0));
    }
    let rows = client
        .query(statement, &[&PgTime(from), &PgTime(until)])
        .await?;
    let counts = rows.iter().map(|row| row.get::<_, i64>(1));
    let count = u64::try_from(counts.sum::<i64>()).unwrap_or(0);
    Ok((rows.iter().map(|row| row.get(0)).collect(), count))
}
