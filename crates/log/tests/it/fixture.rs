//! The suite's hands on a log in memory.

use std::sync::Arc;

use huntcore_log::suite::Fixture;
use huntcore_log::{
    AcquireError, Acquired, BatchReader, CompletionSink, Delivery, Fault, FaultLog, Log, LogUsage,
    MemoryOptions, ReadError, StreamTail, TrimError,
};
use huntcore_model::{Epoch, Nonce, Sequence, ShardId, TimeMicros};

/// Keeps the memory between one opening and the next.
pub(crate) struct MemoryFixture {
    log: Arc<FaultLog>,
}

impl MemoryFixture {
    pub(crate) fn new() -> Self {
        Self {
            log: Arc::new(FaultLog::new(MemoryOptions {
                delivery: Delivery::Immediate,
                bytes_max: 64 << 20,
                ..MemoryOptions::default()
            })),
        }
    }
}

/// What the suite gets to see of it.
struct Opened(Arc<FaultLog>);

impl Fixture for MemoryFixture {
    fn open(&mut self) -> Arc<dyn Log> {
        Arc::new(Opened(self.log.clone()))
    }

    fn close(&mut self, log: Arc<dyn Log>) {
        drop(log);
        self.log.pump(usize::MAX);
        self.log.crash(0);
    }

    fn crash(&mut self, log: Arc<dyn Log>, choice: u64) {
        drop(log);
        let kept = choice % (self.log.waiting() as u64 + 1);
        self.log
            .crash(usize::try_from(kept).expect("as few as wait"));
    }

    fn hold(&mut self, held: bool) -> bool {
        self.log.hold(held);
        true
    }

    fn fill(&mut self, full: bool) -> bool {
        self.log.fill(full);
        true
    }

    fn doubt_next(&mut self, shard: ShardId, stored: bool) -> bool {
        let fault = if stored {
            Fault::UnknownStored
        } else {
            Fault::UnknownNotStored
        };
        self.log.fail(shard, 0, fault);
        true
    }
}

impl Log for Opened {
    fn acquire(
        &self,
        shard: ShardId,
        epoch: Epoch,
        nonce: Nonce,
        completions: CompletionSink,
    ) -> Result<Acquired, AcquireError> {
        self.0.acquire(shard, epoch, nonce, completions)
    }

    fn tail(&self, shard: ShardId) -> Result<StreamTail, ReadError> {
        self.0.tail(shard)
    }

    fn read(&self, shard: ShardId, from: Sequence) -> Result<BatchReader, ReadError> {
        self.0.read(shard, from)
    }

    fn trim(&self, shard: ShardId, before: Sequence) -> Result<(), TrimError> {
        self.0.trim(shard, before)
    }

    fn oldest_since(&self, shard: ShardId, time: TimeMicros) -> Result<Sequence, ReadError> {
        self.0.oldest_since(shard, time)
    }

    fn usage(&self) -> Result<LogUsage, ReadError> {
        self.0.usage()
    }
}
