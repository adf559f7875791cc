//! A log that grows as arbiters and a controller would have it, and what it amounts to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use huntcore_broadcast::{
    BroadcastLimits, Class, Cursor, FeedVersion, Layouts, Next, RoundLayout, Start,
};
use huntcore_model::{
    Batch, BatchBuilder, BoardDefinition, BoardName, ClaimRecord, ControlRecord, Correction,
    CorrectionRecord, DefinedBoard, Epoch, Hash32, HuntConfig, HuntCreated, HuntId, HuntNumber,
    PlayerId, PlayerNumber, Position, Record, RoundNumber, RoundOpened, RoundSchedule, Salt,
    Sequence, ShardId, ShardMap, Tail, TileIndex, TimeMicros,
};
use huntcore_wire::{
    CORRECTIONS_SHOWN, CellText, HuntStateName, Interest, LiveBoard, LiveCorrection,
    LiveCorrectionKind, LiveForm, LiveRound, LiveState, LiveTile,
};

pub(crate) const HUNT: HuntNumber = HuntNumber::new(0);
const START_MS: u64 = 1_000;
const ROUND_MS: u64 = 100;
const WINDOW_MS: u64 = 350;
const PLAYERS: usize = 5;
/// Boards that the hunt may be given.
const OWN_BOARDS: [&str; 2] = ["week", "bosses"];

pub(crate) struct World {
    pub(crate) shards: ShardMap,
    pub(crate) clock_ms: u64,
    pub(crate) streams: BTreeMap<ShardId, Vec<Batch>>,
    pub(crate) control: Vec<ControlRecord>,
    tails: BTreeMap<ShardId, Tail>,
    copied: BTreeMap<ShardId, usize>,
    players: BTreeMap<ShardId, Vec<String>>,
    claims: BTreeMap<(RoundNumber, TileIndex), (String, u32)>,
    /// Each claim and its place.
    placed: Vec<(ShardId, Sequence, ClaimRecord)>,
    /// What was corrected, as clients are told it.
    corrections: Vec<LiveCorrection>,
    boards: Vec<DefinedBoard>,
    rounds: u64,
    seeded: u64,
}

/// What an operator corrects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    Claim,
    Player,
    Nobody,
}

/// A claim to be made if the shard may make it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) rounds_back: usize,
    pub(crate) tile: u32,
    pub(crate) player: usize,
}

impl World {
    pub(crate) fn new(shards: u16) -> Self {
        let shards = ShardMap::new(shards).expect("in range");
        let mut world = Self {
            shards,
            clock_ms: START_MS - 100,
            streams: shards.streams().map(|shard| (shard, Vec::new())).collect(),
            control: Vec::new(),
            tails: BTreeMap::new(),
            copied: BTreeMap::new(),
            players: BTreeMap::new(),
            claims: BTreeMap::new(),
            placed: Vec::new(),
            corrections: Vec::new(),
            boards: Vec::new(),
            rounds: 0,
            seeded: 0,
        };
        world.say(ControlRecord::HuntCreated(HuntCreated {
            hunt: HUNT,
            id: HuntId::new("park").expect("a slug"),
            created_at: world.now(),
            starts_at: TimeMicros::from_millis(START_MS),
            ends_at: None,
            config: config(),
            anchor: Hash32::ZERO,
        }));
        world
    }

    pub(crate) fn now(&self) -> TimeMicros {
        TimeMicros::from_millis(self.clock_ms)
    }

    /// Writes an entry to the control stream.
    pub(crate) fn say(&mut self, record: ControlRecord) {
        let at = Sequence::new(self.control.len() as u64);
        self.control.push(record.clone());
        let mut builder = BatchBuilder::new();
        builder.push(&Record::Control {
            at,
            record: Box::new(record),
        });
        self.commit(ShardId::CONTROL, &mut builder);
    }

    /// Announces the next round's map.
    pub(crate) fn open_round(&mut self, tiles: u32) {
        let opens_ms = START_MS + self.rounds * ROUND_MS;
        self.rounds += 1;
        self.say(ControlRecord::RoundOpened(RoundOpened {
            hunt: HUNT,
            round: RoundNumber::new(self.rounds),
            config_version: 1,
            map: hash(self.rounds),
            commitment: Hash32::ZERO,
            layout: Hash32::ZERO,
            tiles,
            schedule: RoundSchedule {
                opens_at: TimeMicros::from_millis(opens_ms),
                closes_at: TimeMicros::from_millis(opens_ms + WINDOW_MS),
            },
        }));
    }

