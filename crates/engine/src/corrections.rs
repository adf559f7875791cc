//! Corrections: claims that count no more, and players who are on no board of a hunt.
//!
//! A correction is about boards alone. The tile of a voided claim stays taken, and every
//! attempt on it is answered as before (I3); a disqualified player may go on winning and
//! scoring, which is kept aside. So nothing here is asked when an attempt or an event is
//! decided. What is remembered is what makes a repetition write nothing: voided claims for as
//! long as their round's answers are kept, disqualified players until they are reinstated.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use huntcore_model::{
    CORRECTION_REASON_BYTES_MAX, Correction, CorrectionRecord, HuntNumber, PlayerNumber, Record,
    RoundNumber, Sequence, SnapshotError, SnapshotReader, SnapshotWriter, TileIndex,
};

use crate::arbiter::Arbiter;
use crate::claims::{Held, Known, TILES_MAX};
use crate::exchange::Decided;
use crate::fold::ApplyError;
use crate::open_rounds::RoundKey;

/// Voided claims that a shard remembers; each is an operator's doing.
const VOIDED_MAX: usize = 65_536;
/// Disqualified players that a shard remembers, of all hunts.
const DISQUALIFIED_MAX: usize = 65_536;

/// What an operator wants corrected, texts borrowed and within their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorrectionRef<'a> {
    /// In which hunt.
    pub hunt: HuntNumber,
    /// What.
    pub what: CorrectionAsk<'a>,
    /// Why, in the operator's words.
    pub reason: &'a str,
}

/// What is to be corrected. A claim's shard voids it; a player is disqualified and reinstated
/// where their score events are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorrectionAsk<'a> {
    /// A claim is to count no more.
    Void {
        /// The claim's round.
        round: RoundNumber,
        /// Its tile.
        tile: TileIndex,
    },
    /// A player is to be on none of the hunt's boards. Whoever asks has made sure that some
    /// shard knows the player ([`Arbiter::knows_player`]).
    Disqualify {
        /// Who.
        player: &'a str,
    },
    /// A disqualified player is to be on them again.
    Reinstate {
        /// Who.
        player: &'a str,
    },
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorrectionVerdict {
    /// Done now, as the record at this sequence.
    Corrected(Sequence),
    /// It was so already; the record that made it so is at this sequence or before it.
    /// Nothing was written.
    AlreadySo(Sequence),
    /// The hunt does not exist.
    UnknownHunt,
    /// Nobody has claimed that tile.
    UnknownClaim,
    /// The round closed so long ago that its claims are no longer kept.
    ClaimForgotten,
    /// A limit is reached; nothing changed.
    Overloaded,
    /// The log takes no more for lack of space; nothing changed.
    StorageFull,
}

/// What has been corrected and is remembered. A clone shares it with its original.
#[derive(Clone, Debug, Default)]
pub(crate) struct Corrections(Arc<Remembered>);

#[derive(Clone, Debug, Default)]
struct Remembered {
    /// For each round that is kept: the records that voided claims.
    voided: BTreeMap<RoundKey, BTreeMap<TileIndex, Sequence>>,
    voided_count: usize,
    /// The records that disqualified.
    disqualified: BTreeMap<(HuntNumber, PlayerNumber), Sequence>,
}

/// A claim, as far as it is known.
enum Found {
    Claim(Held),
    Never,
    Forgotten,
}

impl Arbiter {
    /// Whether a player has a number in this shard, of whatever hunt.
    #[must_use]
    pub fn knows_player(&self, id: &str) -> bool {
        self.players.find(id).is_some()
    }

    /// Corrects something, unless it is so already.
    ///
    /// # Panics
    /// On a reason over [`CORRECTION_REASON_BYTES_MAX`].
    pub fn correct(&mut self, correction: &CorrectionRef<'_>) -> Decided<CorrectionVerdict> {
        assert!(
            correction.reason.len() <= CORRECTION_REASON_BYTES_MAX,
            "the caller checks a reason's length"
        );
        if self.catalog.by_number(correction.hunt).is_none() {
            return told_at_once(CorrectionVerdict::UnknownHunt);
        }
        match correction.what {
            CorrectionAsk::Void { round, tile } => {
                self.void((correction.hunt, round), tile, correction.reason)
            }
            CorrectionAsk::Disqualify { player } => {
                self.disqualify(correction.hunt, player, correction.reason)
            }
            CorrectionAsk::Reinstate { player } => {
                self.reinstate(correction.hunt, player, correction.reason)
            }
        }
    }

    fn void(&mut self, key: RoundKey, tile: TileIndex, reason: &str) -> Decided<CorrectionVerdict> {
        let held = match self.claim_on(key, tile) {
            Found::Claim(held) => held,
            Found::Never => return told_at_once(CorrectionVerdict::UnknownClaim),
            Found::Forgotten => return told_at_once(CorrectionVerdict::ClaimForgotten),
        };
        if let Some(voided) = self.corrections.voided(key, tile) {
            return already_so(voided);
        }
        if let Some(refusal) = self.no_room(self.corrections.0.voided_count >= VOIDED_MAX) {
            return told_at_once(refusal);
        }
        let what = Correction::ClaimVoided {
            round: key.1,
            tile,
            points: held.points,
            claimed: held.sequence,
        };
        let sequence = self.write_correction(key.0, held.player, what, reason);
        self.corrections.void(key, tile, sequence);
        corrected(sequence)
    }

