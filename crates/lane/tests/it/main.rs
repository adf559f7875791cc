//! Lanes from outside: askers on one side, shards' threads on the other.

mod lanes;