    /// Publishes the next seed, if a round waits for it.
    pub(crate) fn publish_seed(&mut self) {
        if self.seeded < self.rounds {
            self.seeded += 1;
            self.say(ControlRecord::SeedPublished {
                hunt: HUNT,
                round: RoundNumber::new(self.seeded),
                seed: hash(self.seeded),
            });
        }
    }

    pub(crate) fn move_end(&mut self, later_ms: u64) {
        let ends_at = Some(TimeMicros::from_millis(self.clock_ms + later_ms));
        let moved = |record: &ControlRecord| matches!(record, ControlRecord::HuntEndMoved { .. });
        if !self.control.iter().any(moved) {
            self.say(ControlRecord::HuntEndMoved {
                hunt: HUNT,
                ends_at,
            });
        }
    }

    /// A shard's batch: copies of up to `copies` control entries, then what of the claims
    /// its own log allows, or a time record.
    pub(crate) fn shard_batch(&mut self, shard: ShardId, copies: usize, wishes: &[Wish]) {
        let mut builder = BatchBuilder::new();
        let from = self.copied.get(&shard).copied().unwrap_or(0);
        let to = (from + copies).min(self.control.len());
        for index in from..to {
            if self.control[index].concerns_arbiters() {
                builder.push(&Record::Control {
                    at: Sequence::new(index as u64),
                    record: Box::new(self.control[index].clone()),
                });
            }
        }
        self.copied.insert(shard, to);
        let now = self.now();
        let open: Vec<RoundOpened> = self.control[..to]
            .iter()
            .filter_map(|record| match record {
                ControlRecord::RoundOpened(opened) => Some(opened.clone()),
                _ => None,
            })
            .filter(|opened| opened.schedule.opens_at <= now && now < opened.schedule.closes_at)
            .collect();
        for wish in wishes {
            let Some(opened) = open.iter().rev().nth(wish.rounds_back) else {
                continue;
            };
            let tile = TileIndex::new(wish.tile % opened.tiles);
            if self.claims.contains_key(&(opened.round, tile)) {
                continue;
            }
            let name = format!("player-{}", wish.player % PLAYERS);
            let table = self.players.entry(shard).or_default();
            let index = table.iter().position(|known| *known == name);
            let index = index.unwrap_or_else(|| {
                let number = PlayerNumber::new(table.len().try_into().expect("few players"));
                builder.push_player(number, &name, Salt([7; 16]));
                table.push(name.clone());
                table.len() - 1
            });
            let points = 1 + wish.tile;
            let claim = ClaimRecord {
                hunt: HUNT,
                round: opened.round,
                tile,
                player: PlayerNumber::new(index.try_into().expect("few players")),
                points,
            };
            let place = self.next(shard).advanced(u64::from(builder.count()));
            builder.push(&Record::Claim(claim));
            self.placed.push((shard, place, claim));
            self.claims.insert((opened.round, tile), (name, points));
        }
        if builder.is_empty() {
            builder.push(&Record::Time);
        }
        self.commit(shard, &mut builder);
    }

    /// Gives the hunt other boards: of each bit set one, and of each other bit of that board one
    /// that is defined otherwise.
    pub(crate) fn define_boards(&mut self, bits: u8) {
        let [_, _, second] = BoardDefinition::built_in();
        let own = OWN_BOARDS.into_iter().enumerate();
        let own = own.filter(|(index, _)| bits >> (2 * index) & 1 == 1);
        let boards = own.map(|(index, name)| BoardDefinition {
            name: BoardName::new(name).expect("a name"),
            results: u16::from(bits >> (2 * index + 1) & 1),
            ..second.clone()
        });
        let boards: Vec<BoardDefinition> = boards.collect();
        let at = Sequence::new(self.control.len() as u64);
        self.boards = DefinedBoard::redefined(&self.boards, at, &boards);
        self.say(ControlRecord::BoardsChanged { hunt: HUNT, boards });
    }

