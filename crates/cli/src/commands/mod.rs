//! One command, one file.

pub(crate) mod serve;
pub(crate) mod token;
