//! A catalog's part of a snapshot.

use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::catalog::Keeps;
use crate::hunt::RoundQuota;
use crate::record::CONTROL_BYTES_MAX;
use crate::{
    Catalog, ConfigVersion, ControlRecord, FLAG_SETTINGS_MAX, Flags, Hash32, HuntConfig,
    HuntCreated, HuntEntry, HuntId, HuntNumber, RoundEntry, RoundNumber, RoundOpened,
    RoundSchedule, Sequence, SnapshotError, SnapshotReader, SnapshotWriter, TimeMicros,
};

/// Catalogs written since hunts have boards of their own begin with a number that is this much
/// higher; older ones are read, too.
const WITH_BOARDS: u64 = 3;

/// Reading a snapshot forgets nothing: what was written was within its quota.
const NO_QUOTA: RoundQuota = RoundQuota {
    rounds: usize::MAX,
    unpublished: usize::MAX,
};

impl Catalog {
    /// Writes all that [`Self::read`] needs to make an equal catalog.
    pub fn write<W: Write>(&self, out: &mut SnapshotWriter<W>) -> io::Result<()> {
        out.number(WITH_BOARDS + keeps_number(self.keeps))?;
        out.number(self.next.get())?;
        out.number(self.hunts.len() as u64)?;
        for hunt in self.hunts.iter() {
            write_hunt(hunt, out)?;
            write_json(&*hunt.boards, out)?;
        }
        out.number(self.flags.settings().len() as u64)?;
        for (_, setting) in self.flags.settings() {
            write_json(setting, out)?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] has written.
    pub fn read<R: Read>(input: &mut SnapshotReader<R>) -> Result<Self, SnapshotError> {
        let keeps = input.number_up_to(2 * WITH_BOARDS - 1, "what the catalog keeps")?;
        let with_boards = keeps >= WITH_BOARDS;
        let keeps = match keeps % WITH_BOARDS {
            0 => Keeps::Past,
            1 => Keeps::Unpublished,
            _ => Keeps::Open,
        };
        let mut catalog = Self::keeping(keeps);
        catalog.next = Sequence::new(input.number("next control entry")?);
        let count = input.number_u32("number of hunts")?;
        for number in 0..count {
            let mut hunt = read_hunt(HuntNumber::new(number), input)?;
            if with_boards {
                hunt.boards = Arc::new(read_json("boards", input)?);
            }
            if catalog.hunt(&hunt.id).is_some() {
                return Err(input.invalid("hunt id", "two hunts have it"));
            }
            catalog.add(hunt);
        }
        if with_boards {
            let mut flags = Flags::default();
            for _ in 0..input.number_up_to(FLAG_SETTINGS_MAX as u64, "number of flags")? {
                flags.keep(read_json("flag", input)?);
            }
            catalog.flags = Arc::new(flags);
        }
        Ok(catalog)
    }
}

const fn keeps_number(keeps: Keeps) -> u64 {
    match keeps {
        Keeps::Past => 0,
        Keeps::Unpublished => 1,
        Keeps::Open => 2,
    }
}

fn write_json<W: Write>(value: &impl Serialize, out: &mut SnapshotWriter<W>) -> io::Result<()> {
    out.bytes(&serde_json::to_vec(value).expect("plain data"))
}

fn read_json<T: DeserializeOwned, R: Read>(
    field: &'static str,
    input: &mut SnapshotReader<R>,
) -> Result<T, SnapshotError> {
    let json = input.bytes(CONTROL_BYTES_MAX, field)?;
    serde_json::from_slice(&json).map_err(|error| input.invalid(field, &error.to_string()))
}

fn write_hunt<W: Write>(hunt: &HuntEntry, out: &mut SnapshotWriter<W>) -> io::Result<()> {
    out.bytes(hunt.id.as_str().as_bytes())?;
    out.number(hunt.created_at.get())?;
    out.number(hunt.starts_at.get())?;
    out.optional(hunt.ends_at.map(TimeMicros::get))?;
    out.number(u64::from(hunt.paused))?;
    out.optional(hunt.closed_at.map(TimeMicros::get))?;
    out.number(hunt.anchors.len() as u64)?;
    for anchor in &hunt.anchors {
        out.raw(anchor.bytes())?;
    }
    out.number(hunt.versions.len() as u64)?;
    for version in hunt.versions.iter() {
        out.number(u64::from(version.version))?;
        out.number(version.from_round.get())?;
        out.number(version.from_time.get())?;
        let json = serde_json::to_vec(&version.config).expect("a configuration is plain data");
        out.bytes(&json)?;
    }
    out.number(hunt.rounds().len() as u64)?;
    for round in hunt.rounds() {
        write_round(round, out)?;
    }
    Ok(())
}

fn read_hunt<R: Read>(
    number: HuntNumber,
    input: &mut SnapshotReader<R>,
) -> Result<HuntEntry, SnapshotError> {
    let id = input.bytes(HuntId::BYTES_MAX, "hunt id")?;
    let id = std::str::from_utf8(&id).map_err(|error| error.to_string());
    let id = id.and_then(|id| HuntId::new(id).map_err(|error| error.to_string()));
    let id = id.map_err(|reason| input.invalid("hunt id", &reason))?;
    let created_at = read_time(input, "creation")?;
    let starts_at = read_time(input, "start")?;
    let ends_at = input.optional("end")?.map(TimeMicros::new);
    let paused = input.number_up_to(1, "whether it is paused")? == 1;
    let closed_at = input.optional("closing")?.map(TimeMicros::new);
    let mut anchors = Vec::new();
    for _ in 0..input.number("number of anchors")? {
        anchors.push(Hash32::new(input.array()?));
    }
    let mut versions: Vec<Arc<ConfigVersion>> = Vec::new();
    for _ in 0..input.number("number of configurations")? {
        let version = read_version(input)?;
        let after = |last: &Arc<ConfigVersion>| last.from_round < version.from_round;
        if !versions.last().is_none_or(after) {
            return Err(input.invalid("configuration", "it holds before an earlier one"));
        }
        versions.push(Arc::new(version));
    }
    let (Some(first), Some(&anchor)) = (versions.first(), anchors.first()) else {
        return Err(input.invalid("hunt", "it has no configuration or no anchor"));
    };
    let mut hunt = HuntEntry::new(&HuntCreated {
        hunt: number,
        id,
        created_at,
        starts_at,
        ends_at,
        config: first.config.clone(),
        anchor,
    });
    hunt.set_versions(versions);
    hunt.paused = paused;
    hunt.closed_at = closed_at;
    hunt.anchors = anchors;
    for _ in 0..input.number("number of rounds")? {
        let (opened, seed) = read_round(number, input)?;
        let round = opened.round;
        let after = |last: &Arc<RoundEntry>| last.opened.round < round;
        if !hunt.last_announced().is_none_or(after) {
            return Err(input.invalid("round", "it does not follow the one before"));
        }
        hunt.apply(
            Sequence::ZERO,
            &ControlRecord::RoundOpened(opened),
            NO_QUOTA,
        );
        if let Some(seed) = seed {
            let hunt_number = number;
            let published = ControlRecord::SeedPublished {
                hunt: hunt_number,
                round,
                seed,
            };
            hunt.apply(Sequence::ZERO, &published, NO_QUOTA);
        }
    }
    Ok(hunt)
}

fn read_version<R: Read>(input: &mut SnapshotReader<R>) -> Result<ConfigVersion, SnapshotError> {
    let version = input.number_u32("configuration's version")?;
    let from_round = RoundNumber::new(input.number("configuration's first round")?);
    let from_time = read_time(input, "configuration's first opening")?;
    let json = input.bytes(CONTROL_BYTES_MAX, "configuration")?;
    let config: HuntConfig = serde_json::from_slice(&json)
        .map_err(|error| input.invalid("configuration", &error.to_string()))?;
    Ok(ConfigVersion {
        version,
        from_round,
        from_time,
        config,
    })
}

fn write_round<W: Write>(round: &RoundEntry, out: &mut SnapshotWriter<W>) -> io::Result<()> {
    let opened = &round.opened;
    out.number(opened.round.get())?;
    out.number(u64::from(opened.config_version))?;
    out.raw(opened.map.bytes())?;
    out.raw(opened.commitment.bytes())?;
    out.raw(opened.layout.bytes())?;
    out.number(u64::from(opened.tiles))?;
    out.number(opened.schedule.opens_at.get())?;
    out.number(opened.schedule.closes_at.get())?;
    out.number(u64::from(round.seed.is_some()))?;
    round.seed.map_or(Ok(()), |seed| out.raw(seed.bytes()))
}

fn read_round<R: Read>(
    hunt: HuntNumber,
    input: &mut SnapshotReader<R>,
) -> Result<(RoundOpened, Option<Hash32>), SnapshotError> {
    let opened = RoundOpened {
        hunt,
        round: RoundNumber::new(input.number("round")?),
        config_version: input.number_u32("round's configuration")?,
        map: Hash32::new(input.array()?),
        commitment: Hash32::new(input.array()?),
        layout: Hash32::new(input.array()?),
        tiles: input.number_u32("round's tiles")?,
        schedule: RoundSchedule {
            opens_at: read_time(input, "round's opening")?,
            closes_at: read_time(input, "round's closing")?,
        },
    };
    let seed = match input.number_up_to(1, "whether the seed is known")? {
        0 => None,
        _ => Some(Hash32::new(input.array()?)),
    };
    Ok((opened, seed))
}

fn read_time<R: Read>(
    input: &mut SnapshotReader<R>,
    field: &'static str,
) -> Result<TimeMicros, SnapshotError> {
    input.number(field).map(TimeMicros::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BoardDefinition, Flag, FlagSet, FlagSource, FlagValue, ValueWeight};

    const MAGIC: [u8; 4] = *b"TEST";

    fn config(tiles: u32) -> HuntConfig {
        HuntConfig {
            area: "{\"type\":\"Polygon\"}".to_owned(),
            resolution: 12,
            round_ms: 1_000,
            claim_window_ms: 3_000,
            tiles,
            values: vec![ValueWeight {
                points: 1,
                weight: 1,
            }],
            values_hidden: true,
            cells: 9,
            cells_hash: Hash32::new([1; 32]),
            config_hash: Hash32::new([2; 32]),
        }
    }

    /// Whatever control records do, each step one of them.
    fn folded(mut catalog: Catalog, steps: &[(u32, u8, u64)]) -> Catalog {
        let mut hunts = 0;
        for (at, &(hunt, kind, number)) in (0..).map(Sequence::new).zip(steps) {
            let time = TimeMicros::from_millis(at.get() * 1_000);
            let round = RoundNumber::new(at.get());
            let (hunt, new) = (HuntNumber::new(hunt % hunts.max(1)), HuntNumber::new(hunts));
            let hash = Hash32::new([u8::try_from(number % 251).expect("small"); 32]);
            let record = match kind {
                0 => ControlRecord::HuntCreated(HuntCreated {
                    hunt: new,
                    id: HuntId::new(&format!("hunt-{hunts}")).expect("a slug"),
                    created_at: time,
                    starts_at: time,
                    ends_at: (number % 2 == 0).then_some(TimeMicros::MAX),
                    config: config(4),
                    anchor: hash,
                }),
                1 => ControlRecord::HuntChanged {
                    hunt,
                    version: ConfigVersion {
                        version: 2,
                        from_round: round.next(),
                        from_time: time,
                        config: config(5),
                    },
                },
                2 => ControlRecord::HuntPaused { hunt },
                3 => ControlRecord::HuntClosed {
                    hunt,
                    closed_at: time,
                },
                4 => ControlRecord::ChainAnchored {
                    hunt,
                    chain: 1,
                    anchor: hash,
                },
                5 => ControlRecord::SeedPublished {
                    hunt,
                    round: RoundNumber::new(number % (at.get() + 1)),
                    seed: hash,
                },
                6 => ControlRecord::BoardsChanged {
                    hunt,
                    boards: BoardDefinition::built_in()[..usize::from(number % 3 == 0)].to_vec(),
                },
                7 => ControlRecord::FlagSet(FlagSet {
                    flag: Flag::BoardsShadow,
                    hunt: (number % 2 == 0).then_some(hunt),
                    board: None,
                    value: (number % 3 > 0).then_some(FlagValue::On(number % 3 == 1)),
                    by: FlagSource::Api,
                    reason: "a trial".to_owned(),
                    set_at: time,
                }),
                _ => ControlRecord::RoundOpened(RoundOpened {
                    hunt,
                    round,
                    config_version: 1,
                    map: hash,
                    commitment: hash,
                    layout: hash,
                    tiles: 4,
                    schedule: RoundSchedule {
                        opens_at: time,
                        closes_at: time.plus_millis(number % 9_000),
                    },
                }),
            };
            if kind == 0 || hunts > 0 {
                catalog.apply(at, &record).expect("a hunt that there is");
                hunts += u32::from(kind == 0);
            }
        }
        catalog
    }

    fn written(catalog: &Catalog) -> Vec<u8> {
        let mut out = SnapshotWriter::new(Vec::new(), MAGIC, 1).expect("memory");
        catalog.write(&mut out).expect("memory");
        out.finish().expect("memory")
    }

    fn read(bytes: &[u8]) -> Result<Catalog, SnapshotError> {
        let mut input = SnapshotReader::new(bytes, MAGIC, 1)?;
        let catalog = Catalog::read(&mut input)?;
        input.finish()?;
        Ok(catalog)
    }

    proptest! {
        #[test]
        fn a_catalog_survives_its_bytes_and_goes_on_alike(
            steps in proptest::collection::vec((0..4_u32, 0..14_u8, any::<u64>()), 0..120),
            cut in 0..120_usize,
            keeps in 0..3_u8,
        ) {
            let empty = || match keeps {
                0 => Catalog::new(),
                1 => Catalog::for_controller(),
                _ => Catalog::for_arbiter(),
            };
            let before = folded(empty(), &steps[..cut.min(steps.len())]);
            let again = read(&written(&before)).expect("own bytes");
            prop_assert_eq!(&again, &before);
            let all = folded(empty(), &steps);
            prop_assert_eq!(folded(again, &steps), all);
        }

        #[test]
        fn values_at_random_are_an_error_and_never_a_panic(
            numbers in proptest::collection::vec(0..300_u64, 0..60),
            bytes: Vec<u8>,
        ) {
            // Behind good checksums, so that it is the values that are looked at.
            let mut out = SnapshotWriter::new(Vec::new(), MAGIC, 1).expect("memory");
            for &number in &numbers {
                out.number(number % 4).expect("memory");
                out.number(number).expect("memory");
            }
            out.raw(&bytes).expect("memory");
            let stored = out.finish().expect("memory");
            if let Ok(catalog) = read(&stored) {
                // Those from before boards gain what they lack.
                prop_assert!(written(&catalog).len() >= stored.len());
            }
        }
    }

    #[test]
    fn a_catalog_from_before_boards_is_read() {
        let mut out = SnapshotWriter::new(Vec::new(), MAGIC, 1).expect("memory");
        for number in [keeps_number(Keeps::Unpublished), 7, 1] {
            out.number(number).expect("memory");
        }
        let before = folded(Catalog::for_controller(), &[(0, 0, 1)]);
        write_hunt(&before.hunts[0], &mut out).expect("memory");
        let read = read(&out.finish().expect("memory")).expect("an older catalog");
        assert_eq!((read.hunts, read.next), (before.hunts, Sequence::new(7)));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let steps: Vec<_> = (0..16)
            .map(|n| (0, if n == 0 { 0 } else { 8 }, n))
            .collect();
        let stored = written(&folded(Catalog::new(), &steps));
        assert!(read(&stored).is_ok());
        for bit in 0..stored.len() * 8 {
            let mut bytes = stored.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes).is_err(), "bit {bit}");
        }
    }
}
