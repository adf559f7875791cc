//! Leaderboards: folds of committed batches, published as immutable versions
