//! Broadcast from outside: whole logs in, the state of clients out.

mod properties;
mod scenarios;
mod world;
