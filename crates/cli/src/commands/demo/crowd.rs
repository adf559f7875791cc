//! The players together, on threads of their own: they take nothing from the server but
//! what any visitors on the same machine would.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use huntcore_client::{Client, RetryPolicy};
use huntcore_model::HuntId;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::player::{Player, Seat};
use super::scores::report_scores;
use super::tally::Tally;
use crate::commands::serve::runtime;
use crate::output::Failed;

/// Attempts on their way when the players stop get this long to be answered.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
/// Players come in so many at a time, as a crowd does, not all in one instant.
const JOINING_AT_ONCE: usize = 64;

/// Who is invited to what.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) url: String,
    pub(crate) hunt: HuntId,
    pub(crate) service_key: String,
    pub(crate) players: u32,
    pub(crate) rate: f64,
}

/// Simulated players at play.
pub(crate) struct Crowd {
    stop: CancellationToken,
    ended: oneshot::Receiver<Result<(), Failed>>,
    result: Option<Result<(), Failed>>,
    thread: JoinHandle<()>,
}

impl Crowd {
    /// Lets the players join and play.
    pub(crate) fn gather(invitation: Invitation, tally: Arc<Tally>) -> Result<Self, Failed> {
        let stop = CancellationToken::new();
        let (end, ended) = oneshot::channel();
        let stopped = stop.clone();
        let body = move || {
            let played = runtime()
                .and_then(|runtime| runtime.block_on(play_all(invitation, tally, stopped)));
            // Gone only if the demo was given up.
            drop(end.send(played));
        };
        let thread = std::thread::Builder::new()
            .name("players".to_owned())
            .spawn(body)?;
        Ok(Self {
            stop,
            ended,
            result: None,
            thread,
        })
    }

    /// Resolves when the players cannot go on.
    pub(crate) async fn failed(&mut self) {
        let ended = (&mut self.ended).await;
        self.result = Some(ended.unwrap_or_else(|_| Err(Failed::new("the players panicked"))));
    }

    /// Lets the players finish what they began and leave.
    pub(crate) async fn disperse(mut self) -> Result<(), Failed> {
        self.stop.cancel();
        if self.result.is_none() {
            self.failed().await;
        }
        drop(self.thread.join());
        self.result.unwrap_or(Ok(()))
    }
}

async fn play_all(
    invitation: Invitation,
    tally: Arc<Tally>,
    stop: CancellationToken,
) -> Result<(), Failed> {
    // One attempt is one attempt: repetitions would be counted twice.
    let client = Client::builder(&invitation.url)
        .service_key(&invitation.service_key)
        .retry(RetryPolicy::NEVER)
        .build()?;
    let mut playing = JoinSet::new();
    let scores = report_scores(
        client.clone(),
        invitation.clone(),
        tally.clone(),
        stop.clone(),
    );
    playing.spawn(scores);
    let doors = Arc::new(tokio::sync::Semaphore::new(JOINING_AT_ONCE));
    for number in 0..invitation.players {
        let seat = Seat {
            client: client.clone(),
            hunt: invitation.hunt.clone(),
            number,
            rate: invitation.rate,
            tally: tally.clone(),
            stop: stop.clone(),
        };
        let doors = doors.clone();
        playing.spawn(async move {
            let joining = doors.acquire().await?;
            let player = Player::join(seat).await?;
            drop(joining);
            player.play(SETTLE_WITHIN).await
        });
    }
    while let Some(ended) = playing.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(failed)) => {
                // One player's bad luck is counted, not fatal; nobody able to join is.
                tracing::warn!("a player left: {failed}");
                let none_plays = tally.playing.load(Ordering::Relaxed) == 0;
                if none_plays && !stop.is_cancelled() && playing.len() <= 1 {
                    return Err(failed);
                }
            }
            Err(_) => return Err(Failed::new("a player panicked")),
        }
    }
    Ok(())
}
