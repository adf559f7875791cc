//! What the control stream says, folded a second time and as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use huntcore_model::{
    BoardName, ConfigVersion, ControlRecord, HuntNumber, RoundNumber, TimeMicros,
};

pub(crate) type Micros = u64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Hunts {
    hunts: Vec<Hunt>,
    pub(crate) next: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Hunt {
    pub(crate) starts: Micros,
    pub(crate) ends: Option<Micros>,
    pub(crate) closed: Option<Micros>,
    pub(crate) paused: bool,
    pub(crate) versions: Vec<Version>,
    pub(crate) announced: BTreeMap<u64, (Micros, Micros)>,
    pub(crate) seeds: BTreeSet<u64>,
    pub(crate) boards_with_results: BTreeSet<BoardName>,
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) from_round: u64,
    pub(crate) from_time: Micros,
    pub(crate) round: Micros,
    pub(crate) window: Micros,
    pub(crate) tiles: u32,
}

impl Version {
    fn new(version: &ConfigVersion) -> Self {
        Self {
            number: version.version,
            from_round: version.from_round.get(),
            from_time: version.from_time.get(),
            round: version.config.round_ms * 1_000,
            window: version.config.claim_window_ms * 1_000,
            tiles: version.config.tiles,
        }
    }
}

impl Hunts {
    pub(crate) fn get(&self, number: HuntNumber) -> Option<&Hunt> {
        self.hunts.get(number.get() as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (HuntNumber, &Hunt)> {
        (0..).map(HuntNumber::new).zip(&self.hunts)
    }

    pub(crate) fn fold(&mut self, at: u64, record: &ControlRecord) {
        assert!(at >= self.next, "each entry is folded once");
        self.next = at + 1;
        if let ControlRecord::HuntCreated(created) = record {
            assert_eq!(created.hunt.get() as usize, self.hunts.len());
            let first = ConfigVersion {
                version: 1,
                from_round: RoundNumber::new(1),
                from_time: created.starts_at,
                config: created.config.clone(),
            };
            self.hunts.push(Hunt {
                starts: created.starts_at.get(),
                ends: created.ends_at.map(TimeMicros::get),
                closed: None,
                paused: false,
                versions: vec![Version::new(&first)],
                announced: BTreeMap::new(),
                seeds: BTreeSet::new(),
                boards_with_results: BTreeSet::new(),
            });
            return;
        }
        let Some(hunt) = record.hunt() else { return };
        let hunt = &mut self.hunts[hunt.get() as usize];
        match record {
            ControlRecord::HuntCreated(_)
            | ControlRecord::ChainAnchored { .. }
            | ControlRecord::FlagSet(_) => {}
            ControlRecord::BoardsChanged { boards, .. } => {
                let with_results = boards.iter().filter(|board| board.results > 0);
                hunt.boards_with_results = with_results.map(|board| board.name).collect();
            }
            ControlRecord::HuntChanged { version, .. } => hunt.versions.push(Version::new(version)),
            ControlRecord::HuntEndMoved { ends_at, .. } => hunt.ends = ends_at.map(TimeMicros::get),
            ControlRecord::HuntPaused { .. } => hunt.paused = true,
            ControlRecord::HuntResumed { .. } => hunt.paused = false,
            ControlRecord::HuntClosed { closed_at, .. } => hunt.closed = Some(closed_at.get()),
            ControlRecord::RoundOpened(opened) => {
                let times = (
                    opened.schedule.opens_at.get(),
                    opened.schedule.closes_at.get(),
                );
                let before = hunt.announced.insert(opened.round.get(), times);
                assert_eq!(before, None, "a round is announced once");
            }
            ControlRecord::SeedPublished { round, .. } => {
                assert!(hunt.seeds.insert(round.get()), "a seed is published once");
            }
        }
    }
}

impl Hunt {
    /// The version of a round: of all that were ever said to hold for it, the last one said.
    pub(crate) fn version(&self, round: RoundNumber) -> Option<&Version> {
        self.versions
            .iter()
            .rfind(|version| version.from_round <= round.get())
    }

    /// When a round opens and closes, if it ever is.
    pub(crate) fn schedule(&self, round: RoundNumber) -> Option<(Micros, Micros)> {
        let version = self.version(round)?;
        let rounds = u128::from(round.get() - version.from_round);
        let opens = u128::from(version.from_time) + rounds * u128::from(version.round);
        let opens = Micros::try_from(opens).ok()?;
        let ended = self.ends.is_some_and(|ends| opens >= ends);
        (!ended).then(|| (opens, opens.saturating_add(version.window)))
    }

    /// The last announced round, or 0.
    pub(crate) fn last_announced(&self) -> u64 {
        self.announced.keys().last().copied().unwrap_or(0)
    }

    /// The last round that has opened by the clock, or 0.
    pub(crate) fn newest(&self, now: Micros) -> u64 {
        let opened = (1..).take_while(|&round| {
            let schedule = self.schedule(RoundNumber::new(round));
            schedule.is_some_and(|(opens, _)| opens <= now)
        });
        opened.last().unwrap_or(0)
    }

    /// When a hunt that ends is over: its end and the longest claim window have passed.
    pub(crate) fn over(&self) -> Option<Micros> {
        let mut versions: Vec<&Version> = Vec::new();
        for version in &self.versions {
            versions.retain(|known| known.from_round < version.from_round);
            versions.push(version);
        }
        let longest = versions.iter().map(|version| version.window).max();
        Some(self.ends?.saturating_add(longest.unwrap_or(0)))
    }

    pub(crate) fn next_time_record(&self, time: Micros) -> Option<Micros> {
        let last_close = self.announced.values().map(|&(_, closes)| closes).max();
        let (end, after) = match self.closed {
            Some(closed) => (Some(closed), 10_000_000),
            None => (self.over(), 2_000_000),
        };
        let over = end.is_some_and(|end| end.max(last_close.unwrap_or(0)) + after <= time);
        if over {
            return None;
        }
        let wakes = self.starts.saturating_sub(1_000_000);
        if time < wakes {
            return Some(wakes);
        }
        let open = self
            .announced
            .values()
            .filter(|&&(_, closes)| closes > time);
        let boundaries = open.flat_map(|&(opens, closes)| [opens, closes]);
        boundaries
            .filter(|&boundary| boundary > time)
            .chain([time + 100_000])
            .min()
    }
}
