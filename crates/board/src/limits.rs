//! What the boards may take, and what happened at the limits (I8).

/// How much the boards may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardLimits {
    /// Final windows kept for each board; past it the oldest is dropped. Never the newest
    /// one, so 0 counts as 1.
    pub windows_max: usize,
    /// Entries of all final windows together; past it the oldest window of all boards is
    /// dropped, but never a board's newest one.
    pub window_entries_max: usize,
    /// Entries of all windows that are not final. They cannot be dropped; past it a stream
    /// that is ahead of the slowest one is refused ([`ApplyError::Ahead`]) until that one
    /// has caught up, so nothing is lost. The slowest stream itself is never refused: what
    /// windows hold that wait for late events is bounded by [`OPEN_WINDOWS_MAX`] and by
    /// what comes within that time.
    ///
    /// [`OPEN_WINDOWS_MAX`]: crate::OPEN_WINDOWS_MAX
    /// [`ApplyError::Ahead`]: crate::ApplyError::Ahead
    pub open_window_entries_max: usize,
    /// Players of each stream. The records of those whom a stream numbers higher are left
    /// out and counted. By stream and not in all, because who comes first among all streams
    /// is chance, and a replay would leave out others.
    pub players_max: u32,
    /// Claims of all streams together that are remembered so that they can be voided, each
    /// stream having its share. Only of hunts with boards that cannot subtract them; past
    /// it the oldest can't be voided on those any more.
    pub undo_claims_max: usize,
    /// How long they are remembered, in milliseconds.
    pub undo_ms: u64,
}

impl Default for BoardLimits {
    fn default() -> Self {
        Self {
            windows_max: 3_600,
            window_entries_max: 4_000_000,
            open_window_entries_max: 1_000_000,
            players_max: 16_000_000,
            undo_claims_max: 1_000_000,
            undo_ms: 6 * 3_600_000,
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
    /// Final windows that were kept for as long as their board says.
    pub windows_expired: u64,
    /// Windows dropped before their results were written.
    pub results_lost: u64,
    /// Score events that came after their window was final, each counted by every board that
    /// it was late for.
    pub late_events: u64,
    /// Corrections taken.
    pub corrections: u64,
    /// Voided claims that some board had to leave as they are: they came too late.
    pub corrections_missed: u64,
    /// Definitions that make no board: the log holds what no controller writes.
    pub definitions_refused: u64,
    /// Claims and score events left out because their hunt was over: the log holds what no
    /// arbiter takes.
    pub records_over: u64,
}
