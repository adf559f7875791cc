//! What machines there are, and what they cost.

use serde::Serialize;

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Cores.
    pub cores: f64,
    /// Memory.
    pub memory_gib: f64,
    /// What its network carries.
    pub network_gbit_per_s: f64,
    /// The share of each that a plan may use; the rest is for what nobody foresees.
    pub utilisation: f64,
}

/// What things cost, in any currency; all for a month but traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prices {
    /// A core.
    pub core: f64,
    /// A GiB of memory.
    pub memory_gib: f64,
    /// A GB (10^9 bytes) of disk.
    pub storage_gb: f64,
    /// A GB (10^9 bytes) that leaves the data centre.
    pub egress_gb: f64,
}

impl Machine {
    /// What one costs in a month.
    #[must_use]
    pub fn price(&self, prices: &Prices) -> f64 {
        self.cores * prices.core + self.memory_gib * prices.memory_gib
    }
}
