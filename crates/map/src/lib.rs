//! The map generator: area to cells, seed to layout and values, commitments
