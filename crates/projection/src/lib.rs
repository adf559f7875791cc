//! Projections: catalog, boards and broadcast, folded from committed batches on a thread of
//! their own, and shown as immutable views.
//!
//! A node folds what its own log holds, an edge process what a node hands on; both run this
//! same code, so both show the same at the same position. It decides nothing, reads nothing
//! but durable batches (I2, I7), and knows neither where batches come from ([`Batches`]) nor
//! how a process starts and ends.
//!
//! [`log_stream`] is the form in which a node hands its batches on, [`ProjectorSnapshot`] the state
//! that another process may begin with.

mod batches;
mod board_metrics;
mod by_time;
mod cells;
mod clock;
mod kept;
pub mod log_stream;
mod projector;
mod refresh;
mod snapshot;
mod views;
mod work;

pub use batches::Batches;
pub use board_metrics::board_metrics;
pub use by_time::{ByTime, Stretch, by_time};
pub use cells::{Cells, CellsError};
pub use clock::{Clock, SystemClock};
pub use kept::Kept;
pub use projector::{ProjectError, ProjectionSettings, Projector};
pub use refresh::{ModeFigures, RefreshMeters};
pub use snapshot::{ProjectorSnapshot, RestoreError, Snapshots, read_catalog};
pub use views::{View, Views};
pub use work::ProjectionWork;
