//! The memory log and the fault-injecting log keep the contract.

mod fault;
mod fixture;
mod memory;
