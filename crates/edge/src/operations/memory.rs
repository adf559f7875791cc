//! What the kernel says this process holds in memory.

use std::fs;

/// Bytes that are resident; 0 where the operating system does not say.
#[must_use]
pub fn process_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}
