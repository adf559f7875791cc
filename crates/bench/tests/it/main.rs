//! What the benchmark claims of the hot path, proved by counting every allocation of this
//! process: a test binary of its own, so that the count is of nothing else.

mod allocations;
