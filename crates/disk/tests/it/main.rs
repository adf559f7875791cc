//! The machine's disk and the simulated one behave alike, and crashes take away only what
//! was not synced.

mod contract;
mod crash;
mod faults;
mod lock;
