//! Makes the changes that listeners are told of: claims, each of which bears the moment at
//! which it was handed in.

use std::time::Duration;

use huntcore_client::Client;
use huntcore_model::{OutcomeKind, PlayerId, TileIndex};
use huntcore_wire::ClaimFor;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, MissedTickBehavior};

use crate::report::BenchError;
use crate::server::OpenRound;

/// What stands before a stamp in a message.
pub(super) const STAMP_MARK: &[u8] = b"\"player\":\"t";
const STAMP_DIGITS: usize = 19;
/// A player's id with a stamp and nothing more.
const ID_BYTES_MIN: usize = 1 + STAMP_DIGITS;
const ID_BYTES_MAX: usize = PlayerId::BYTES_MAX;

/// Hands in claims that all win.
pub(crate) struct Teller {
    client: Client,
    place: OpenRound,
    tiles: u32,
    next_tile: u32,
    /// Claims of one tick, and the bytes of their player's id.
    pub(crate) claims_a_tick: u32,
    id_bytes: usize,
    /// Claims that have won.
    pub(crate) won: u64,
}

/// The machine's monotonic clock, which all its processes share.
pub(crate) fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// A player's id that bears a stamp, filled up to so many bytes.
pub(crate) fn stamped_id(stamp: u64, bytes: usize) -> String {
    format!("t{stamp:0STAMP_DIGITS$}{:x<1$}", "", bytes - ID_BYTES_MIN)
}

/// The stamp of the mark that begins at `at`.
pub(super) fn stamp_at(text: &[u8], at: usize) -> Option<u64> {
    let digits = text.get(at + STAMP_MARK.len()..)?.get(..STAMP_DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first stamp of a message.
pub(crate) fn stamp_of(text: &str) -> Option<u64> {
    let at = memchr::memmem::find(text.as_bytes(), STAMP_MARK)?;
    stamp_at(text.as_bytes(), at)
}

impl Teller {
    /// On an open round of `tiles` tiles.
    pub(crate) const fn new(client: Client, place: OpenRound, tiles: u32) -> Self {
        Self {
            client,
            place,
            tiles,
            next_tile: 0,
            claims_a_tick: 1,
            id_bytes: ID_BYTES_MIN,
            won: 0,
        }
    }

    /// Makes messages about so long, from how long those of one and of two claims are.
    pub(crate) fn aim_at(&mut self, bytes: usize, of_one: usize, of_two: usize) {
        let each = of_two.saturating_sub(of_one).max(1);
        let bare = of_one.saturating_sub(each);
        let claims = (bytes.saturating_sub(bare) / each).max(1);
        let left = bytes.saturating_sub(bare + claims * each) / claims;
        self.claims_a_tick = u32::try_from(claims).unwrap_or(u32::MAX);
        self.id_bytes = (ID_BYTES_MIN + left).min(ID_BYTES_MAX);
    }

    /// Hands in one tick's claims; their stamp, once they have won.
    pub(crate) async fn tell(&mut self) -> Result<u64, BenchError> {
        self.tell_of(self.claims_a_tick).await
    }

    /// Hands in so many claims as one tick.
    pub(crate) async fn tell_of(&mut self, claims: u32) -> Result<u64, BenchError> {
        let stamp = now_nanos();
        let id = stamped_id(stamp, self.id_bytes);
        let player = PlayerId::new(&id).map_err(BenchError::huntcore)?;
        let tiles = self.next_tile..self.next_tile + claims;
        if tiles.end > self.tiles {
            return Err(BenchError::Huntcore(format!(
                "the round's {} tiles are used up",
                self.tiles
            )));
        }
        self.next_tile = tiles.end;
        let attempts: Vec<ClaimFor> = tiles
            .map(|tile| ClaimFor {
                hunt: self.place.hunt.clone(),
                round: self.place.round,
                tile: TileIndex::new(tile),
                player: player.clone(),
                answer: None,
            })
            .collect();
        let items = self.client.claim_batch(&attempts).await;
        for item in items.map_err(BenchError::huntcore)? {
            if item.outcome != OutcomeKind::Won {
                return Err(BenchError::Huntcore(format!(
                    "a claim on a fresh tile came to {:?}",
                    item.outcome
                )));
            }
            self.won += 1;
        }
        Ok(stamp)
    }

    /// Hands in claims at every tick for so long; the last stamp.
    pub(crate) async fn tell_for(
        &mut self,
        tick: Duration,
        duration: Duration,
    ) -> Result<u64, BenchError> {
        let mut due = tokio::time::interval(tick);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = Instant::now() + duration;
        let mut last = 0;
        while Instant::now() < end {
            due.tick().await;
            last = self.tell().await?;
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_again_in_a_message() {
        for bytes in [ID_BYTES_MIN, 37, ID_BYTES_MAX] {
            let id = stamped_id(123_456_789, bytes);
            assert_eq!(id.len(), bytes);
            let text = format!(r#"{{"claims":[{{"player":"{id}","points":1}}]}}"#);
            assert_eq!(stamp_of(&text), Some(123_456_789));
        }
        assert_eq!(stamp_of(r#"{"player":"ada"}"#), None);
    }
}
