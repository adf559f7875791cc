//! What the demo's players were told, and how long they waited for it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use huntcore_model::{OutcomeKind, PlayerId, RoundNumber, TileIndex};

const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// Counts of all players together.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) attempts: AtomicU64,
    pub(crate) unanswered: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) deltas: AtomicU64,
    pub(crate) playing: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    outcomes: HashMap<OutcomeKind, u64>,
    winners: HashMap<(RoundNumber, TileIndex), PlayerId>,
    double_claims: u64,
    claim: Histogram<u64>,
    board: Histogram<u64>,
}

/// A tally's figures at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) attempts: u64,
    pub(crate) won: u64,
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    pub(crate) unanswered: u64,
    pub(crate) double_claims: u64,
    pub(crate) events: u64,
    pub(crate) deltas: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) board_lag_p50_ms: f64,
    pub(crate) board_lag_p99_ms: f64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let empty = || {
            Histogram::new_with_max(LATENCY_MICROS_MAX, 3).expect("a valid range of microseconds")
        };
        Self {
            attempts: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            events: AtomicU64::new(0),
            deltas: AtomicU64::new(0),
            playing: AtomicU64::new(0),
            told: Mutex::new(Told {
                outcomes: HashMap::new(),
                winners: HashMap::new(),
                double_claims: 0,
                claim: empty(),
                board: empty(),
            }),
        }
    }

    /// A player was told the outcome of an attempt made `waited` ago.
    pub(crate) fn told(
        &self,
        player: &PlayerId,
        place: (RoundNumber, TileIndex),
        kind: OutcomeKind,
        waited: Duration,
    ) {
        let mut told = self.told.lock().expect("no player panics while counting");
        *told.outcomes.entry(kind).or_default() += 1;
        told.claim.saturating_record(micros(waited));
        if kind == OutcomeKind::Won {
            let winner = told.winners.entry(place).or_insert_with(|| player.clone());
            if winner != player {
                told.double_claims += 1;
            }
        }
    }

    /// A player saw a board that counts their win, `lag` after they were told of it.
    pub(crate) fn seen_on_board(&self, lag: Duration) {
        let mut told = self.told.lock().expect("no player panics while counting");
        told.board.saturating_record(micros(lag));
    }

    pub(crate) fn figures(&self) -> Figures {
        let told = self.told.lock().expect("no player panics while counting");
        let count = |kind| told.outcomes.get(&kind).copied().unwrap_or_default();
        let (won, taken) = (count(OutcomeKind::Won), count(OutcomeKind::Taken));
        let all: u64 = told.outcomes.values().sum();
        let millis = |histogram: &Histogram<u64>, quantile| {
            Duration::from_micros(histogram.value_at_quantile(quantile)).as_secs_f64() * 1_000.0
        };
        Figures {
            attempts: self.attempts.load(Ordering::Relaxed),
            won,
            taken,
            refused: all - won - taken,
            unanswered: self.unanswered.load(Ordering::Relaxed),
            double_claims: told.double_claims,
            events: self.events.load(Ordering::Relaxed),
            deltas: self.deltas.load(Ordering::Relaxed),
            p50_ms: millis(&told.claim, 0.5),
            p99_ms: millis(&told.claim, 0.99),
            board_lag_p50_ms: millis(&told.board, 0.5),
            board_lag_p99_ms: millis(&told.board, 0.99),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(LATENCY_MICROS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_won_by_two_players_is_a_double_claim_and_a_repetition_is_none() {
        let tally = Tally::new();
        let place = (RoundNumber::new(1), TileIndex::new(2));
        for player in ["ada", "ada", "bob"] {
            let player = PlayerId::new(player).expect("valid");
            tally.told(&player, place, OutcomeKind::Won, Duration::from_millis(1));
        }
        let figures = tally.figures();
        assert_eq!((figures.won, figures.double_claims), (3, 1));
    }
}
