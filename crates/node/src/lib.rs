//! Threads, clock, shard ownership and the wiring of every part
