//! What a connection keeps from one of its requests to the next, so that an attempt finds all
//! it needs at hand: a lane, the hunt that was named last, a timer.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use huntcore_lane::{Lane, LaneOptions, Submission};
use tokio::time::{Instant, Sleep};

use super::HuntNames;
use crate::state::App;

/// See the module. Made for a connection's first attempt: a quiet connection has none.
#[derive(Debug)]
pub(crate) struct Asker {
    lane: Lane,
    pub(crate) hunts: HuntNames,
    timer: Pin<Box<Sleep>>,
    /// The timer is put off by no more at once. Putting it off again and again by the same time
    /// costs next to nothing; taking it back would.
    step: Duration,
}

impl Asker {
    pub(crate) fn new(app: &App) -> Self {
        let step = app.limits().request_timeout;
        Self {
            lane: app.backend.lane(LaneOptions { submissions_max: 1 }),
            hunts: HuntNames::default(),
            timer: Box::pin(tokio::time::sleep(step)),
            step,
        }
    }

    /// Whether nothing is out that could be taken for the next request's.
    pub(crate) fn is_idle(&self) -> bool {
        self.lane.in_flight() == 0
    }

    /// Has what `fill` puts in decided, and gives `read` what `fill` gave and the outcomes: for
    /// no longer than a request may take, after which `read` gets nothing, and nobody knows
    /// (decided or not, the same attempts again will tell).
    pub(crate) async fn ask<F, T>(
        &mut self,
        app: &App,
        fill: impl FnOnce(&mut Submission) -> F,
        read: impl FnOnce(F, Option<&Submission>) -> T,
    ) -> T {
        let mut submission = self.lane.start().expect("an idle asker has nothing out");
        let filled = fill(&mut submission);
        self.lane.submit(submission);
        let limit = app.limits().request_timeout;
        let answered = within(&mut self.timer, limit, self.step, self.lane.answered()).await;
        let Some(Some(submission)) = answered else {
            return read(filled, None);
        };
        let told = read(filled, Some(&submission));
        self.lane.recycle(submission);
        told
    }

    /// Waits for `future` for no longer than `limit`.
    pub(crate) async fn within<F: Future>(
        &mut self,
        limit: Duration,
        future: F,
    ) -> Option<F::Output> {
        within(&mut self.timer, limit, self.step, future).await
    }
}

async fn within<F: Future>(
    timer: &mut Pin<Box<Sleep>>,
    limit: Duration,
    step: Duration,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut due = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        loop {
            let now = Instant::now();
            let first = due.is_none();
            let due = *due.get_or_insert(now + limit);
            if due <= now {
                return Poll::Ready(None);
            }
            if first || timer.is_elapsed() {
                timer.as_mut().reset(due.min(now + step));
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_kept_to_the_moment_whatever_the_steps() {
        for (limit_s, step_s) in [(15, 10), (10, 10), (3, 10), (100, 7)] {
            let (limit, step) = (Duration::from_secs(limit_s), Duration::from_secs(step_s));
            let mut timer = Box::pin(tokio::time::sleep(step));
            for _ in 0..3 {
                let began = Instant::now();
                let never = std::future::pending::<()>();
                assert_eq!(within(&mut timer, limit, step, never).await, None);
                assert!((limit..limit + Duration::from_millis(2)).contains(&began.elapsed()));
                let short = tokio::time::sleep(limit / 2);
                assert_eq!(within(&mut timer, limit, step, short).await, Some(()));
            }
        }
    }
}
