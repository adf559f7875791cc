//! The sink against a real PostgreSQL.

mod corrections;
mod feed;
mod kills;
mod notices;
mod partitions;
mod plans;
mod refusals;
mod rows;
mod support;
mod tls;
