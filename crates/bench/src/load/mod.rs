//! What is asked, when, and how long the answers took.

mod cpu;
mod draw;
mod ground;
mod latency;
mod pacer;

pub(crate) use cpu::{CpuShare, ThreadCpu};
pub(crate) use draw::{Source, Winners};
pub(crate) use ground::{Crowd, HUNT_TILES, hunt_request};
pub(crate) use latency::{Latency, rate};
pub(crate) use pacer::{Pacer, Sleeper};
