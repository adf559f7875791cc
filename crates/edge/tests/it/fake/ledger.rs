//! What the fake backend decides and folds.

use std::collections::HashMap;
use std::sync::Arc;

use huntcore_board::{BoardLimits, Boards};
use huntcore_broadcast::{BoardUpdate, Broadcast, BroadcastLimits};
use huntcore_edge::{CommandError, Commanded, Corrected, CorrectionError, EventOutcome, View};
use huntcore_map::{Area, MapConfig, RoundMap, Seed, ValueTable};
use huntcore_model::{
    AttemptRef, Batch, BatchBuilder, BoardName, Catalog, ClaimRecord, ConfigVersion, ControlRecord,
    Correction, CorrectionRecord, Epoch, EventDigest, Hash32, HuntConfig, HuntCreated, HuntEntry,
    HuntNumber, Outcome, PlayerId, PlayerNumber, Position, Record, RoundNumber, RoundOpened,
    RoundSchedule, Salt, ScoreEvent, ScoreRecord, Sequence, ShardId, ShardMap, Tail, TileIndex,
    TimeMicros, ValueWeight,
};
use huntcore_wire::{
    BoardEntry, BoardSpec, BoardWindow, CorrectionKind, HuntChange, HuntRequest, Timestamp,
};
use sha2::{Digest, Sha256};

use super::definitions::definition;
use super::refresh::ByFlags;

pub(super) const SHARD: ShardId = ShardId::new(0);
/// Rounds are announced this long before they open.
const AHEAD_MS: u64 = 1_000;

/// One stream for claims and scores, one for control, and what they fold to.
pub(super) struct Inner {
    pub(super) catalog: Catalog,
    boards: Boards,
    broadcast: Broadcast,
    control: Tail,
    shard: Tail,
    players: HashMap<PlayerId, PlayerNumber>,
    claims: HashMap<(HuntNumber, RoundNumber, TileIndex), (PlayerId, Sequence, u32)>,
    events: HashMap<(HuntNumber, String, PlayerId), (EventDigest, Sequence)>,
    corrected: HashMap<(HuntNumber, String), Sequence>,
    pub(super) configs: HashMap<(HuntNumber, u32), MapConfig>,
    pub(super) maps: HashMap<Hash32, (HuntNumber, RoundMap)>,
    pub(super) refusal: Option<Outcome>,
    /// See [`ByFlags`].
    pub(super) rests: u32,
}

impl Inner {
    pub(super) fn new() -> Self {
        let shards = ShardMap::new(1).expect("one shard");
        Self {
            catalog: Catalog::new(),
            boards: Boards::new(shards, BoardLimits::default()),
            broadcast: Broadcast::new(
                shards,
                BroadcastLimits {
                    board_interval_ms: 0,
                    ..BroadcastLimits::default()
                },
            ),
            control: Tail::default(),
            shard: Tail::default(),
            players: HashMap::new(),
            claims: HashMap::new(),
            events: HashMap::new(),
            corrected: HashMap::new(),
            configs: HashMap::new(),
            maps: HashMap::new(),
            refusal: None,
            rests: 0,
        }
    }

    pub(super) fn commit(
        &mut self,
        stream: ShardId,
        now: TimeMicros,
        write: impl FnOnce(&mut BatchBuilder, &mut Self),
    ) -> Batch {
        let mut builder = BatchBuilder::new();
        write(&mut builder, self);
        let tail = if stream == SHARD {
            self.shard
        } else {
            self.control
        };
        let time = now.max(tail.time);
        let batch = builder.finish(stream, Epoch::new(1), &tail, time, tail.sequence);
        self.boards.apply(&batch).expect("in order");
        self.broadcast.apply(&batch).expect("in order");
        match stream == SHARD {
            true => self.shard = batch.tail(),
            false => self.control = batch.tail(),
        }
        batch
    }

