//! What the projections give to a checkpoint.

use huntcore_checkpoint::Stand;
pub(crate) use huntcore_projection::{ProjectorSnapshot, Snapshots};

/// Up to where in the log all projections of a snapshot stand.
pub(crate) fn stand_of(snapshot: &ProjectorSnapshot) -> Stand {
    Stand {
        tails: snapshot.tails().to_vec(),
        also_reads: Vec::new(),
    }
}
