//! A top 100 in PostgreSQL: a table of events, and a materialized view over windows of a second
//! that is refreshed while others read it.

use std::time::Duration;

use super::refresh::{EVENTS_A_SECOND, Refreshes, TOP, bounded};
use crate::load::Latency;
use crate::peers::postgres::{Programs, Server};
use crate::report::BenchError;

pub(super) const POSTGRES: &str = "postgres materialized view";
/// One that would take longer is not tried.
const REFRESH_MAX: Duration = Duration::from_secs(60);

const TABLES: &str = "CREATE TABLE events (ts timestamptz NOT NULL, player_id int NOT NULL, \
                      score bigint NOT NULL);
                      CREATE MATERIALIZED VIEW leaderboard_1s AS \
                      SELECT date_trunc('second', ts) AS window_start, player_id, \
                      max(score) AS score FROM events GROUP BY 1, 2;
                      CREATE UNIQUE INDEX ON leaderboard_1s (window_start, player_id);
                      CREATE INDEX ON leaderboard_1s (window_start, score DESC)";
/// Not kept on disk before it is answered: what is asked is what refreshing costs.
const AT_ONCE: &str = "SET synchronous_commit = off";
const REFRESH: &str = "REFRESH MATERIALIZED VIEW CONCURRENTLY leaderboard_1s";

/// Refreshes after each number of events, as far as they stay within bounds.
pub(super) fn refreshes(
    kept: &[u64],
    players: u32,
    duration: Duration,
) -> Result<Refreshes, BenchError> {
    let mut found = Refreshes::default();
    let Some(programs) = Programs::find() else {
        let missing = "PostgreSQL is not installed: left out".to_owned();
        found.notes.push(missing);
        return Ok(found);
    };
    let server = Server::start(programs)?;
    server.sql(TABLES)?;
    let top = format!(
        "SELECT player_id, score FROM leaderboard_1s WHERE window_start = \
         (SELECT max(window_start) FROM leaderboard_1s) ORDER BY score DESC LIMIT {TOP}"
    );
    let mut fed = 0;
    for &wanted in kept {
        if let Some(last) = found.each.last()
            && is_too_much(last, fed, wanted)
        {
            found.notes.push(format!(
                "postgres: not refreshed with {wanted} events: with {fed} it took {:.0} ms",
                last.mean_ms()
            ));
            break;
        }
        server.sql(&insert(fed, wanted - fed, players))?;
        fed = wanted;
        server.sql("REFRESH MATERIALIZED VIEW leaderboard_1s")?;
        server.sql("ANALYZE")?;
        found.each.push(bounded(duration, || {
            server.sql(&insert(fed, u64::from(EVENTS_A_SECOND), players))?;
            fed += u64::from(EVENTS_A_SECOND);
            let both = server.timed(&[AT_ONCE, REFRESH, &top])?;
            Ok(both)
        })?);
    }
    Ok(found)
}

/// Whether a refresh that costs in proportion to what is kept would take too long.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn is_too_much(last: &Latency, fed: u64, wanted: u64) -> bool {
    let expected_ms = last.mean_ms() * wanted as f64 / fed as f64;
    expected_ms > REFRESH_MAX.as_secs_f64() * 1_000.0
}

/// Events of random players, so many a second.
fn insert(from: u64, count: u64, players: u32) -> String {
    let end = from + count;
    format!(
        "INSERT INTO events SELECT timestamptz '2026-01-01' \
         + n / {EVENTS_A_SECOND} * interval '1 second', floor(random() * {players}), \
         floor(random() * 1000000) FROM generate_series({from}::bigint, {end} - 1) n"
    )
}
