//! Honest logs, written by the engine itself, verify; every single dishonesty is found and
//! named.

mod blinks;
mod boards;
mod claims;
mod closings;
mod control;
mod deployment;
mod honest;
mod logs;
mod made_up;
mod operators;
mod players;
mod streams;
mod trimmed;
mod watch;
