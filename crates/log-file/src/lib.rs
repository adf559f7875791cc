//! The log's embedded home: a directory of preallocated segments
