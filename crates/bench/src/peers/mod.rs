//! What huntcore is measured against: real servers as child processes.

pub(crate) mod redis;
