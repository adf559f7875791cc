//! The engine against a second, naive writing of it, and its promises one by one.

mod checkpoints;
mod claims;
mod commands;
mod configs;
mod control_sim;
mod corrections;
mod desk;
mod events;
mod first_format;
mod lookups;
mod naive;
mod naive_hunts;
mod operators;
mod replay;
mod rounds;
mod schedules;
mod shard_sim;
mod snapshots;
mod stream;
mod world;
