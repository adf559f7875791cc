//! What bounds a broadcast's memory (I8).

/// Limits of everything that grows. All processes of a deployment should have the same, so
/// that their clients see the same rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastLimits {
    /// Hunts with a feed; the log's first ones. Later ones are not broadcast.
    pub hunts: usize,
    /// Frames kept for each hunt; who has missed more gets a snapshot.
    pub frames: usize,
    /// Bytes of JSON in a hunt's frames, all together. Protobuf beside it, where somebody
    /// reads it, takes less.
    pub frame_bytes: usize,
    /// Changes between two ticks; when there are more, everybody gets a snapshot.
    pub changes: usize,
    /// Rounds shown, open or closed.
    pub rounds_shown: u64,
    /// Closed rounds shown.
    pub closed_shown: usize,
    /// Tiles of all closed rounds shown: what is over, of hunts that are over, too, does not
    /// hold on to the memory that large maps take.
    pub closed_tiles_shown: u64,
    /// Tiles of all rounds shown; large maps lower the number of rounds, never below one.
    pub tiles_shown: u64,
    /// Entries of a board message.
    pub board_entries: usize,
    /// From one message about a board to the next one about it, at least.
    pub board_interval_ms: u64,
}

impl Default for BroadcastLimits {
    fn default() -> Self {
        Self {
            hunts: 1_024,
            frames: 256,
            frame_bytes: 16 << 20,
            changes: 65_536,
            rounds_shown: 64,
            closed_shown: 8,
            closed_tiles_shown: 1 << 16,
            tiles_shown: 1 << 20,
            board_entries: 100,
            board_interval_ms: 250,
        }
    }
}
