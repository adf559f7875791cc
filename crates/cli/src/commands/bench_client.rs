//! `huntcore bench-client`: a part of a benchmark that runs in a process of its own.

use clap::Args;

use crate::output::Failed;

/// Do a part of a benchmark's work; `huntcore bench` starts it and tells it what to do.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct BenchClient {}

impl BenchClient {
    pub(crate) fn run(self) -> Result<(), Failed> {
        Ok(huntcore_bench::run_worker()?)
    }
}
