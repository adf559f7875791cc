//! Partitions by day: made ahead of the rows, and dropped whole when they are too old.
//!
//! Before one is dropped it is marked, and only then detached. So what was detached and not
//! dropped, because something came between, is told from what an operator has detached to keep:
//! that is never touched.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use huntcore_model::TimeMicros;
use tokio_postgres::Client;

use crate::error::SinkError;
use crate::target::SchemaName;

/// The tables that are partitioned, and by what.
const PARTITIONED: [&str; 4] = ["events", "claims", "leaderboard_1s", "board_results"];
const DAY_MICROS: u64 = 86_400_000_000;
/// The comment on a partition that is to be dropped.
const DROPPED: &str = "huntcore: older than the retention, is being dropped";
/// What could not be dropped is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A day, UTC, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(u64);

impl Day {
    pub(crate) const fn of(time: TimeMicros) -> Self {
        Self(time.get() / DAY_MICROS)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Year, month and day of the month, by the proleptic Gregorian calendar.
    const fn civil(self) -> (u64, u64, u64) {
        // Years begin in March, so that a leap day ends one; eras have 400 years.
        let days = self.0 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }

    /// Reads the end of a partition's name.
    fn of_name(text: &str) -> Option<Self> {
        let (year, rest) = text.split_at_checked(text.len().checked_sub(4)?)?;
        let (month, day) = rest.split_at_checked(2)?;
        let [year, month, day] = [year, month, day].map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (year?, month?, day?);
        let shifted = if month <= 2 {
            year.checked_sub(1)?
        } else {
            year
        };
        let (era, of_era) = (shifted / 400, shifted % 400);
        let months = (month + 9) % 12;
        let of_year = (153 * months + 2) / 5 + day.checked_sub(1)?;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        let found = Self(days.checked_sub(719_468)?);
        (found.civil() == (year, month, day)).then_some(found)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

fn partition(table: &str, day: Day) -> String {
    let (year, month, day) = day.civil();
    format!("{table}_{year:04}{month:02}{day:02}")
}

/// Which partitions there are.
#[derive(Debug, Default)]
pub(crate) struct Partitions {
    known: BTreeSet<Day>,
    /// Before which day partitions were dropped last.
    dropped_before: Option<Day>,
    /// When some of them could not be dropped yet.
    left_at: Option<Instant>,
}

impl Partitions {
    /// Asks which days have all of theirs.
    pub(crate) async fn load(client: &Client, schema: &SchemaName) -> Result<Self, SinkError> {
        let mut found = [const { BTreeSet::new() }; PARTITIONED.len()];
        for found_one in names(client, schema).await? {
            if found_one.is_attached {
                found[found_one.table].insert(found_one.day);
            }
        }
        let [first, rest @ ..] = found;
        let in_all = |day: &Day| rest.iter().all(|days| days.contains(day));
        Ok(Self {
            known: first.into_iter().filter(in_all).collect(),
            dropped_before: None,
            left_at: None,
        })
    }

    /// Makes what is missing for these days and the one after each: rows then never wait for it
    /// at midnight. Nobody who reads the tables is in its way.
    pub(crate) async fn provide(
        &mut self,
        client: &mut Client,
        schema: &SchemaName,
        days: &BTreeSet<Day>,
    ) -> Result<(), SinkError> {
        let ahead = days.iter().flat_map(|day| [*day, day.next()]);
        let missing: BTreeSet<Day> = ahead.filter(|day| !self.known.contains(day)).collect();
        for day in missing {
            let transaction = client.transaction().await?;
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended('huntcore/' || $1::text, 0))";
            transaction.execute(lock, &[&schema.as_str()]).await?;
            for table in PARTITIONED {
                let name = partition(table, day);
                let exists = "SELECT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON oid = \
                              inhrelid WHERE inhparent = $1::text::regclass AND relname = $2)";
                let exists = transaction.query_one(exists, &[&table, &name]).await?;
                if exists.get(0) {
                    continue;
                }
                // Attached when it is there: creating it as a partition would wait for all who
                // read the table, and they for it. Rows are added only, so vacuum marks pages as
                // all-visible soon: index-only scans then need no look at them.
                let (until, storage) = (day.next(), "autovacuum_vacuum_insert_scale_factor = 0.02");
                let make = format!(
                    "CREATE TABLE \"{name}\" (LIKE {table} INCLUDING ALL) WITH ({storage}); \
                     ALTER TABLE {table} ATTACH PARTITION \"{name}\" \
                     FOR VALUES FROM ('{day} 00:00:00+00') TO ('{until} 00:00:00+00')"
                );
                transaction.batch_execute(&make).await?;
            }
            transaction.commit().await?;
            self.known.insert(day);
        }
        Ok(())
    }

    /// Drops what is wholly older than the retention, counted from the last final window.
    ///
    /// Readers are not held up, and do not hold this up for long: what they hold on to is dropped
    /// the next time.
    pub(crate) async fn drop_old(
        &mut self,
        client: &Client,
        schema: &SchemaName,
        final_until: TimeMicros,
        retention: Duration,
    ) -> Result<(), SinkError> {
        let retention_ms = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
        let keep_from = Day::of(final_until.minus_millis(retention_ms));
        let is_due = self.left_at.is_some_and(|at| at.elapsed() >= AGAIN_AFTER);
        if self.dropped_before == Some(keep_from) && !is_due {
            return Ok(());
        }
        self.dropped_before = Some(keep_from);
        self.left_at = None;
        let old = names(client, schema).await?;
        let is_old = |found: &Found| found.day < keep_from && found.may_go();
        let old = old.into_iter().filter(is_old);
        client
            .batch_execute("SET statement_timeout TO '5s'")
            .await?;
        for found in old {
            let name = found.name();
            match drop_one(client, &found).await {
                Ok(()) => tracing::info!(%schema, partition = name, "partition dropped"),
                Err(error) if error.as_db_error().is_some() => {
                    self.left_at = Some(Instant::now());
                    let reason = crate::describe::describe(&error);
                    tracing::warn!("partition {name} is dropped later: {reason}");
                }
                Err(error) => return Err(error.into()),
            }
            self.known.remove(&found.day);
        }
        client
            .batch_execute("SET statement_timeout TO '100s'")
            .await?;
        Ok(())
    }
}

/// A partition, or what was one.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// The place of its table in [`PARTITIONED`].
    table: usize,
    day: Day,
    is_attached: bool,
    /// Whether it is being detached, or somebody gave that up half-way.
    is_pending: bool,
    is_marked: bool,
}

impl Found {
    fn name(&self) -> String {
        partition(PARTITIONED[self.table], self.day)
    }

