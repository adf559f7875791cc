//! A simulated game server that reports score events for the demo's players.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use huntcore_client::Client;
use huntcore_model::{EventId, EventType, PlayerId};
use huntcore_wire::EventRequest;
use rand::RngExt as _;
use tokio_util::sync::CancellationToken;

use super::crowd::Invitation;
use super::tally::Tally;
use crate::output::Failed;

const REPORT_EVERY: Duration = Duration::from_millis(250);
/// In each report one in so many players has scored.
const SCORING_ONE_IN: u32 = 20;

/// Reports scores until told to stop.
pub(crate) async fn report_scores(
    client: Client,
    invitation: Invitation,
    tally: Arc<Tally>,
    stop: CancellationToken,
) -> Result<(), Failed> {
    let mut beat = tokio::time::interval(REPORT_EVERY);
    let run: u64 = rand::rng().random();
    let mut number = 0_u64;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = beat.tick() => {}
        }
        let count = invitation.players.div_ceil(SCORING_ONE_IN).max(1);
        let events = (0..count).map(|_| {
            number += 1;
            let mut rng = rand::rng();
            let player = rng.random_range(0..invitation.players.max(1));
            Ok(EventRequest {
                event_id: EventId::new(&format!("{run:016x}-{number}"))?,
                player: PlayerId::new(&format!("gamer-{player}"))?,
                event_type: EventType::new("minigame")?,
                score: rng.random_range(0..10_000),
                payload: None,
                ts: None,
            })
        });
        let events: Vec<EventRequest> = events.collect::<Result<_, Failed>>()?;
        match client.send_events(&invitation.hunt, &events).await {
            Ok(answer) => {
                tally.events.fetch_add(answer.accepted, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!("score events were not taken: {error}"),
        }
    }
}
