//! What connections cost in memory, on the program's side and on the kernel's.

/// Memory that belongs to this process alone: its heap and stacks, without what it shares.
pub(crate) fn private_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = |name: &str| kib_of(&text, name);
    Some((kib("Private_Clean:")? + kib("Private_Dirty:")?) * 1_024)
}

/// What the kernel holds for all sockets of the machine, both ends of loopback included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KernelMemory {
    /// Objects of all kinds: sockets, files, entries of epolls.
    pub(crate) slab_bytes: u64,
    /// Bytes that are queued in TCP's buffers.
    pub(crate) buffer_bytes: u64,
}

impl KernelMemory {
    /// As of now.
    pub(crate) fn now() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/meminfo"), &read("/proc/net/sockstat"))
    }

    fn parse(meminfo: &str, sockstat: &str) -> Self {
        let kib = |name: &str| kib_of(meminfo, name).unwrap_or_default() * 1_024;
        let tcp = sockstat.lines().find(|line| line.starts_with("TCP:"));
        let words = tcp.unwrap_or_default().split_whitespace();
        let pages = words.skip_while(|&word| word != "mem").nth(1);
        let pages: u64 = pages
            .and_then(|pages| pages.parse().ok())
            .unwrap_or_default();
        Self {
            slab_bytes: kib("Slab:"),
            buffer_bytes: pages * 4_096,
        }
    }

    /// What was added since.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            slab_bytes: self.slab_bytes.saturating_sub(before.slab_bytes),
            buffer_bytes: self.buffer_bytes.saturating_sub(before.buffer_bytes),
        }
    }
}

fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let meminfo = "MemTotal: 9 kB\nMemAvailable:  100 kB\nSlab:   40 kB\n";
        let sockstat = "sockets: used 21\nTCP: inuse 1 orphan 0 tw 65 alloc 1 mem 3\n";
        let found = KernelMemory::parse(meminfo, sockstat);
        let expected = KernelMemory {
            slab_bytes: 40_960,
            buffer_bytes: 12_288,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn this_process_has_memory_of_its_own() {
        assert!(private_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
    }
}