    /// The boards as of so much of the control stream.
    pub(crate) fn boards_at(&self, entries: usize) -> Vec<LiveBoard> {
        let mut boards = Vec::new();
        for (at, record) in self.control[..entries].iter().enumerate() {
            if let ControlRecord::BoardsChanged { boards: new, .. } = record {
                boards = DefinedBoard::redefined(&boards, Sequence::new(at as u64), new);
            }
        }
        let built_in = BoardName::BUILT_IN.map(|board| LiveBoard {
            board,
            generation: 0,
        });
        let own = boards.iter().map(|board| LiveBoard {
            board: board.definition.name,
            generation: board.defined_at.get(),
        });
        built_in.into_iter().chain(own).collect()
    }

    /// Corrects one of a shard's claims, or players.
    pub(crate) fn correct(&mut self, shard: ShardId, wrong: Wrong, which: usize) {
        let placed = self.placed.iter().filter(|(place, _, _)| *place == shard);
        let placed: Vec<_> = placed.copied().collect();
        let Some(&(_, claimed, claim)) = placed.get(which % placed.len().max(1)) else {
            return;
        };
        let (what, kind) = match wrong {
            Wrong::Claim => (
                Correction::ClaimVoided {
                    round: claim.round,
                    tile: claim.tile,
                    points: claim.points,
                    claimed,
                },
                LiveCorrectionKind::ClaimVoided,
            ),
            Wrong::Player => (Correction::Disqualified, LiveCorrectionKind::Disqualified),
            Wrong::Nobody => (Correction::Reinstated, LiveCorrectionKind::Reinstated),
        };
        let reason = format!("reason {}", self.corrections.len());
        let mut builder = BatchBuilder::new();
        builder.push(&Record::Correction(Box::new(CorrectionRecord {
            hunt: HUNT,
            player: claim.player,
            what,
            reason: reason.clone(),
        })));
        let position = Position::after(shard, self.next(shard));
        self.commit(shard, &mut builder);
        let time = self.streams[&shard].last().expect("just now").header().time;
        let is_claim = matches!(wrong, Wrong::Claim);
        let name = &self.players[&shard][claim.player.get() as usize];
        self.corrections.push(LiveCorrection {
            kind,
            round: is_claim.then_some(claim.round),
            tile: is_claim.then_some(claim.tile),
            points: is_claim.then_some(claim.points),
            player: Some(PlayerId::new(name).expect("a valid id")),
            reason,
            corrected_at: TimeMicros::from_millis(time.millis()).into(),
            position: (&position).into(),
        });
    }

    /// Everything that was corrected.
    pub(crate) fn corrections(&self) -> &[LiveCorrection] {
        &self.corrections
    }

    fn next(&self, shard: ShardId) -> Sequence {
        let tail = self.tails.get(&shard);
        tail.map_or(Sequence::ZERO, |tail| tail.sequence)
    }

    pub(crate) fn commit(&mut self, shard: ShardId, builder: &mut BatchBuilder) {
        let tail = self.tails.get(&shard).copied().unwrap_or_default();
        let time = self.now().max(tail.time);
        let batch = builder.finish(shard, Epoch::new(1), &tail, time, tail.sequence);
        self.tails.insert(shard, batch.tail());
        self.streams
            .get_mut(&shard)
            .expect("a known stream")
            .push(batch);
    }

    pub(crate) fn claims(&self) -> usize {
        self.claims.len()
    }

    /// All rounds that were ever written.
    pub(crate) fn opened(&self) -> Vec<RoundOpened> {
        let opened = self.control.iter().filter_map(|record| match record {
            ControlRecord::RoundOpened(opened) => Some(opened.clone()),
            _ => None,
        });
        opened.collect()
    }

