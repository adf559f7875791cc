//! What huntcore is measured against: real servers as child processes.

pub(crate) mod broadcasters;
mod keys;
pub(crate) mod postgres;
pub(crate) mod redis;

use keys::keys_for;
