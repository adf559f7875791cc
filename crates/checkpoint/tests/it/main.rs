//! Checkpoints on a disk that crashes, lies, fills up and flips bits.

mod crash;
mod damage;
mod keeping;
mod support;
mod trouble;
