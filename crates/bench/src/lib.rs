//! Side-by-side benchmarks: huntcore and its peers in turn, in one run, on one machine.
//!
//! Absolute figures drift with the machine and the hour; the ratios of one run are what
//! counts. Peers are real servers, started as child processes on loopback, with the same
//! durability as huntcore: nothing is counted before it is on disk. Every load is bounded
//! in count and time.

mod boards;
mod broadcast;
mod cases;
mod choice;
mod claims;
mod crowd;
mod fanout;
mod hot_path;
mod load;
mod peers;
mod report;
mod scores;
mod server;

pub use boards::{BoardsBench, boards, boards_cases};
pub use broadcast::{BroadcastBench, broadcast, broadcast_cases};
pub use claims::{ClaimsBench, Peers, claims, claims_cases};
pub use crowd::run_worker;
pub use hot_path::HotPath;
pub use report::{BenchError, BenchReport, Ratio, Row};
pub use scores::{
    Burst, Clocks, Duplicates, EventCounts, Events, Late, Moment, Must, Players, Quantiles,
    RatePoint, Requests, ScoresLoad, ScoresProgress, ScoresReport, ScoresTarget, Shape, ShapeError,
    Watched, WatchedBoard, watch_boards,
};
