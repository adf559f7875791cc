//! PostgreSQL's errors in one line.

use std::error::Error as _;
use std::fmt::Write as _;

/// What happened, with the table and column that the server names; never a row's contents, which
/// may be personal.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    let Some(database) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let _ = write!(text, ": {inner}");
            cause = inner.source();
        }
        return text;
    };
    let mut text = format!(
        "PostgreSQL says {:?} (SQLSTATE {})",
        database.message(),
        database.code().code()
    );
    if let Some(table) = database.table() {
        let _ = write!(text, ", table {table}");
    }
    if let Some(column) = database.column() {
        let _ = write!(text, ", column {column}");
    }
    text
}
