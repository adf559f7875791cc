//! One submission on its connection's own lane, for requests that are answered as a whole.

use huntcore_lane::{LaneOptions, Submission};

use crate::server::ConnectionHandle;
use crate::state::App;

/// Has what `fill` puts in decided, and gives `read` what `fill` gave and the outcomes: for no longer than a request
/// may take, after which `read` gets nothing, and nobody knows (decided or not, the same
/// attempts again will tell).
///
/// The lane is made for the connection's first attempt and kept for the next, so that a quiet
/// connection holds none.
pub(crate) async fn ask<F, T>(
    app: &App,
    connection: &ConnectionHandle,
    fill: impl FnOnce(&mut Submission) -> F,
    read: impl FnOnce(F, Option<&Submission>) -> T,
) -> T {
    let lane = connection.take_lane();
    let mut lane = lane.unwrap_or_else(|| app.backend.lane(LaneOptions { submissions_max: 1 }));
    let mut submission = lane.start().expect("a kept lane has nothing out");
    let filled = fill(&mut submission);
    lane.submit(submission);
    let answered = tokio::time::timeout(app.limits().request_timeout, lane.answered()).await;
    // A lane with something out is not kept: its next answer would be a former request's.
    let Ok(Some(submission)) = answered else {
        return read(filled, None);
    };
    let told = read(filled, Some(&submission));
    lane.recycle(submission);
    connection.keep_lane(lane);
    told
}
