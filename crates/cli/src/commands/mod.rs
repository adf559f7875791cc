//! One command, one file.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod serve;
pub(crate) mod token;
