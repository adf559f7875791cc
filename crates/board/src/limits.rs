//! What the boards may take, and what happened at the limits (I8).

/// How much the boards may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardLimits {
    /// Final one-second windows kept for each hunt; past it the oldest is dropped. Never
    /// the newest one, so 0 counts as 1.
    pub windows_max: usize,
    /// Entries of all final windows together; past it the oldest window of all hunts is
    /// dropped, but never a hunt's newest one.
    pub window_entries_max: usize,
    /// Entries of all windows that are not final. They cannot be dropped; past it a stream
    /// that is ahead of the slowest one is refused ([`ApplyError::Ahead`]) until that one
    /// has caught up, so nothing is lost. The slowest stream itself is never refused.
    ///
    /// [`ApplyError::Ahead`]: crate::ApplyError::Ahead
    pub open_window_entries_max: usize,
    /// Players of each stream. The records of those whom a stream numbers higher are left
    /// out and counted. By stream and not in all, because who comes first among all streams
    /// is chance, and a replay would leave out others.
    pub players_max: u32,
}

impl Default for BoardLimits {
    fn default() -> Self {
        Self {
            windows_max: 3_600,
            window_entries_max: 4_000_000,
            open_window_entries_max: 1_000_000,
            players_max: 16_000_000,
        }
    }
}

/// What was left out or dropped since the beginning of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoardCounters {
    /// Final windows that made room for newer ones.
    pub windows_dropped: u64,
    /// Players over a stream's limit.
    pub players_refused: u64,
    /// Claims and score events left out because their player is over the limit.
    pub records_refused: u64,
    /// Claims and score events left out because their player was erased.
    pub records_erased: u64,
}