    pub(super) fn control(&mut self, now: TimeMicros, record: ControlRecord) -> Sequence {
        let at = self.control.sequence;
        self.catalog.apply(at, &record).expect("valid");
        let is_copied = record.concerns_arbiters();
        let record = Record::Control {
            at,
            record: Box::new(record),
        };
        self.commit(ShardId::CONTROL, now, |batch, _| batch.push(&record));
        if is_copied {
            self.commit(SHARD, now, |batch, _| batch.push(&record));
        }
        at.advanced(1)
    }

    /// A player's number, written first if it is new.
    pub(super) fn number(&mut self, batch: &mut BatchBuilder, player: &PlayerId) -> PlayerNumber {
        if let Some(&number) = self.players.get(player) {
            return number;
        }
        let next = u32::try_from(self.players.len()).expect("few");
        let number = PlayerNumber::new(next);
        batch.push_player(number, player.as_str(), Salt([7; 16]));
        self.players.insert(player.clone(), number);
        number
    }

    pub(super) fn publish(&mut self, now: TimeMicros) -> View {
        let boards = self.boards.publish_by(&mut ByFlags {
            flags: self.catalog.flags(),
            rests: self.rests,
        });
        let hunts: Vec<HuntNumber> = self.catalog.hunts().map(|entry| entry.number).collect();
        for hunt in hunts {
            let names: Vec<BoardName> = boards
                .boards(hunt)
                .map(|defined| defined.definition.name)
                .collect();
            for name in names {
                let Some(board) = boards.board(hunt, name).filter(|board| !board.is_empty()) else {
                    continue;
                };
                let entries = board.top(100).into_iter().map(|entry| BoardEntry {
                    rank: entry.rank,
                    player: entry.player.clone(),
                    score: entry.score,
                });
                self.broadcast.push_board(
                    hunt,
                    BoardUpdate {
                        board: name,
                        generation: board.generation().get(),
                        window: BoardWindow {
                            start: board.window().start.map(Timestamp::from),
                            end: board.window().end.map(Timestamp::from),
                            is_final: board.window().is_final,
                        },
                        position: board.position().clone(),
                        players: board.len() as u64,
                        entries: entries.collect(),
                    },
                );
            }
        }
        self.broadcast.cut_tick(now);
        View {
            catalog: Arc::new(self.catalog.clone()),
            position: boards.position().clone(),
            boards,
            feeds: self.broadcast.publish(),
            time: now,
        }
    }

    /// Announces the rounds that open soon, and publishes seeds of those that have closed.
    pub(super) fn announce(&mut self, now: TimeMicros) {
        let entries: Vec<Arc<HuntEntry>> = self.catalog.hunts().cloned().collect();
        for entry in entries
            .into_iter()
            .filter(|entry| entry.closed_at.is_none())
        {
            let from = entry
                .last_announced()
                .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
            let Some(until) = entry.newest_round(now.plus_millis(AHEAD_MS)) else {
                continue;
            };
            for round in (from.get()..=until.get()).map(RoundNumber::new) {
                if let Some(schedule) = entry.schedule(round) {
                    self.open(&entry, round, schedule, now);
                }
            }
            for round in entry.rounds().filter(|round| round.seed.is_none()) {
                let RoundOpened {
                    hunt,
                    round,
                    schedule,
                    ..
                } = round.opened;
                if schedule.closes_at <= now {
                    let seed = seed(&entry, round).reveal();
                    self.control(now, ControlRecord::SeedPublished { hunt, round, seed });
                }
            }
        }
    }