    /// The fold of the whole log, written down as plainly as possible.
    pub(crate) fn expected(&self, limits: &BroadcastLimits) -> Expected {
        let shard_times = self.shards.shards().map(|shard| {
            let batches = &self.streams[&shard];
            batches
                .last()
                .map_or(TimeMicros::ZERO, |batch| batch.header().time)
        });
        let time = shard_times.min().expect("at least one shard");
        let mut ends_at = None;
        let mut paused = false;
        let mut hunt_closed = false;
        let mut opened = Vec::new();
        let mut seeds = HashMap::new();
        for record in &self.control {
            match record {
                ControlRecord::HuntEndMoved { ends_at: end, .. } => ends_at = *end,
                ControlRecord::HuntPaused { .. } => paused = true,
                ControlRecord::HuntResumed { .. } => paused = false,
                ControlRecord::HuntClosed { .. } => hunt_closed = true,
                ControlRecord::RoundOpened(round) => opened.push(round),
                ControlRecord::SeedPublished { round, seed, .. } => {
                    seeds.insert(*round, *seed);
                }
                _ => {}
            }
        }
        opened.retain(|round| round.schedule.opens_at <= time);
        let is_closed = |round: &RoundOpened| {
            hunt_closed
                || round.schedule.closes_at <= time
                || ends_at.is_some_and(|end| round.schedule.opens_at >= end)
        };
        let room =
            |tiles: u32| (limits.tiles_shown / u64::from(tiles)).clamp(1, limits.rounds_shown);
        let floor = opened
            .iter()
            .map(|round| (round.round.get() + 1).saturating_sub(room(round.tiles)))
            .max()
            .unwrap_or(0);
        let closed: BTreeSet<u64> = opened
            .iter()
            .filter(|round| is_closed(round))
            .map(|round| round.round.get())
            .collect();
        let lowest_closed = closed.iter().rev().nth(limits.closed_shown - 1).copied();
        let lowest_open = opened
            .iter()
            .filter(|round| !is_closed(round) && round.round.get() >= floor)
            .map(|round| round.round.get())
            .min();
        let newest = opened.last().map_or(0, |round| round.round.get());
        // The newest closed round that has no room for its tiles any more.
        let mut closed_tiles = 0;
        let is_beyond = |round: &&&RoundOpened| {
            closed_tiles += u64::from(round.tiles);
            closed_tiles > limits.closed_tiles_shown
        };
        let closed_rounds = opened.iter().rev().filter(|round| is_closed(round));
        let without_room = closed_rounds.take(limits.closed_shown).find(is_beyond);
        let with_room = without_room.map_or(1, |round| round.round.get() + 1);
        let kept = lowest_open
            .unwrap_or(newest + 1)
            .min(lowest_closed.unwrap_or(1).max(with_room));
        let oldest = RoundNumber::new(floor.max(kept).max(1));
        let rounds = opened
            .into_iter()
            .filter(|round| round.round >= oldest)
            .map(|round| {
                let claims = self
                    .claims
                    .iter()
                    .filter(|((number, _), _)| *number == round.round)
                    .map(|((_, tile), (player, points))| {
                        let player = Some(PlayerId::new(player).expect("a valid id"));
                        let points = *points;
                        let voided = self.corrections.iter().any(|correction| {
                            correction.round == Some(round.round) && correction.tile == Some(*tile)
                        });
                        (
                            *tile,
                            LiveTile {
                                player,
                                points,
                                voided,
                            },
                        )
                    });
                let live = LiveRound {
                    config_version: round.config_version,
                    map: round.map,
                    commitment: round.commitment,
                    layout: round.layout,
                    tiles: round.tiles,
                    opens_at: round.schedule.opens_at.into(),
                    closes_at: round.schedule.closes_at.into(),
                    closed: is_closed(round),
                    seed: seeds.get(&round.round).copied(),
                    claims: claims.collect(),
                };
                (round.round, live)
            })
            .collect();
        let state = if hunt_closed {
            HuntStateName::Closed
        } else if ends_at.is_some_and(|end| time >= end) {
            HuntStateName::Ended
        } else if paused {
            HuntStateName::Paused
        } else if time < TimeMicros::from_millis(START_MS) {
            HuntStateName::Scheduled
        } else {
            HuntStateName::Running
        };
        let mut corrections = self.corrections.clone();
        corrections.sort_by(|one, other| one.order().cmp(&other.order()));
        let over = corrections.len().saturating_sub(CORRECTIONS_SHOWN);
        Expected {
            state: Some(state),
            oldest,
            rounds,
            corrections: corrections.split_off(over),
            listed: self.boards_at(self.control.len()),
        }
    }
}

/// The cells of the areas that rounds' tiles lie in.
pub(crate) const AREAS: u32 = 4;
const AREA_RESOLUTION: u32 = 5;

/// A cell of each area.
pub(crate) fn area(number: u32) -> CellText {
    cell(AREA_RESOLUTION, &[number % AREA_SIDE])
}

