//! What the tests from outside share: a server as a child process, an HTTP and a WebSocket
//! client of their own, and a ledger of every answer that was ever given.

mod api;
mod door;
mod ledger;
mod metrics;
mod site;
mod socket;

use std::future::Future;
use std::time::Duration;

pub(crate) use api::{
    Answer, Api, Claim, Event, PLAYER_KEY, SERVICE_KEY, player_token, seconds_from_now, send,
    signed,
};
pub(crate) use door::open_door;
pub(crate) use ledger::Ledger;
pub(crate) use metrics::Metrics;
pub(crate) use site::{Exit, Server, Site, repository, run};
pub(crate) use socket::{Frame, Opcode, Socket};

/// How long anything that must happen may take before a test gives up. Nothing waits this long
/// when all is well; it is wide because a slow machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks at something that can only be asked, not awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Says on the terminal what a reader of the test's result should know.
#[expect(
    clippy::print_stderr,
    reason = "shown with a failed test, or by --nocapture"
)]
pub(crate) fn note(what: &str) {
    eprintln!("{what}");
}
