//! What huntcore asks of a file system: the trait [`Disk`], the machine's own
//! ([`RealDisk`]), and [`simulated`], which crashes and fails where a test tells it to.
//!
//! Whatever has to survive a crash is written through this crate, so that it can be tried on
//! the simulated disk: the log's directory and the checkpoints beside it. The helpers here
//! ([`replace_file`], [`make_directory`], …) are the few steps that all of them share, each
//! durable when it returns.
//!
//! It knows no format, never retries a failed sync, and never removes what it was not told to.

mod contract;
mod files;
mod lock;
mod real;
mod sequential;
pub mod simulated;

pub use contract::{Access, Disk, DiskFile};
pub use files::{
    LoadError, ShortWrite, StoreError, draft_path, is_no_space, make_directory, read_file,
    read_full_at, remove_tree, replace_file, write_all_at,
};
pub use lock::{HeldLock, LockError, LockKind};
pub use real::RealDisk;
pub use sequential::Sequential;
