//! A whole node over a log in memory, through the trait that the edge uses.

mod checkpoints;
mod closings;
mod faults;
mod followers;
mod hunts;
mod operators;
mod retention;
mod sinks;
mod support;
mod trail;
