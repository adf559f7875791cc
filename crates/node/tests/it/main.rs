//! A whole node over a log in memory, through the trait that the edge uses.

mod checkpoints;
mod closings;
mod event_keys;
mod faults;
mod followers;
mod forty_days;
mod hunts;
mod operators;
mod retention;
mod sinks;
mod support;
mod trail;
