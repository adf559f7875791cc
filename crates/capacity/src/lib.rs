//! What each part of the program costs, how many of it are needed, and what a hunt will take.
//!
//! Pure: figures come in, figures go out. It reads no clock, counts no CPU time and starts no
//! process: whoever measures says what was measured and when.

mod work;

pub use work::{Work, WorkMeter};
