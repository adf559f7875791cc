//! The tables: made and brought up to date by numbered migrations, and looked at before use.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use crate::error::SinkError;
use crate::target::SchemaName;

/// Steps from an empty schema to this version's, in order. What was released is never changed:
/// another step is added.
const MIGRATIONS: &[(&str, &str)] = &[
    ("tables", include_str!("../migrations/0001_tables.sql")),
    ("boards", include_str!("../migrations/0002_boards.sql")),
];

const INT: &str = "integer";
const BIG: &str = "bigint";
const TIME: &str = "timestamp with time zone";
const TEXT: &str = "text";

/// The columns that the sink writes and reads, and their types.
const EXPECTED: &[(&str, &[(&str, &str)])] = &[
    (
        "streams",
        &[
            ("shard", INT),
            ("next_sequence", BIG),
            ("chain", "bytea"),
            ("last_time", TIME),
            ("players_seeded", BIG),
        ],
    ),
    (
        "progress",
        &[
            ("only_row", "boolean"),
            ("windows_from", TIME),
            ("windows_final_until", TIME),
            ("refreshes", BIG),
        ],
    ),
    (
        "gaps",
        &[
            ("shard", INT),
            ("from_sequence", BIG),
            ("until_sequence", BIG),
            ("noted_at", TIME),
        ],
    ),
    (
        "hunts",
        &[
            ("number", BIG),
            ("hunt", TEXT),
            ("boards", "json"),
            ("boards_next", BIG),
        ],
    ),
    (
        "players",
        &[("shard", INT), ("number", BIG), ("player_id", TEXT)],
    ),
    (
        "events",
        &[
            ("ts", TIME),
            ("shard", INT),
            ("sequence", BIG),
            ("hunt", TEXT),
            ("player_id", TEXT),
            ("event_id", TEXT),
            ("event_type", TEXT),
            ("score", BIG),
            ("sent_at", TIME),
            ("payload", "json"),
        ],
    ),
    (
        "claims",
        &[
            ("claimed_at", TIME),
            ("shard", INT),
            ("sequence", BIG),
            ("hunt", TEXT),
            ("round", BIG),
            ("tile", BIG),
            ("player_id", TEXT),
            ("points", BIG),
            ("voided_at", TIME),
            ("void_reason", TEXT),
        ],
    ),
    (
        "leaderboard_1s",
        &[
            ("window_start", TIME),
            ("player_id", TEXT),
            ("score", BIG),
            ("hunt", TEXT),
            ("reached_at", TIME),
            ("shard", INT),
            ("sequence", BIG),
        ],
    ),
    (
        "board_results",
        &[
            ("closed_at", TIME),
            ("shard", INT),
            ("sequence", BIG),
            ("hunt", TEXT),
            ("board", TEXT),
            ("window_start", TIME),
            ("window_end", TIME),
            ("players", BIG),
            ("place", INT),
            ("player_id", TEXT),
            ("score", BIG),
        ],
    ),
    (
        "corrections",
        &[
            ("corrected_at", TIME),
            ("shard", INT),
            ("sequence", BIG),
            ("hunt", TEXT),
            ("player_id", TEXT),
            ("correction", TEXT),
            ("round", BIG),
            ("tile", BIG),
            ("points", BIG),
            ("reason", TEXT),
        ],
    ),
    (
        "disqualified",
        &[
            ("hunt", TEXT),
            ("player_id", TEXT),
            ("since", TIME),
            ("reason", TEXT),
        ],
    ),
    (
        "v_leaderboard_1s",
        &[
            ("window_start", TIME),
            ("player_id", TEXT),
            ("score", BIG),
            ("hunt", TEXT),
            ("reached_at", TIME),
            ("shard", INT),
            ("sequence", BIG),
        ],
    ),
];

/// Keys and indexes that statements and the promised plans rest on.
const INDEXES: &[&str] = &[
    "streams_pkey",
    "progress_pkey",
    "hunts_pkey",
    "players_pkey",
    "events_pkey",
    "claims_pkey",
    "leaderboard_1s_pkey",
    "leaderboard_1s_top",
    "board_results_pkey",
    "corrections_pkey",
    "disqualified_pkey",
];

