//! Whole courses of events: a surge that somebody has to be ahead of, a plan that adds up.

mod plans;
mod surge;
