//! What each kind of record does to the boards.

use std::ops::Range;

use huntcore_model::{
    BatchHeader, ControlRecord, Correction, CorrectionRecord, HuntNumber, PlayerRecord, Record,
    ScoreRecord, Sequence, ShardId, TimeMicros,
};

use crate::board::Scored;
use crate::boards::Boards;
use crate::ending::Ending;
use crate::hunt::Hunt;
use crate::key::Place;
use crate::numbers::{ERASED, LEFT_OUT};
use crate::recall::RecentClaim;

/// The batch that is being folded.
#[derive(Clone, Copy)]
struct Folding<'a> {
    header: &'a BatchHeader,
    /// The first record of the batches whose time is this one's.
    same_time_from: u64,
}

impl Folding<'_> {
    fn place(self, sequence: Sequence) -> Place {
        let offset = sequence.get() - self.same_time_from;
        Place::new(self.header.time, self.header.shard, offset)
    }
}

impl Boards {
    /// Folds what was unpacked in: players first, as no record before theirs names them.
    pub(crate) fn fold(&mut self, header: &BatchHeader, others: &[(Sequence, Record<'_>)]) {
        let shard = header.shard;
        let stream = &mut self.streams[usize::from(shard.get())];
        if header.time > stream.tail.time {
            stream.same_time_from = header.first_sequence;
        }
        let folding = Folding {
            header,
            same_time_from: stream.same_time_from.get(),
        };
        for (_, record) in others {
            if let Record::Player(player) = record {
                self.meet(shard, player);
            }
        }
        // Where boards change, so does what becomes of the records behind.
        let (mut claims, mut rest) = (0, others);
        while let Some(at) = rest.iter().position(|(_, record)| changes_boards(record)) {
            let sequence = rest[at].0;
            let before = sequence.get() - header.first_sequence.get();
            let left = &self.unpacked.claims[claims..];
            let upto = claims + left.partition_point(|claim| u64::from(claim.index) < before);
            self.fold_claims(folding, claims..upto);
            self.fold_others(folding, &rest[..at]);
            self.change_boards(header, &rest[at]);
            (claims, rest) = (upto, &rest[at + 1..]);
        }
        self.fold_claims(folding, claims..self.unpacked.claims.len());
        self.fold_others(folding, rest);
        self.settle_claims(header);
    }

    fn fold_claims(&mut self, folding: Folding<'_>, range: Range<usize>) {
        let header = folding.header;
        let shard = header.shard;
        let shards = self.streams.len();
        let stream = &mut self.streams[usize::from(shard.get())];
        let claims = &self.unpacked.claims[range];
        for of_hunt in claims.chunk_by(|one, next| one.hunt == next.hunt) {
            let number = of_hunt[0].hunt;
            self.unpacked.known.clear();
            for claim in of_hunt {
                let player = stream.player(claim.player.get(), &mut self.counters);
                if let Some(player) = player {
                    let sequence = header.first_sequence.advanced(u64::from(claim.index));
                    let place = folding.place(sequence);
                    self.unpacked.known.push((player, claim.points, place));
                }
            }
            // A hunt of which nobody is known has no boards.
            if self.unpacked.known.is_empty() {
                continue;
            }
            let hunt = self.hunts.entry(number);
            let hunt = hunt.or_insert_with(|| Hunt::new(number, shards));
            hunt.mark(&mut self.changed);
            if hunt.is_over_in(shard) {
                self.counters.records_over += of_hunt.len() as u64;
                continue;
            }
            hunt.put_claims(&mut self.agenda, (shard, header.time), &self.unpacked.known);
            self.pending += self.unpacked.known.len();
            if hunt.needs_recall(shard) {
                for claim in of_hunt {
                    let player = stream.numbers.get(claim.player.get());
                    if matches!(player, ERASED | LEFT_OUT) {
                        continue;
                    }
                    let sequence = header.first_sequence.advanced(u64::from(claim.index));
                    stream.recent.push(RecentClaim {
                        sequence,
                        time: header.time,
                        place: folding.place(sequence),
                        hunt: number,
                        player,
                        points: claim.points,
                        is_voided: false,
                    });
                }
            }
        }
    }

    fn fold_others(&mut self, folding: Folding<'_>, others: &[(Sequence, Record<'_>)]) {
        let shard = folding.header.shard;
        for (sequence, record) in others {
            match record {
                Record::Score(event) => self.fold_event(folding, *sequence, event),
                Record::Correction(correction) => self.correct(shard, *sequence, correction),
                Record::BoardClosed(closed) => {
                    self.hunt(closed.hunt);
                    let hunt = self.hunts.get_mut(&closed.hunt).expect("just made");
                    let written_at = folding.header.time;
                    hunt.record(&mut self.agenda, closed.board, closed.end, written_at);
                    self.closed_ahead.insert((closed.hunt, closed.board));
                }
                _ => {}
            }
        }
    }

