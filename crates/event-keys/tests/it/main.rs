//! Runs of events on a disk that crashes, fills up and decays, held against a map in memory.

mod crash;
mod damage;
mod model;
mod support;
