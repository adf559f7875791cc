//! The boards from outside: against a naive model, over all interleavings, through
//! checkpoints, at limits and with bad input.

mod batches;
mod checkpoints;
mod configured;
mod corrections;
mod counted;
mod deployment;
mod errors;
mod forward;
mod history;
mod limits;
mod naive;
mod over;
mod reading;
mod results;
mod size;
mod streams;
