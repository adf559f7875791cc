//! The cases, one family in a file.

pub(crate) mod in_process;
mod world;