    fn disqualify(
        &mut self,
        hunt: HuntNumber,
        player: &str,
        reason: &str,
    ) -> Decided<CorrectionVerdict> {
        let known = self.players.find(player);
        let known_as = known.and_then(|number| self.corrections.disqualified(hunt, number));
        if let Some(disqualified) = known_as {
            return already_so(disqualified);
        }
        let is_full = self.corrections.0.disqualified.len() >= DISQUALIFIED_MAX;
        if let Some(refusal) = self.no_room(is_full) {
            return told_at_once(refusal);
        }
        let number = self.number_for_result(player);
        let sequence = self.write_correction(hunt, number, Correction::Disqualified, reason);
        self.corrections.disqualify(hunt, number, sequence);
        corrected(sequence)
    }

    fn reinstate(
        &mut self,
        hunt: HuntNumber,
        player: &str,
        reason: &str,
    ) -> Decided<CorrectionVerdict> {
        let known = self.players.find(player);
        let disqualified =
            known.filter(|&number| self.corrections.disqualified(hunt, number).is_some());
        let Some(number) = disqualified else {
            // What made it so may not be durable yet: everything so far has to be.
            let last = self.next_sequence().get().saturating_sub(1);
            return already_so(Sequence::new(last));
        };
        if let Some(refusal) = self.no_room(false) {
            return told_at_once(refusal);
        }
        let sequence = self.write_correction(hunt, number, Correction::Reinstated, reason);
        self.corrections.reinstate(hunt, number);
        corrected(sequence)
    }

    /// Why nothing can be written now, if so.
    fn no_room(&self, is_at_limit: bool) -> Option<CorrectionVerdict> {
        if self.storage_full {
            Some(CorrectionVerdict::StorageFull)
        } else if is_at_limit || self.is_full() {
            Some(CorrectionVerdict::Overloaded)
        } else {
            None
        }
    }

    fn write_correction(
        &mut self,
        hunt: HuntNumber,
        player: PlayerNumber,
        what: Correction,
        reason: &str,
    ) -> Sequence {
        let sequence = self.next_sequence();
        self.batch
            .push(&Record::Correction(Box::new(CorrectionRecord {
                hunt,
                player,
                what,
                reason: reason.to_owned(),
            })));
        sequence
    }

    /// A number for a player whom a correction or a window's results name. There are no more of
    /// them than other shards have taken in, within their limits; so a shard that is at its own
    /// takes them all the same, or a result could never be written.
    pub(crate) fn number_for_result(&mut self, id: &str) -> PlayerNumber {
        match self.players.find(id) {
            Some(number) => number,
            None => self.push_player(id),
        }
    }

    /// Who holds a tile, as far as this shard still knows.
    fn claim_on(&self, key: RoundKey, tile: TileIndex) -> Found {
        if let Some(place) = self.open.find(key) {
            let claims = &self.open.at(place).claims;
            return claims
                .at(claims.place(tile))
                .map_or(Found::Never, Found::Claim);
        }
        if let Some(round) = self.answers.round(key) {
            return round.claims.get(tile).map_or(Found::Never, Found::Claim);
        }
        // A round without claims is not kept, and one with claims only for so long.
        match self.catalog.by_number(key.0) {
            Some(hunt) => {
                let Some(schedule) = hunt.schedule(key.1) else {
                    return Found::Never;
                };
                let over_at = hunt
                    .closed_at
                    .map_or(schedule.closes_at, |at| at.min(schedule.closes_at));
                let kept_from = self.now.minus_millis(self.limits.answer_ttl_ms);
                let oldest = self.answers.oldest_closed_at();
                match over_at < kept_from || oldest.is_some_and(|oldest| over_at < oldest) {
                    true => Found::Forgotten,
                    false => Found::Never,
                }
            }
            None => Found::Never,
        }
    }

    /// Folds a stored correction.
    pub(crate) fn apply_correction(
        &mut self,
        at: Sequence,
        record: &CorrectionRecord,
    ) -> Result<(), ApplyError> {
        let unknown = |what| ApplyError::Unknown { at, what };
        self.catalog
            .by_number(record.hunt)
            .ok_or(unknown("a hunt"))?;
        if record.player.get() as usize >= self.players.count() {
            return Err(unknown("a player number"));
        }
        match record.what {
            Correction::ClaimVoided {
                round,
                tile,
                claimed,
                ..
            } => {
                if claimed >= at {
                    return Err(unknown("a claim"));
                }
                let key = (record.hunt, round);
                match self.claim_on(key, tile) {
                    Found::Claim(held) if held.sequence == claimed => {
                        self.corrections.void(key, tile, at);
                    }
                    Found::Claim(_) => return Err(unknown("a claim")),
                    // Answers are kept for less long now than when it was voided.
                    Found::Never | Found::Forgotten => {}
                }
            }
            Correction::Disqualified => {
                self.corrections.disqualify(record.hunt, record.player, at);
            }
            Correction::Reinstated => self.corrections.reinstate(record.hunt, record.player),
        }
        Ok(())
    }
}

