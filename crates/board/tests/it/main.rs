//! The boards from outside: against a naive model, over all interleavings, through
//! checkpoints, at limits and with bad input.

mod batches;
mod checkpoints;
mod errors;
mod forward;
mod history;
mod limits;
mod naive;
mod reading;
mod size;
mod streams;
