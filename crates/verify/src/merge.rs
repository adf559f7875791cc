//! All streams as one, in the order of their batches' times.

use std::cmp::Reverse;
use std::iter::Peekable;

use huntcore_model::{Batch, ShardId, TimeMicros};

/// Batches of several streams by time; of the same time, the control stream's first, as
/// others copy it. Each stream keeps its own order, whatever its times say. An error comes
/// as soon as its stream's turn could come, and ends that stream.
pub fn by_time<S, E>(streams: impl IntoIterator<Item = S>) -> impl Iterator<Item = Result<Batch, E>>
where
    S: Iterator<Item = Result<Batch, E>>,
{
    let mut streams: Vec<Peekable<S>> = streams.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let heads = streams.iter_mut().enumerate();
        let heads = heads.filter_map(|(index, stream)| Some((turn(stream.peek()?), index)));
        let (_, next) = heads.min()?;
        let item = streams[next].next()?;
        if item.is_err() {
            drop(streams.swap_remove(next));
        }
        Some(item)
    })
}

fn turn<E>(head: &Result<Batch, E>) -> (TimeMicros, Reverse<ShardId>) {
    match head {
        Ok(batch) => (batch.header().time, Reverse(batch.header().shard)),
        Err(_) => (TimeMicros::ZERO, Reverse(ShardId::CONTROL)),
    }
}
