//! Who holds which tile: dense while a round is open, compact once it has closed.

use std::collections::BTreeMap;

use huntcore_model::{PlayerNumber, RoundNumber, Sequence, TileIndex, TimeMicros};

/// A claim as it is kept: 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) sequence: Sequence,
    pub(crate) tile: TileIndex,
    pub(crate) player: PlayerNumber,
    pub(crate) points: u32,
}

/// All claims of one hunt on one shard.
#[derive(Debug, Default)]
pub(crate) struct HuntClaims {
    open: BTreeMap<RoundNumber, OpenRound>,
    // Never changed, only dropped as a whole.
    closed: BTreeMap<RoundNumber, ClosedRound>,
    closed_claims: usize,
    // First and last of runs of rounds that were never announced, passed, and stay so.
    kept_expired: Vec<(RoundNumber, RoundNumber)>,
}

#[derive(Debug)]
struct OpenRound {
    closes_at: TimeMicros,
    // For each tile 0, or one more than its claim's place in `claims`.
    claim_by_tile: Box<[u32]>,
    claims: Vec<Claim>,
}

#[derive(Debug)]
struct ClosedRound {
    closed_at: TimeMicros,
    // In the order of tiles.
    claims: Box<[Claim]>,
}

impl HuntClaims {
    pub(crate) fn get(&self, round: RoundNumber, tile: TileIndex) -> Option<&Claim> {
        if let Some(open) = self.open.get(&round) {
            let place = *open.claim_by_tile.get(tile.get() as usize)?;
            return open.claims.get((place as usize).checked_sub(1)?);
        }
        let claims = &self.closed.get(&round)?.claims;
        let index = claims
            .binary_search_by_key(&tile, |claim| claim.tile)
            .ok()?;
        Some(&claims[index])
    }

    /// Notes a claim on a tile that is not claimed, of a round with `tiles` tiles.
    pub(crate) fn insert(
        &mut self,
        round: RoundNumber,
        tiles: u32,
        closes_at: TimeMicros,
        claim: Claim,
    ) {
        let open = self.open.entry(round).or_insert_with(|| OpenRound {
            closes_at,
            claim_by_tile: vec![0; tiles as usize].into(),
            claims: Vec::new(),
        });
        open.claims.push(claim);
        open.claim_by_tile[claim.tile.get() as usize] =
            u32::try_from(open.claims.len()).expect("at most one claim for each tile");
    }

    /// From now on `first` to `last`, none of which was announced, count as passed.
    pub(crate) fn keep_expired(&mut self, first: RoundNumber, last: RoundNumber) {
        match self.kept_expired.last_mut() {
            Some(run) if first <= run.1.next() => run.1 = run.1.max(last),
            _ => self.kept_expired.push((first, last)),
        }
    }

    pub(crate) fn is_kept_expired(&self, round: RoundNumber) -> bool {
        let in_run = |&(first, last): &(RoundNumber, RoundNumber)| first <= round && round <= last;
        self.kept_expired.iter().any(in_run)
    }

    /// Makes rounds compact whose window has passed at `now`.
    pub(crate) fn close_until(&mut self, now: TimeMicros) {
        // Windows may overlap and differ in length, so look at all: they are few.
        let due = self.open.extract_if(.., |_, open| open.closes_at <= now);
        for (round, open) in due {
            let mut claims = open.claims;
            claims.sort_unstable_by_key(|claim| claim.tile);
            self.closed_claims += claims.len();
            let closed = ClosedRound {
                closed_at: open.closes_at,
                claims: claims.into(),
            };
            self.closed.insert(round, closed);
        }
    }

    /// Drops the oldest closed rounds that closed before `keep_from`.
    pub(crate) fn drop_before(&mut self, keep_from: TimeMicros) {
        while let Some(oldest) = self.closed.first_entry()
            && oldest.get().closed_at < keep_from
        {
            self.closed_claims -= oldest.remove().claims.len();
        }
    }

    /// When the oldest closed round closed, if one is kept.
    pub(crate) fn oldest_closed_at(&self) -> Option<TimeMicros> {
        self.closed
            .first_key_value()
            .map(|(_, closed)| closed.closed_at)
    }

    /// Drops the oldest closed round.
    pub(crate) fn drop_oldest(&mut self) {
        if let Some((_, closed)) = self.closed.pop_first() {
            self.closed_claims -= closed.claims.len();
        }
    }

    pub(crate) const fn closed_claims(&self) -> usize {
        self.closed_claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(tile: u32) -> Claim {
        Claim {
            sequence: Sequence::new(u64::from(tile) * 10),
            tile: TileIndex::new(tile),
            player: PlayerNumber::new(1),
            points: 5,
        }
    }

    #[test]
    fn a_claim_answers_alike_before_and_after_its_round_closes() {
        let round = RoundNumber::new(4);
        let closes_at = TimeMicros::from_millis(10);
        let mut claims = HuntClaims::default();
        for tile in [7, 2, 5] {
            claims.insert(round, 8, closes_at, claim(tile));
        }
        let answers = |claims: &HuntClaims| -> Vec<_> {
            (0..10)
                .map(|tile| claims.get(round, TileIndex::new(tile)).copied())
                .collect()
        };
        let open = answers(&claims);
        claims.close_until(closes_at);
        assert_eq!(claims.closed_claims(), 3);
        assert_eq!(answers(&claims), open);
        assert_eq!(open[5], Some(claim(5)));
        claims.drop_before(TimeMicros::from_millis(11));
        assert_eq!(claims.closed_claims(), 0);
        assert_eq!(claims.get(round, TileIndex::new(5)), None);
    }

    #[test]
    fn a_kept_claim_takes_24_bytes() {
        assert_eq!(size_of::<Claim>(), 24);
    }
}
