//! Score events in the shape of a real day, put on a server through its public doors.
//!
//! An open loop: what is due is sent, whatever became of what was sent before, and times count
//! from when it was due. Meanwhile readers follow the boards and hold every page against the one
//! before (I6). Afterwards every event that was acknowledged has to be on the board (I2), and
//! every event that was sent has to be accounted for (I10).

mod curve;
mod generator;
mod report;
mod run;
mod sending;
mod shape;
mod tally;
mod target;
mod watching;

pub use report::{EventCounts, Moment, Must, Quantiles, ScoresReport};
pub use run::{ScoresLoad, ScoresProgress};
pub use shape::{
    Burst, Clocks, Duplicates, Events, Late, Players, RatePoint, Requests, Shape, ShapeError,
};
pub use target::ScoresTarget;
pub use watching::{Watched, WatchedBoard, watch_boards};
