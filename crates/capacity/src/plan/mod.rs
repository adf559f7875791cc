//! From unit costs to machines and money.
//!
//! A plan is arithmetic, and shows it: for each part what it does in a second, what one of
//! those costs, and so the cores; then machines, and what binds them; then money, with what
//! leaves the data centre apart.

mod costs;
mod machines;
mod measured;
mod reckoning;
mod sensitivity;
mod workload;

pub use costs::{
    ArbiterCosts, BoardsCosts, BroadcastCosts, CostsError, EdgeCosts, LogCosts, SinkCosts,
    UnitCosts,
};
pub use machines::{Machine, Prices};
pub use measured::{FromObserved, Observed, PartWork};
pub use reckoning::{Bound, Group, GroupName, Item, Limit, Money, Plan};
pub use sensitivity::{Sensitivity, sensitivities};
pub use workload::{Door, Workload, WorkloadError};