    /// Whether it is the sink's to drop.
    const fn may_go(&self) -> bool {
        self.is_marked || (self.is_attached && !self.is_pending)
    }
}

async fn drop_one(client: &Client, found: &Found) -> Result<(), tokio_postgres::Error> {
    let name = found.name();
    if !found.is_marked {
        let mark = format!("COMMENT ON TABLE \"{name}\" IS '{DROPPED}'");
        client.batch_execute(&mark).await?;
    }
    if found.is_attached {
        let how = match found.is_pending {
            true => "FINALIZE",
            false => "CONCURRENTLY",
        };
        let table = PARTITIONED[found.table];
        let detach = format!("ALTER TABLE {table} DETACH PARTITION \"{name}\" {how}");
        client.batch_execute(&detach).await?;
    }
    client
        .batch_execute(&format!("DROP TABLE \"{name}\""))
        .await
}

/// The tables of a schema that have the name of a partition.
async fn names(client: &Client, schema: &SchemaName) -> Result<Vec<Found>, SinkError> {
    let tables = "SELECT relname::text, relispartition, coalesce(inhdetachpending, false), \
                  coalesce(obj_description(oid, 'pg_class') = $2, false) \
                  FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid \
                  WHERE relnamespace = to_regnamespace($1::text) AND relkind = 'r'";
    let rows = client.query(tables, &[&schema.as_str(), &DROPPED]).await?;
    let named = rows.iter().filter_map(|row| {
        let (table, day) = row.get::<_, &str>(0).rsplit_once('_')?;
        Some(Found {
            table: PARTITIONED.iter().position(|known| *known == table)?,
            day: Day::of_name(day)?,
            is_attached: row.get(1),
            is_pending: row.get(2),
            is_marked: row.get(3),
        })
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn partitions_are_named_after_their_days() {
        let day = Day::of(TimeMicros::from_millis(1_795_305_600_000));
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!(partition("events", day), "events_20261122");
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(11_016).to_string(), "2000-02-29");
        for bad in ["", "1122", "20261322", "20260230", "x0261122", "20261122x"] {
            assert_eq!(Day::of_name(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_days_name_is_its_own(day in 0..10_000_000_u64) {
            let name = partition("claims", Day(day));
            let (_, end) = name.rsplit_once('_').expect("an end");
            prop_assert_eq!(Day::of_name(end), Some(Day(day)));
            prop_assert!(Day(day).civil() < Day(day + 1).civil());
        }
    }
}