    fn fold_event(&mut self, folding: Folding<'_>, sequence: Sequence, event: &ScoreRecord<'_>) {
        let shard = folding.header.shard;
        let stream = &self.streams[usize::from(shard.get())];
        let Some(player) = stream.player(event.player.get(), &mut self.counters) else {
            return;
        };
        let scored = Scored {
            player,
            score: event.score,
            place: folding.place(sequence),
            batch_time: folding.header.time,
            sent_at: event.sent_at,
            event_type: event.event_type,
            event_id: event.event_id,
        };
        let shards = self.streams.len();
        let hunt = self.hunts.entry(event.hunt);
        let hunt = hunt.or_insert_with(|| Hunt::new(event.hunt, shards));
        hunt.mark(&mut self.changed);
        if hunt.is_over_in(shard) {
            self.counters.records_over += 1;
            return;
        }
        self.pending += hunt.put_event(&mut self.agenda, &mut self.counters, shard, &scored);
    }

    fn change_boards(&mut self, header: &BatchHeader, (sequence, record): &(Sequence, Record<'_>)) {
        let Record::Control { at, record } = record else {
            return;
        };
        match &**record {
            ControlRecord::HuntCreated(created) => {
                self.tell_ending(header.shard, created.hunt, |ending| {
                    ending.ends_at = created.ends_at;
                    ending.configure(&created.first_version());
                });
            }
            ControlRecord::HuntChanged { hunt, version } => {
                self.tell_ending(header.shard, *hunt, |ending| ending.configure(version));
            }
            ControlRecord::HuntEndMoved { hunt, ends_at } => {
                self.tell_ending(header.shard, *hunt, |ending| ending.ends_at = *ends_at);
            }
            ControlRecord::HuntClosed { hunt, .. } => {
                self.hunt(*hunt);
                self.end_hunt(header.shard, *hunt, header.time);
            }
            ControlRecord::BoardsChanged { hunt, boards } => {
                self.hunt(*hunt);
                let hunt = self.hunts.get_mut(hunt).expect("just made");
                let place = (header.shard, *sequence, header.time);
                hunt.redefine(&mut self.agenda, &mut self.counters, *at, boards, place);
            }
            _ => {}
        }
    }

    /// A stream tells more of when a hunt will be over in it.
    fn tell_ending(&mut self, shard: ShardId, number: HuntNumber, tell: impl FnOnce(&mut Ending)) {
        let stream = usize::from(shard.get());
        let ending = &mut self.hunt(number).endings[stream];
        let before = ending.due();
        tell(ending);
        let after = ending.due();
        let endings = &mut self.streams[stream].endings;
        if let Some(before) = before {
            endings.remove(&(before, number));
        }
        if let Some(after) = after {
            endings.insert((after, number));
        }
    }

    /// A stream has got to `time`: hunts whose end and last claim windows that has passed are
    /// over in it before the first record of that batch.
    pub(crate) fn end_hunts(&mut self, shard: ShardId, time: TimeMicros) {
        let stream = usize::from(shard.get());
        while let Some(&(at, hunt)) = self.streams[stream].endings.first()
            && at <= time
        {
            self.end_hunt(shard, hunt, at);
        }
    }

    fn end_hunt(&mut self, shard: ShardId, number: HuntNumber, over_at: TimeMicros) {
        let hunt = self.hunts.get_mut(&number).expect("it was heard of");
        let stream = usize::from(shard.get());
        if let Some(due) = hunt.endings[stream].due() {
            self.streams[stream].endings.remove(&(due, number));
        }
        if !hunt.is_over_in(shard) {
            hunt.mark(&mut self.changed);
            hunt.end_in(&mut self.agenda, shard, over_at);
        }
    }

    fn correct(&mut self, shard: ShardId, at: Sequence, correction: &CorrectionRecord) {
        let stream = &self.streams[usize::from(shard.get())];
        let Some(player) = stream.player(correction.player.get(), &mut self.counters) else {
            return;
        };
        self.counters.corrections += 1;
        match correction.what {
            Correction::Disqualified => {
                self.hunt(correction.hunt)
                    .set_aside(player, true, (shard, at));
            }
            Correction::Reinstated => {
                self.hunt(correction.hunt)
                    .set_aside(player, false, (shard, at));
            }
            Correction::ClaimVoided {
                points, claimed, ..
            } => {
                let place = (shard, at);
                self.void(correction.hunt, place, claimed, (player, points));
            }
        }
        // A tally that is corrected may wait to be brought up to date.
        self.pending += 1;
    }

    fn void(
        &mut self,
        number: HuntNumber,
        (shard, at): (ShardId, Sequence),
        claimed: Sequence,
        (player, points): (u32, u32),
    ) {
        self.hunt(number);
        let found = self.streams[usize::from(shard.get())].recent.void(claimed);
        let hunt = self.hunts.get_mut(&number).expect("just made");
        let mut is_missed = false;
        for board in &mut hunt.boards {
            if !board.takes_claims() || !board.took(shard, claimed) {
                continue;
            }
            if !board.needs_recall() {
                board.subtract(player, points);
            } else if let Some(claim) = found {
                let spans = board.spans.clone();
                let streams = self.streams.iter().zip(&spans);
                let left = streams.flat_map(|(stream, span)| {
                    let recent = stream.recent.iter();
                    recent.filter(|claim| {
                        claim.hunt == number && !claim.is_voided && span.contains(&claim.sequence)
                    })
                });
                board.void(&claim, left);
            } else {
                // A board that the stream has left may be gone or not.
                is_missed |= board.took(shard, at);
            }
            board.mark_corrected(shard, at);
        }
        self.counters.corrections_missed += u64::from(is_missed);
    }

    /// Forgets claims that are too old, or too many, to be voided.
    fn settle_claims(&mut self, header: &BatchHeader) {
        let shard = header.shard;
        let since = header.time.minus_millis(self.limits.undo_ms);
        let most = self.limits.undo_claims_max / self.streams.len();
        let recent = &mut self.streams[usize::from(shard.get())].recent;
        while let Some(claim) = recent.pop_old(most, since) {
            let hunt = self.hunts.get_mut(&claim.hunt);
            let Some(hunt) = hunt.filter(|_| !claim.is_voided) else {
                continue;
            };
            for board in &mut hunt.boards {
                if board.takes_claims() && board.took(shard, claim.sequence) {
                    board.settle(&claim);
                }
            }
        }
    }

    /// Takes note of a player's number; a number keeps the player it was first given to.
    fn meet(&mut self, shard: ShardId, record: &PlayerRecord<'_>) {
        let stream = &mut self.streams[usize::from(shard.get())];
        let number = record.number.get();
        if number < stream.given {
            return;
        }
        stream.given = number.saturating_add(1);
        if number >= self.limits.players_max {
            self.counters.players_refused += 1;
            return;
        }
        let player = record.id.and_then(|id| self.players.intern(id));
        stream.numbers.insert(number, player.unwrap_or(ERASED));
    }
}

/// Whether records behind this one may go to other boards.
pub(crate) fn changes_boards(record: &Record<'_>) -> bool {
    let Record::Control { record, .. } = record else {
        return false;
    };
    matches!(
        **record,
        ControlRecord::HuntCreated(_)
            | ControlRecord::HuntChanged { .. }
            | ControlRecord::HuntEndMoved { .. }
            | ControlRecord::HuntClosed { .. }
            | ControlRecord::BoardsChanged { .. }
    )
}
