//! What is asked, when, and how long the answers took.

mod cpu;
mod draw;
mod ground;
mod latency;
mod pacer;
mod winners;

pub(crate) use cpu::{CpuShare, ThreadCpu, process_cpu, threads_cpu};
pub(crate) use draw::{Drawn, Source, Winners};
pub(crate) use ground::{CROWD, Crowd, HUNT_TILES, WATCHED_TILES, hunt_request, watched_hunt};
pub(crate) use latency::{Latency, rate};
pub(crate) use pacer::{Pacer, Sleeper};
pub(crate) use winners::WonTiles;
