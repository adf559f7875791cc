//! What each part of the program costs, how many of it are needed, and what a hunt will take.
//!
//! Pure: figures come in, figures go out. It reads no clock, counts no CPU time and starts no
//! process: whoever measures says what was measured and when.

mod autoscale;
mod component;
mod cpu;
mod plan;
mod work;

pub use autoscale::{Autoscaler, LEAD_S, Policy, Reason, Recommendation, Sample, Trend};
pub use component::{Component, Part, UnknownComponent};
pub use cpu::{CpuAccount, SharedTime, ThreadTime};
pub use plan::{
    ArbiterCosts, BoardsCosts, Bound, BroadcastCosts, CostsError, Door, EdgeCosts, FromObserved,
    Group, GroupName, Item, Limit, LogCosts, Machine, Money, Observed, PartWork, Plan, Prices,
    Sensitivity, SinkCosts, UnitCosts, Workload, WorkloadError, sensitivities,
};
pub use work::{Work, WorkMeter};