    pub(super) fn open(
        &mut self,
        entry: &HuntEntry,
        round: RoundNumber,
        schedule: RoundSchedule,
        now: TimeMicros,
    ) {
        let version = entry
            .version_for(round)
            .expect("announced rounds have one")
            .version;
        let config = self.configs[&(entry.number, version)].clone();
        let seed = seed(entry, round);
        let map = RoundMap::generate(&entry.id, round, &config, &seed);
        let opened = RoundOpened {
            hunt: entry.number,
            round,
            config_version: version,
            map: map.name(),
            commitment: seed.commitment(round),
            layout: seed.layout(),
            tiles: config.tiles(),
            schedule,
        };
        self.maps.insert(map.name(), (entry.number, map));
        self.control(now, ControlRecord::RoundOpened(opened));
    }

    pub(super) fn claim(&mut self, attempt: &AttemptRef<'_>, now: TimeMicros) -> Outcome {
        if let Some(refusal) = self.refusal {
            return refusal;
        }
        let Some(entry) = self.catalog.by_number(attempt.hunt).cloned() else {
            return Outcome::UnknownHunt;
        };
        let Some(round) = entry.round(attempt.round) else {
            return match entry
                .schedule(attempt.round)
                .filter(|due| due.opens_at > now)
            {
                Some(due) => Outcome::NotYetOpen {
                    opens_at: due.opens_at,
                },
                None => Outcome::UnknownTile,
            };
        };
        if attempt.tile.get() >= round.opened.tiles {
            return Outcome::UnknownTile;
        }
        let key = (attempt.hunt, attempt.round, attempt.tile);
        if let Some((winner, sequence, points)) = self.claims.get(&key) {
            let (shard, sequence, points) = (SHARD, *sequence, *points);
            return match winner.as_str() == attempt.player {
                true => Outcome::Won {
                    shard,
                    sequence,
                    points,
                },
                false => Outcome::Taken { shard, sequence },
            };
        }
        let schedule = round.opened.schedule;
        if now >= schedule.closes_at || entry.closed_at.is_some() {
            return Outcome::Expired;
        }
        if entry.paused {
            return Outcome::HuntPaused;
        }
        if now < schedule.opens_at {
            return Outcome::NotYetOpen {
                opens_at: schedule.opens_at,
            };
        }
        let points = self.maps[&round.opened.map]
            .1
            .tile(attempt.tile)
            .expect("checked")
            .points;
        let player = PlayerId::new(attempt.player).expect("the edge checks");
        let batch = self.commit(SHARD, now, |batch, inner| {
            let player = inner.number(batch, &player);
            batch.push(&Record::Claim(ClaimRecord {
                hunt: attempt.hunt,
                round: attempt.round,
                tile: attempt.tile,
                player,
                points,
            }));
        });
        let sequence = Sequence::new(batch.header().next_sequence().get() - 1);
        self.claims.insert(key, (player, sequence, points));
        Outcome::Won {
            shard: SHARD,
            sequence,
            points,
        }
    }

    pub(super) fn record(&mut self, event: &ScoreEvent, now: TimeMicros) -> EventOutcome {
        let Some(entry) = self.catalog.by_number(event.hunt) else {
            return EventOutcome::UnknownHunt;
        };
        if entry.closed_at.is_some() {
            return EventOutcome::HuntClosed;
        }
        let key = (
            event.hunt,
            event.event_id.as_str().to_owned(),
            event.player.clone(),
        );
        let digest = event.digest();
        if let Some(&(known, sequence)) = self.events.get(&key) {
            return match known == digest {
                true => EventOutcome::Duplicate {
                    shard: SHARD,
                    sequence,
                },
                false => EventOutcome::Conflict,
            };
        }
        let batch = self.commit(SHARD, now, |batch, inner| {
            let player = inner.number(batch, &event.player);
            batch.push(&Record::Score(ScoreRecord {
                hunt: event.hunt,
                player,
                event_id: event.event_id.as_str(),
                event_type: event.event_type.as_str(),
                score: event.score,
                sent_at: event.sent_at,
                payload: &event.payload,
                digest,
            }));
        });
        let sequence = Sequence::new(batch.header().next_sequence().get() - 1);
        self.events.insert(key, (digest, sequence));
        EventOutcome::Accepted {
            shard: SHARD,
            sequence,
        }
    }

