//! The log's contract, an in-memory log, a fault-injecting log and the suite every home passes