impl Corrections {
    fn voided(&self, key: RoundKey, tile: TileIndex) -> Option<Sequence> {
        self.0.voided.get(&key)?.get(&tile).copied()
    }

    fn disqualified(&self, hunt: HuntNumber, player: PlayerNumber) -> Option<Sequence> {
        self.0.disqualified.get(&(hunt, player)).copied()
    }

    fn void(&mut self, key: RoundKey, tile: TileIndex, at: Sequence) {
        let kept = Arc::make_mut(&mut self.0);
        let before = kept.voided.entry(key).or_default().insert(tile, at);
        kept.voided_count += usize::from(before.is_none());
    }

    fn disqualify(&mut self, hunt: HuntNumber, player: PlayerNumber, at: Sequence) {
        let disqualified = &mut Arc::make_mut(&mut self.0).disqualified;
        disqualified.entry((hunt, player)).or_insert(at);
    }

    fn reinstate(&mut self, hunt: HuntNumber, player: PlayerNumber) {
        Arc::make_mut(&mut self.0)
            .disqualified
            .remove(&(hunt, player));
    }

    /// Forgets the voided claims of a round whose answers are no longer kept.
    pub(crate) fn forget(&mut self, key: RoundKey) {
        if self.0.voided.contains_key(&key) {
            let kept = Arc::make_mut(&mut self.0);
            let forgotten = kept.voided.remove(&key);
            kept.voided_count -= forgotten.map_or(0, |tiles| tiles.len());
        }
    }

    pub(crate) fn write<W: Write>(&self, out: &mut SnapshotWriter<W>) -> io::Result<()> {
        out.number(self.0.voided_count as u64)?;
        for (&(hunt, round), tiles) in &self.0.voided {
            for (tile, at) in tiles {
                out.number(u64::from(hunt.get()))?;
                out.number(round.get())?;
                out.number(u64::from(tile.get()))?;
                out.number(at.get())?;
            }
        }
        out.number(self.0.disqualified.len() as u64)?;
        for (&(hunt, player), at) in &self.0.disqualified {
            out.number(u64::from(hunt.get()))?;
            out.number(u64::from(player.get()))?;
            out.number(at.get())?;
        }
        Ok(())
    }

    pub(crate) fn read<R: Read>(
        known: &Known,
        hunts: usize,
        input: &mut SnapshotReader<R>,
    ) -> Result<Self, SnapshotError> {
        let mut corrections = Self::default();
        let read_hunt = |input: &mut SnapshotReader<R>| {
            let hunt = input.number_u32("corrected hunt")?;
            match (hunt as usize) < hunts {
                true => Ok(HuntNumber::new(hunt)),
                false => Err(input.invalid("corrected hunt", "there is no such hunt")),
            }
        };
        let read_record = |input: &mut SnapshotReader<R>| {
            let at = Sequence::new(input.number("correction's sequence")?);
            match at < known.sequence_end {
                true => Ok(at),
                false => Err(input.invalid("correction", "it is not in the log yet")),
            }
        };
        for _ in 0..input.number_up_to(VOIDED_MAX as u64, "number of voided claims")? {
            let hunt = read_hunt(input)?;
            let round = RoundNumber::new(input.number("voided claim's round")?);
            let tile = input.number_up_to(u64::from(TILES_MAX - 1), "voided claim's tile")?;
            let tile = TileIndex::new(u32::try_from(tile).expect("checked"));
            let at = read_record(input)?;
            if corrections.voided((hunt, round), tile).is_some() {
                return Err(input.invalid("voided claim", "it stands here twice"));
            }
            corrections.void((hunt, round), tile, at);
        }
        let disqualified_max = DISQUALIFIED_MAX as u64;
        for _ in 0..input.number_up_to(disqualified_max, "number of disqualified players")? {
            let hunt = read_hunt(input)?;
            let player = input.number_u32("disqualified player")?;
            let at = read_record(input)?;
            if player >= known.players {
                return Err(input.invalid("disqualified player", "nobody has that number"));
            }
            corrections.disqualify(hunt, PlayerNumber::new(player), at);
        }
        Ok(corrections)
    }
}

const fn told_at_once(answer: CorrectionVerdict) -> Decided<CorrectionVerdict> {
    Decided {
        answer,
        needs: Sequence::ZERO,
    }
}

fn corrected(sequence: Sequence) -> Decided<CorrectionVerdict> {
    Decided {
        answer: CorrectionVerdict::Corrected(sequence),
        needs: sequence.advanced(1),
    }
}

fn already_so(sequence: Sequence) -> Decided<CorrectionVerdict> {
    Decided {
        answer: CorrectionVerdict::AlreadySo(sequence),
        needs: sequence.advanced(1),
    }
}
