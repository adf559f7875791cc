//! Corrections and windows' results, as the naive model decides them.

use huntcore_engine::{
    CloseVerdict, CorrectionAsk, CorrectionRef, CorrectionVerdict, WindowResults,
};
use huntcore_model::{
    BoardClosedRecord, Correction, CorrectionRecord, HuntNumber, PlayerNumber, Sequence, TileIndex,
};

use super::{Answer, Naive, RoundKey, Written};

impl Naive {
    pub(crate) fn correct(&mut self, ask: &CorrectionRef<'_>) -> Answer<CorrectionVerdict> {
        if self.hunts.get(ask.hunt).is_none() {
            return (CorrectionVerdict::UnknownHunt, Sequence::ZERO);
        }
        match ask.what {
            CorrectionAsk::Void { round, tile } => self.void((ask.hunt, round), tile, ask.reason),
            CorrectionAsk::Disqualify { player } => self.disqualify(ask.hunt, player, ask.reason),
            CorrectionAsk::Reinstate { player } => self.reinstate(ask.hunt, player, ask.reason),
        }
    }

    fn void(&mut self, key: RoundKey, tile: TileIndex, reason: &str) -> Answer<CorrectionVerdict> {
        let claims = self.claims.get(&key);
        let Some(held) = claims.and_then(|claims| claims.get(&tile.get())).cloned() else {
            let verdict = match claims.is_none() && self.has_forgotten(key) {
                true => CorrectionVerdict::ClaimForgotten,
                false => CorrectionVerdict::UnknownClaim,
            };
            return (verdict, Sequence::ZERO);
        };
        if let Some(&voided) = self.voided.get(&(key, tile.get())) {
            return already(voided);
        }
        if self.storage_full {
            return (CorrectionVerdict::StorageFull, Sequence::ZERO);
        }
        let player = self.any_number(&held.player);
        let what = Correction::ClaimVoided {
            round: key.1,
            tile,
            points: held.points,
            claimed: Sequence::new(held.sequence),
        };
        let at = self.write_correction(key.0, player, what, reason);
        self.voided.insert((key, tile.get()), at);
        corrected(at)
    }

    fn disqualify(
        &mut self,
        hunt: HuntNumber,
        player: &str,
        reason: &str,
    ) -> Answer<CorrectionVerdict> {
        let key = (hunt, player.to_owned());
        if let Some(&at) = self.disqualified.get(&key) {
            return already(at);
        }
        if self.storage_full {
            return (CorrectionVerdict::StorageFull, Sequence::ZERO);
        }
        let number = self.any_number(player);
        let at = self.write_correction(hunt, number, Correction::Disqualified, reason);
        self.disqualified.insert(key, at);
        corrected(at)
    }

    fn reinstate(
        &mut self,
        hunt: HuntNumber,
        player: &str,
        reason: &str,
    ) -> Answer<CorrectionVerdict> {
        let key = (hunt, player.to_owned());
        if !self.disqualified.contains_key(&key) {
            return already(self.end().get().saturating_sub(1));
        }
        if self.storage_full {
            return (CorrectionVerdict::StorageFull, Sequence::ZERO);
        }
        self.disqualified.remove(&key);
        let number = self.any_number(player);
        corrected(self.write_correction(hunt, number, Correction::Reinstated, reason))
    }

    pub(crate) fn close_board(&mut self, results: &WindowResults<'_>) -> Answer<CloseVerdict> {
        let at_once = |verdict| (verdict, Sequence::ZERO);
        let Some(hunt) = self.hunts.get(results.hunt) else {
            return at_once(CloseVerdict::UnknownHunt);
        };
        let key = (results.hunt, results.board);
        if let Some(&(end, at)) = self.closings.get(&key)
            && results.end.get() <= end
        {
            let verdict = CloseVerdict::AlreadyClosed(Sequence::new(at));
            return (verdict, Sequence::new(at + 1));
        }
        if !hunt.boards_with_results.contains(&results.board) {
            return at_once(CloseVerdict::UnknownBoard);
        }
        let is_over = hunt.closed.is_some() || hunt.over().is_some_and(|over| over <= self.now);
        if self.now < results.end.get() && !is_over {
            return at_once(CloseVerdict::NotYet);
        }
        if self.storage_full {
            return at_once(CloseVerdict::StorageFull);
        }
        let mut entries = Vec::new();
        for (player, score) in results.entries {
            entries.push((self.any_number(player.as_str()), *score));
        }
        let at = self.end();
        self.batch
            .push(Written::BoardClosed(Box::new(BoardClosedRecord {
                hunt: results.hunt,
                board: results.board,
                start: results.start,
                end: results.end,
                players: results.players,
                entries,
            })));
        self.closings.insert(key, (results.end.get(), at.get()));
        (CloseVerdict::Closed(at), self.end())
    }

    /// Whether claims on a round are not kept, had there been any.
    fn has_forgotten(&self, key: RoundKey) -> bool {
        let hunt = self.hunts.get(key.0).expect("checked before");
        let Some((_, closes)) = hunt.schedule(key.1) else {
            return false;
        };
        let is_open = hunt.announced.contains_key(&key.1.get()) && self.closes(key) > self.time;
        let over = hunt.closed.map_or(closes, |closed| closed.min(closes));
        let kept_from = self.now.saturating_sub(self.limits.answer_ttl_ms * 1_000);
        let oldest = self.oldest_closed().map(|(at, _)| at);
        !is_open && (over < kept_from || oldest.is_some_and(|oldest| over < oldest))
    }

    fn write_correction(
        &mut self,
        hunt: HuntNumber,
        player: PlayerNumber,
        what: Correction,
        reason: &str,
    ) -> u64 {
        let at = self.end();
        self.batch
            .push(Written::Correction(Box::new(CorrectionRecord {
                hunt,
                player,
                what,
                reason: reason.to_owned(),
            })));
        at.get()
    }

    /// A player's number, whatever the limit.
    fn any_number(&mut self, id: &str) -> PlayerNumber {
        let limit = std::mem::replace(&mut self.limits.players_max, u32::MAX);
        let number = self.number(id).expect("there is no limit");
        self.limits.players_max = limit;
        number
    }
}

fn corrected(at: u64) -> Answer<CorrectionVerdict> {
    let verdict = CorrectionVerdict::Corrected(Sequence::new(at));
    (verdict, Sequence::new(at + 1))
}

fn already(at: u64) -> Answer<CorrectionVerdict> {
    let verdict = CorrectionVerdict::AlreadySo(Sequence::new(at));
    (verdict, Sequence::new(at + 1))
}