    /// Corrects as an arbiter would, but for what it no longer remembers.
    pub(super) fn correct(
        &mut self,
        hunt: HuntNumber,
        what: &CorrectionKind,
        reason: String,
        now: TimeMicros,
    ) -> Result<Corrected, CorrectionError> {
        let id = match what {
            CorrectionKind::Void(place) => {
                let claim = self.claims.get(&(hunt, place.round, place.tile));
                claim.ok_or(CorrectionError::UnknownClaim)?.0.clone()
            }
            CorrectionKind::Disqualify(player) | CorrectionKind::Reinstate(player) => {
                player.clone()
            }
        };
        let player = *self
            .players
            .get(&id)
            .ok_or(CorrectionError::UnknownPlayer)?;
        let key = format!("{what:?}");
        if let Some(&sequence) = self.corrected.get(&(hunt, key.clone())) {
            return Ok(Corrected {
                changed: false,
                position: Position::after(SHARD, sequence),
            });
        }
        let done = match what {
            CorrectionKind::Void(place) => {
                let (_, claimed, points) = self.claims[&(hunt, place.round, place.tile)];
                Correction::ClaimVoided {
                    round: place.round,
                    tile: place.tile,
                    points,
                    claimed,
                }
            }
            CorrectionKind::Disqualify(_) => Correction::Disqualified,
            CorrectionKind::Reinstate(_) => Correction::Reinstated,
        };
        let batch = self.commit(SHARD, now, |batch, _| {
            batch.push(&Record::Correction(Box::new(CorrectionRecord {
                hunt,
                player,
                what: done,
                reason,
            })));
        });
        let sequence = Sequence::new(batch.header().next_sequence().get() - 1);
        self.corrected.insert((hunt, key), sequence);
        Ok(Corrected {
            changed: true,
            position: Position::after(SHARD, sequence),
        })
    }

