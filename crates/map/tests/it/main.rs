//! The map crate from outside: areas, parks, test vectors, the fairness check.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; its tests read files and run python3"
)]

mod areas;
mod bad_areas;
mod parks;
mod vectors;
mod verify;
