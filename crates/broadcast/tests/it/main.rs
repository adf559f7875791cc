//! Broadcast from outside: whole logs in, the state of clients out.

mod checkpoints;
mod properties;
mod scenarios;
mod size;
mod world;