/// A cell within an area, which holds some of the area's tiles.
pub(crate) fn block(number: u32) -> CellText {
    cell(
        AREA_RESOLUTION + 1,
        &[number % AREA_SIDE, number / AREAS % AREA_SIDE],
    )
}

const AREA_SIDE: u32 = 6;

/// Where a round's tiles are: in other places each round.
pub(crate) fn layout(opened: &RoundOpened) -> RoundLayout {
    let round = u32::try_from(opened.round.get()).expect("few rounds");
    let place = |tile: u32| {
        let digits = [
            (tile + round) % AREAS,
            tile % AREA_SIDE,
            tile / AREA_SIDE % AREA_SIDE,
        ];
        cell(AREA_RESOLUTION + 2, &digits).get()
    };
    (0..opened.tiles).map(place).collect()
}

/// The H3 cell of that resolution in base cell 10 with these last digits.
fn cell(resolution: u32, digits: &[u32]) -> CellText {
    let shift = |at: u32| 3 * (15 - at);
    let first = resolution + 1 - u32::try_from(digits.len()).expect("few");
    let mut index = 1 << 59 | u64::from(resolution) << 52 | 10 << 45;
    index |= (1 << shift(resolution)) - 1;
    for (at, &digit) in (first..).zip(digits) {
        index |= u64::from(digit) << shift(at);
    }
    let cell = CellText::new(index);
    assert!(cell.exists(), "{index:x}");
    cell
}

/// How those read a feed who hear everything, in JSON.
pub(crate) trait ReadAll {
    fn start(&self, resume: Option<&Position>) -> Start;
    fn next(&self, cursor: &Cursor, merge_over: usize) -> Next;
}

impl ReadAll for FeedVersion {
    fn start(&self, resume: Option<&Position>) -> Start {
        let class = Class::everything(LiveForm::Json);
        let start = self.of(&class, &Layouts::default()).start(resume);
        start.expect("no layout is needed")
    }

    fn next(&self, cursor: &Cursor, merge_over: usize) -> Next {
        let class = Class::everything(LiveForm::Json);
        self.of(&class, &Layouts::default())
            .next(cursor, merge_over)
    }
}

/// What a client should know in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) state: Option<HuntStateName>,
    pub(crate) oldest: RoundNumber,
    pub(crate) rounds: BTreeMap<RoundNumber, LiveRound>,
    pub(crate) corrections: Vec<LiveCorrection>,
    pub(crate) listed: Vec<LiveBoard>,
}

impl Expected {
    /// The same for whoever hears of this much only.
    pub(crate) fn within(&self, interest: &Interest, layouts: &[RoundOpened]) -> Self {
        let mut within = self.clone();
        match interest {
            Interest::Everything => {}
            Interest::Boards(_) => {
                within.rounds.clear();
                within.oldest = RoundNumber::FIRST;
            }
            Interest::Cells(cells) => {
                for opened in layouts {
                    let Some(round) = within.rounds.get_mut(&opened.round) else {
                        continue;
                    };
                    let layout = layout(opened);
                    round.claims.retain(|tile, _| {
                        cells.contains(CellText::new(layout[tile.get() as usize]))
                    });
                }
            }
        }
        within
    }
}

impl From<&LiveState> for Expected {
    fn from(state: &LiveState) -> Self {
        Self {
            state: state.state,
            // Whoever sees no rounds does not hear which ones are left behind.
            oldest: match state.interest.shows_rounds() {
                true => state.oldest(),
                false => RoundNumber::FIRST,
            },
            rounds: state.rounds.clone(),
            corrections: state.corrections.clone(),
            listed: state
                .listed
                .clone()
                .map_or(Vec::new(), |listed| listed.list),
        }
    }
}

fn hash(number: u64) -> Hash32 {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Hash32::new(bytes)
}

fn config() -> HuntConfig {
    HuntConfig {
        area: "{}".to_owned(),
        resolution: 12,
        round_ms: ROUND_MS,
        claim_window_ms: WINDOW_MS,
        tiles: 4,
        values: Vec::new(),
        values_hidden: false,
        cells: 99,
        cells_hash: Hash32::ZERO,
        config_hash: Hash32::ZERO,
    }
}
