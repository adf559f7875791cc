//! Folds committed batches and board versions into a ring of ready frames
