//! The arbiter and the controller: pure decisions, batch in, outcomes and log batch out
