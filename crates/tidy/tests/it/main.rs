//! The repository's rules. Each test is one rule and lists every breach of it.

mod crates;
mod documents;
mod locks;
mod sources;
