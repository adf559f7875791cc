//! What goes wrong, and whether waiting helps.

use huntcore_log::{ReadError, stream_name};
use huntcore_model::{BatchError, Hash32, Sequence, ShardId};

use crate::describe::describe;

/// Why a sink does not go on for now.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The server cannot be reached, refused something, or went away.
    #[error("{}", describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// Nothing came back for too long.
    #[error("no answer from PostgreSQL within {seconds} s while {what}")]
    Silent {
        /// How long it was waited for.
        seconds: u64,
        /// In which step.
        what: &'static str,
    },
    /// The server takes no writes.
    #[error("PostgreSQL takes no writes: {reason}")]
    ReadOnly {
        /// A standby, or a setting.
        reason: &'static str,
    },
    /// Another program moved the tables on.
    #[error("another huntcore writes into this schema: {} was moved", stream_name(*.shard))]
    Moved {
        /// Which stream's position is not where it was left.
        shard: ShardId,
    },
    /// TLS cannot be had as it is asked for.
    #[error("{reason}")]
    Tls {
        /// What is no good.
        reason: String,
    },
    /// The server is too old.
    #[error("PostgreSQL {found} is too old, expected {least} or newer")]
    Version {
        /// Its major version.
        found: i32,
        /// The oldest that will do.
        least: i32,
    },
    /// A later huntcore has been here.
    #[error(
        "schema {schema} was made by a newer huntcore: it has migration {found}, this program \
         knows {known}; run the newer one, or give this one another schema"
    )]
    Newer {
        /// Which schema.
        schema: String,
        /// The latest migration there.
        found: i32,
        /// The latest known here.
        known: i32,
    },
    /// A migration was changed after it was applied.
    #[error("schema {schema}: migration {version} is not the one that this program has")]
    OtherMigration {
        /// Which schema.
        schema: String,
        /// Which migration.
        version: i32,
    },
    /// Somebody changed the tables by hand.
    #[error(
        "schema {schema} was changed by hand: {what}; mend it, or drop the schema and let it be \
         filled anew"
    )]
    Changed {
        /// Which schema.
        schema: String,
        /// Table, column, and what is wrong there.
        what: String,
    },
    /// The tables were filled from something else.
    #[error(
        "the tables hold another log than this one: {} stands at {stands} with the chain \
         {chain}, {reason}; give the sink another schema or database",
        stream_name(*.shard)
    )]
    OtherLog {
        /// Which stream.
        shard: ShardId,
        /// Where the tables stand.
        stands: Sequence,
        /// What the log's chain was there.
        chain: Hash32,
        /// What this log has instead.
        reason: String,
    },
    /// The log no longer has what comes next.
    #[error(
        "{} begins at {begins}, and the tables end at {stands}: what is between was trimmed while \
         the sink was behind; rename or drop the schema, and it is filled anew from what there is",
        stream_name(*.shard)
    )]
    Gap {
        /// Which stream.
        shard: ShardId,
        /// Where the tables end.
        stands: Sequence,
        /// Where the log begins.
        begins: Sequence,
    },
    /// The log cannot be read.
    #[error("the sink cannot read the log: {0}")]
    Read(#[from] ReadError),
    /// A batch cannot be read.
    #[error("the sink cannot read the log: {0}")]
    Batch(#[from] BatchError),
}

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// It may be over soon.
    Wait,
    /// Somebody has to do something.
    Operator,
}

impl SinkError {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Postgres(error) => match error.as_db_error() {
                Some(error) => remedy_of_state(error.code().code()),
                // The connection, or what came through it.
                None => Remedy::Wait,
            },
            Self::Silent { .. } | Self::ReadOnly { .. } | Self::Moved { .. } => Remedy::Wait,
            Self::Read(ReadError::Home { .. }) => Remedy::Wait,
            Self::Tls { .. }
            | Self::Version { .. }
            | Self::Newer { .. }
            | Self::OtherMigration { .. }
            | Self::Changed { .. }
            | Self::OtherLog { .. }
            | Self::Gap { .. }
            | Self::Read(_)
            | Self::Batch(_) => Remedy::Operator,
        }
    }
}

/// By the class of an SQLSTATE: what is said of rows, names and rights does not pass by itself.
fn remedy_of_state(state: &str) -> Remedy {
    match state.get(..2) {
        Some("0A" | "20" | "21" | "22" | "23" | "27" | "2B" | "2F" | "3F" | "42" | "44") => {
            Remedy::Operator
        }
        _ => Remedy::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_waited_for_and_the_rest_is_told_to_an_operator() {
        // A server that starts, stops, is full, has no connection left; a deadlock, a standby.
        for state in [
            "57P03", "57P01", "53100", "53300", "40P01", "25006", "08006", "3D000",
        ] {
            assert_eq!(remedy_of_state(state), Remedy::Wait, "{state}");
        }
        // No such column, no such table, no right, a value out of range, a broken constraint.
        for state in ["42703", "42P01", "42501", "22003", "23502"] {
            assert_eq!(remedy_of_state(state), Remedy::Operator, "{state}");
        }
    }
}