/// Makes the schema, or brings it up to date; does nothing if it is.
///
/// Several programs that come at once wait for each other.
pub(crate) async fn migrate(client: &mut Client, schema: &SchemaName) -> Result<(), SinkError> {
    let transaction = client.transaction().await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('huntcore/' || $1::text, 0))";
    transaction.execute(lock, &[&schema.as_str()]).await?;
    let found = "SELECT to_regnamespace($1::text) IS NOT NULL, \
                 to_regclass($1::text || '.migrations') IS NOT NULL";
    let found = transaction.query_one(found, &[&schema.as_str()]).await?;
    let (has_schema, has_migrations): (bool, bool) = (found.get(0), found.get(1));
    if !has_schema {
        let make = format!("CREATE SCHEMA \"{schema}\"");
        transaction.batch_execute(&make).await?;
    }
    if !has_migrations {
        let make = "CREATE TABLE migrations (version integer PRIMARY KEY, name text NOT NULL, \
                    sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";
        transaction.batch_execute(make).await?;
    }
    let applied = "SELECT version, sha256 FROM migrations ORDER BY version";
    let applied: BTreeMap<i32, String> = transaction
        .query(applied, &[])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let known = i32::try_from(MIGRATIONS.len()).expect("a few");
    if let Some((&found, _)) = applied.last_key_value()
        && found > known
    {
        return Err(SinkError::Newer {
            schema: schema.to_string(),
            found,
            known,
        });
    }
    for (version, (name, statements)) in (1..).zip(MIGRATIONS) {
        let hash = hex::encode(Sha256::digest(statements));
        match applied.get(&version) {
            Some(applied) if *applied == hash => {}
            Some(_) => {
                return Err(SinkError::OtherMigration {
                    schema: schema.to_string(),
                    version,
                });
            }
            None => {
                transaction.batch_execute(statements).await?;
                let note = "INSERT INTO migrations (version, name, sha256) VALUES ($1, $2, $3)";
                transaction.execute(note, &[&version, name, &hash]).await?;
                tracing::info!(%schema, version, name, "PostgreSQL schema migrated");
            }
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// Compares tables, columns and types with what this version expects.
///
/// What operators add does no harm and is let be: indexes, columns that may be left out.
pub(crate) async fn check(client: &Client, schema: &SchemaName) -> Result<(), SinkError> {
    let changed = |what: String| {
        Err(SinkError::Changed {
            schema: schema.to_string(),
            what,
        })
    };
    let columns = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), \
                   a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' \
                   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
                   WHERE c.relnamespace = to_regnamespace($1::text) AND a.attnum > 0 \
                   AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v')";
    let rows = client.query(columns, &[&schema.as_str()]).await?;
    let mut tables: BTreeMap<String, BTreeMap<String, (String, bool)>> = BTreeMap::new();
    for row in &rows {
        let columns = tables.entry(row.get(0)).or_default();
        columns.insert(row.get(1), (row.get(2), row.get(3)));
    }
    for (table, expected) in EXPECTED {
        let Some(found) = tables.get(*table) else {
            return changed(format!("table {table} is gone"));
        };
        for (column, kind) in *expected {
            match found.get(*column) {
                None => return changed(format!("table {table} lacks the column {column}")),
                Some((found, _)) if found != kind => {
                    return changed(format!(
                        "column {column} of table {table} is {found}, expected {kind}"
                    ));
                }
                Some(_) => {}
            }
        }
        let is_ours = |column: &str| expected.iter().any(|(name, _)| *name == column);
        let must = found
            .iter()
            .find(|(name, (_, must))| *must && !is_ours(name));
        if let Some((column, _)) = must {
            return changed(format!(
                "column {column} of table {table} must be given and has no default"
            ));
        }
    }
    let indexes = "SELECT relname::text FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid \
                   WHERE relnamespace = to_regnamespace($1::text) AND indisvalid";
    let rows = client.query(indexes, &[&schema.as_str()]).await?;
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    match INDEXES
        .iter()
        .find(|index| !found.iter().any(|found| found == *index))
    {
        Some(index) => changed(format!("the index {index} is gone")),
        None => Ok(()),
    }
}