    pub(super) fn create(
        &mut self,
        request: &HuntRequest,
        now: TimeMicros,
    ) -> Result<Commanded, CommandError> {
        if self.catalog.hunt(&request.id).is_some() {
            return Err(CommandError::HuntExists {
                id: request.id.clone(),
            });
        }
        let values = request
            .values
            .iter()
            .copied()
            .map(ValueWeight::from)
            .collect();
        let area = Area::from_value(&request.area).map_err(invalid)?;
        let (map, config) = configure(
            1,
            &area,
            request.resolution,
            (request.round.millis(), request.claim_window.millis()),
            request.tiles,
            values,
            request.values_hidden,
        )?;
        let hunt = HuntNumber::new(u32::try_from(self.catalog.hunts().len()).expect("few"));
        let starts_at = request.starts_at.map_or(now, Timestamp::micros);
        let ends_at = request.ends_at.map(Timestamp::micros);
        if ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
            return Err(invalid("ends_at is not after starts_at"));
        }
        self.configs.insert((hunt, 1), map);
        let visible_from = self.control(
            now,
            ControlRecord::HuntCreated(HuntCreated {
                hunt,
                id: request.id.clone(),
                created_at: now,
                starts_at,
                ends_at,
                config,
                anchor: Hash32::new([9; 32]),
            }),
        );
        let visible_from = match request.boards.as_slice() {
            [] => visible_from,
            boards => self.give_boards(hunt, boards, now),
        };
        self.announce(now);
        Ok(Commanded { hunt, visible_from })
    }

    /// Gives a hunt boards whose zones are all that of UTC.
    fn give_boards(&mut self, hunt: HuntNumber, boards: &[BoardSpec], now: TimeMicros) -> Sequence {
        let boards = boards.iter().map(definition).collect();
        self.control(now, ControlRecord::BoardsChanged { hunt, boards })
    }

    pub(super) fn change(
        &mut self,
        hunt: HuntNumber,
        change: &HuntChange,
        now: TimeMicros,
    ) -> Result<Commanded, CommandError> {
        let entry = self.changeable(hunt)?;
        let mut visible_from = self.control.sequence;
        if let Some(ends_at) = change.ends_at {
            let ends_at = ends_at.map(Timestamp::micros);
            visible_from = self.control(now, ControlRecord::HuntEndMoved { hunt, ends_at });
        }
        if let Some(boards) = &change.boards {
            visible_from = self.give_boards(hunt, boards, now);
        }
        if change.changes_config() {
            let old = entry.latest_version();
            let version = old.version + 1;
            let area = match &change.area {
                Some(area) => Area::from_value(area),
                None => Area::parse(&old.config.area),
            };
            let values = change
                .values
                .as_ref()
                .map_or(old.config.values.clone(), |rows| {
                    rows.iter().copied().map(ValueWeight::from).collect()
                });
            let millis = |given: Option<huntcore_wire::DurationText>, kept| {
                given.map_or(kept, huntcore_wire::DurationText::millis)
            };
            let (map, config) = configure(
                version,
                &area.map_err(invalid)?,
                change.resolution.unwrap_or(old.config.resolution),
                (
                    millis(change.round, old.config.round_ms),
                    millis(change.claim_window, old.config.claim_window_ms),
                ),
                change.tiles.unwrap_or(old.config.tiles),
                values,
                change.values_hidden.unwrap_or(old.config.values_hidden),
            )?;
            let from_round = entry
                .last_announced()
                .map_or(RoundNumber::FIRST, |last| last.opened.round.next());
            let from_time = entry.schedule(from_round).map_or(now, |due| due.opens_at);
            self.configs.insert((hunt, version), map);
            visible_from = self.control(
                now,
                ControlRecord::HuntChanged {
                    hunt,
                    version: ConfigVersion {
                        version,
                        from_round,
                        from_time,
                        config,
                    },
                },
            );
        }
        Ok(Commanded { hunt, visible_from })
    }

    pub(super) fn changeable(&self, hunt: HuntNumber) -> Result<Arc<HuntEntry>, CommandError> {
        let entry = self
            .catalog
            .by_number(hunt)
            .ok_or(CommandError::UnknownHunt)?;
        match entry.closed_at {
            Some(_) => Err(CommandError::HuntClosed),
            None => Ok(Arc::clone(entry)),
        }
    }
}

fn seed(entry: &HuntEntry, round: RoundNumber) -> Seed {
    let mut hasher = Sha256::new();
    hasher.update(entry.id.as_str());
    hasher.update(round.get().to_be_bytes());
    Seed::new(Hash32::new(hasher.finalize().into()))
}

fn invalid(reason: impl std::fmt::Display) -> CommandError {
    CommandError::Invalid {
        reason: reason.to_string(),
    }
}

fn configure(
    version: u32,
    area: &Area,
    resolution: u8,
    (round_ms, claim_window_ms): (u64, u64),
    tiles: u32,
    values: Vec<ValueWeight>,
    values_hidden: bool,
) -> Result<(MapConfig, HuntConfig), CommandError> {
    if !(100..=3_600_000).contains(&round_ms) || !(round_ms..=3_600_000).contains(&claim_window_ms)
    {
        return Err(invalid("round or claim_window is out of range"));
    }
    let cells = Arc::new(area.cells(resolution).map_err(invalid)?);
    let table = ValueTable::new(values.clone()).map_err(invalid)?;
    let map = MapConfig::new(version, Arc::clone(&cells), tiles, table).map_err(invalid)?;
    let config = HuntConfig {
        area: area.outline().to_string(),
        resolution,
        round_ms,
        claim_window_ms,
        tiles,
        values,
        values_hidden,
        cells: cells.count(),
        cells_hash: cells.hash(),
        config_hash: map.hash(),
    };
    Ok((map, config))
}
