//! What a verification says.

use serde::Serialize;

use crate::fault::Fault;
use crate::streams::Beginning;

/// The most faults that a report lists; it counts them all.
pub const FAULTS_MAX: usize = 1_000;

/// What was checked and what was found wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Streams that hold anything.
    pub streams: u64,
    /// Batches read.
    pub batches: u64,
    /// Bytes of those batches.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// Entries of the control stream.
    pub control_entries: u64,
    /// Copies of those in shards' streams.
    pub control_copies: u64,
    /// Hunts created.
    pub hunts: u64,
    /// Rounds announced.
    pub rounds: u64,
    /// Claims.
    pub claims: u64,
    /// Score events.
    pub score_events: u64,
    /// Windows whose results were written down.
    pub results: u64,
    /// Corrections by operators.
    pub corrections: u64,
    /// Different players who are not erased.
    pub players: u64,
    /// Published seeds that belong to their chain.
    pub seeds_verified: u64,
    /// Maps that were recomputed from their seed and have the announced name.
    pub maps_verified: u64,
    /// Claims whose points are those of the recomputed map.
    pub points_verified: u64,
    /// Claims whose round's seed is neither published nor derived from the fairness key.
    pub points_pending: u64,
    /// Boards, and windows of boards, that were compared with a naive count.
    pub boards_compared: u64,
    /// Windows whose results were held against their boards.
    pub results_compared: u64,
    /// Streams whose beginning was trimmed. What it introduced (hunts, rounds, seeds,
    /// players) is taken on trust, and boards are not compared.
    pub begins: Vec<Beginning>,
    /// Rounds with claims whose announcement was trimmed.
    pub rounds_on_trust: u64,
    /// Published seeds that are the first of their chain here: its anchor was trimmed.
    pub seeds_on_trust: u64,
    /// Everything that was found wrong.
    pub faults_total: u64,
    /// The first [`FAULTS_MAX`] faults.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether nothing was found wrong.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.faults_total == 0
    }

    /// With what the comparison of boards found.
    #[must_use]
    pub fn and_boards(mut self, boards: BoardsReport) -> Self {
        self.boards_compared += boards.compared;
        self.results_compared += boards.results_compared;
        let faults_before = self.faults_total;
        for fault in boards.faults {
            self.fault(fault);
        }
        self.faults_total = faults_before + boards.faults_total;
        self
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// What the comparison of boards with a naive count found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardsReport {
    /// Boards, and windows of boards, that were compared.
    pub compared: u64,
    /// Windows whose results were.
    pub results_compared: u64,
    /// Everything that was found wrong.
    pub faults_total: u64,
    /// The first [`FAULTS_MAX`] faults.
    pub faults: Vec<Fault>,
}

impl BoardsReport {
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}
