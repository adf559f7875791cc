//! An honest hunt passes the fairness check; every single dishonesty is found and named.

use std::sync::{Arc, LazyLock};

use huntcore_map::{
    Area, Cell, FAULTS_MAX, FairnessFault, FairnessKey, MapConfig, PublishedConfig, PublishedHunt,
    PublishedRound, PublishedTile, RoundFact, RoundMap, SeedChain, SeedPlace, ValueTable,
    verify_hunt,
};
use huntcore_model::{Hash32, HuntId, RoundNumber, ValueWeight};
use serde_json::json;

const LIE: Hash32 = Hash32::new([0xee; 32]);

fn hunt() -> HuntId {
    HuntId::new("park").expect("a slug")
}

fn round(number: u64) -> RoundNumber {
    RoundNumber::new(number)
}

/// Chains take a while to compute in a debug build.
fn chains() -> &'static [SeedChain; 2] {
    static CHAINS: LazyLock<[SeedChain; 2]> = LazyLock::new(|| {
        let key = FairnessKey::new([7; 32]);
        [0, 1].map(|number| SeedChain::derive(&key, &hunt(), number))
    });
    &CHAINS
}

/// Rounds 1 to 3 by configuration 1, then by configuration 2 round 10, still open, and
/// rounds of both chains.
fn honest() -> PublishedHunt {
    let ring = [
        [7.0, 46.0],
        [7.02, 46.0],
        [7.02, 46.02],
        [7.0, 46.02],
        [7.0, 46.0],
    ];
    let area = Area::from_value(&json!({"type": "Polygon", "coordinates": [ring]}));
    let cells = Arc::new(area.expect("good").cells(10).expect("cells"));
    let coin = [(10, 1), (20, 1)].map(|(points, weight)| ValueWeight { points, weight });
    let tables = [
        ValueTable::default(),
        ValueTable::new(coin.to_vec()).expect("good"),
    ];
    let configs: Vec<PublishedConfig> = [(1, 1, 40), (2, 4, 20)]
        .into_iter()
        .zip(tables)
        .map(|((version, from_round, tiles), values)| {
            let config = MapConfig::new(version, Arc::clone(&cells), tiles, values).expect("good");
            PublishedConfig {
                from_round: round(from_round),
                cells_hash: cells.hash(),
                config_hash: config.hash(),
                config,
            }
        })
        .collect();
    let published = [1, 2, 3, 10, 65_536, 65_537, 65_600];
    let rounds = published
        .map(|number| {
            let config = &configs[usize::from(number >= 4)].config;
            let place = SeedPlace::of(round(number)).expect("a round");
            let chain = &chains()[usize::try_from(place.chain).expect("0 or 1")];
            let seed = chain.seed(round(number)).expect("covered");
            let map = RoundMap::generate(&hunt(), round(number), config, &seed);
            let tiles = map.tiles().iter();
            PublishedRound {
                round: round(number),
                config_version: config.version(),
                commitment: seed.commitment(round(number)),
                layout: seed.layout(),
                map: map.name(),
                seed: (number != 10).then(|| seed.reveal()),
                tiles: Some(
                    tiles
                        .map(|tile| PublishedTile {
                            cell: tile.cell,
                            points: Some(tile.points),
                        })
                        .collect(),
                ),
            }
        })
        .to_vec();
    PublishedHunt {
        hunt: hunt(),
        anchors: chains()
            .iter()
            .map(|chain| (chain.number(), chain.anchor()))
            .collect(),
        configs,
        rounds,
    }
}

fn tiles(round: &mut PublishedRound) -> &mut Vec<PublishedTile> {
    round.tiles.as_mut().expect("published")
}

/// The faults found after `lie` has been told.
fn faults(lie: impl FnOnce(&mut PublishedHunt)) -> Vec<FairnessFault> {
    let mut published = honest();
    lie(&mut published);
    let report = verify_hunt(&published);
    assert_eq!(report.faults_total, report.faults.len() as u64);
    assert_eq!(report.is_fair(), report.faults.is_empty());
    report.faults
}

#[test]
fn an_honest_hunt_passes() {
    let mut published = honest();
    published.rounds.reverse();
    let report = verify_hunt(&published);
    assert_eq!(report.faults, []);
    assert!(report.is_fair());
    assert_eq!(
        (report.rounds, report.seeds_verified, report.seeds_pending),
        (7, 6, 1)
    );
    assert_eq!(
        (report.maps_verified, report.tiles_compared),
        (6, 3 * 40 + 4 * 20)
    );
}

#[test]
fn a_hunt_that_hides_values_or_whose_maps_were_not_fetched_passes_too() {
    let found = faults(|hunt| {
        for tile in tiles(&mut hunt.rounds[3]) {
            tile.points = None;
        }
        hunt.rounds[0].tiles = None;
    });
    assert_eq!(found, []);
}

#[test]
fn seeing_a_round_twice_is_fine_unless_it_has_changed() {
    let before = |hunt: &PublishedHunt, index: usize| {
        let mut seen = hunt.rounds[index].clone();
        (seen.seed, seen.tiles) = (None, None);
        seen
    };
    assert_eq!(faults(|hunt| hunt.rounds.push(before(hunt, 1))), []);
    let commitment = honest().rounds[1].commitment;
    let found = faults(|hunt| {
        let mut seen = before(hunt, 1);
        seen.commitment = LIE;
        hunt.rounds.push(seen);
    });
    let changed = FairnessFault::Changed {
        round: round(2),
        fact: RoundFact::Commitment,
        first: commitment,
        second: LIE,
    };
    assert_eq!(found, [changed]);
}

#[test]
fn a_seed_that_is_not_of_the_chain_is_found() {
    let found = faults(|hunt| hunt.rounds[2].seed = Some(LIE));
    let FairnessFault::SeedNotInChain {
        round: at,
        steps,
        expected,
        ..
    } = &found[0]
    else {
        panic!("{found:?}")
    };
    let second = chains()[0].seed(round(2)).expect("covered");
    assert_eq!((*at, *steps, *expected), (round(3), 1, second.reveal()));
    // Nor does anything else of the round follow from it, and later rounds are still right.
    assert!(found.iter().any(|fault| matches!(
        fault,
        FairnessFault::NotBySeed {
            fact: RoundFact::Commitment,
            ..
        }
    )));
    assert!(
        found
            .iter()
            .all(|fault| !fault.to_string().contains("round 65536")),
        "{found:?}"
    );

    // Two seeds of one round: whichever comes first, the wrong one is named.
    let found = faults(|hunt| {
        let mut other = hunt.rounds[0].clone();
        other.seed = Some(LIE);
        hunt.rounds.push(other);
    });
    assert!(
        matches!(found[..], [FairnessFault::SeedNotInChain { round: at, .. }] if at == round(1)),
        "{found:?}"
    );
}

#[test]
fn another_anchor_or_none_is_found() {
    let found = faults(|hunt| {
        hunt.anchors.insert(1, LIE);
    });
    assert!(
        matches!(
            found[..],
            [
                FairnessFault::SeedNotInChain {
                    steps: 1,
                    expected: LIE,
                    ..
                },
                FairnessFault::SeedNotInChain {
                    steps: 64,
                    expected: LIE,
                    ..
                },
            ]
        ),
        "{found:?}"
    );
    let found = faults(|hunt| {
        hunt.anchors.remove(&1);
    });
    let missing = |number| FairnessFault::AnchorMissing {
        round: round(number),
        chain: 1,
    };
    assert_eq!(found, [missing(65_537), missing(65_600)]);
}

#[test]
fn whatever_does_not_follow_from_the_seed_is_found() {
    type Lie = fn(&mut PublishedRound);
    let lies: [(RoundFact, Lie); 3] = [
        (RoundFact::Commitment, |seen| seen.commitment = LIE),
        (RoundFact::Layout, |seen| seen.layout = LIE),
        (RoundFact::Map, |seen| seen.map = LIE),
    ];
    for (expected_fact, lie) in lies {
        let found = faults(|hunt| lie(&mut hunt.rounds[1]));
        let [
            FairnessFault::NotBySeed {
                round: at,
                fact,
                found: LIE,
                ..
            },
        ] = found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!((at, fact), (round(2), expected_fact));
    }
}

#[test]
fn an_altered_map_is_found() {
    let elsewhere = honest().configs[0].config.cells().as_slice()[0];
    let first = honest().rounds[0].tiles.clone().expect("published")[0];
    let found = faults(|hunt| {
        tiles(&mut hunt.rounds[0])[0] = PublishedTile {
            cell: elsewhere,
            points: Some(9),
        };
    });
    assert_eq!(
        found,
        [
            FairnessFault::TileCell {
                round: round(1),
                tile: 0,
                expected: first.cell,
                found: elsewhere
            },
            FairnessFault::TilePoints {
                round: round(1),
                tile: 0,
                expected: first.points.expect("shown"),
                found: 9
            },
        ]
    );
    let found = faults(|hunt| tiles(&mut hunt.rounds[0]).truncate(39));
    let count = FairnessFault::TileCount {
        round: round(1),
        expected: 40,
        found: 39,
    };
    assert_eq!(found, [count]);
}

#[test]
fn an_open_round_is_checked_as_far_as_it_goes() {
    let found = faults(|hunt| tiles(&mut hunt.rounds[3])[7].points = Some(11));
    assert!(
        matches!(found[..], [FairnessFault::NotByTiles { round: at, .. }] if at == round(10)),
        "{found:?}"
    );
    let found = faults(|hunt| hunt.rounds[3].layout = LIE);
    let wrong = |fault: &FairnessFault| matches!(fault, FairnessFault::TileCell { .. });
    assert!(found.len() > 10 && found.iter().all(wrong), "{found:?}");
}

#[test]
fn another_configuration_is_found() {
    let found = faults(|hunt| hunt.configs[0].cells_hash = LIE);
    assert!(
        matches!(
            found[..],
            [FairnessFault::CellsHash {
                version: 1,
                found: LIE,
                ..
            }]
        ),
        "{found:?}"
    );
    let found = faults(|hunt| hunt.configs[1].config_hash = LIE);
    assert!(
        matches!(
            found[..],
            [FairnessFault::ConfigHash {
                version: 2,
                found: LIE,
                ..
            }]
        ),
        "{found:?}"
    );
    let found = faults(|hunt| hunt.rounds[1].config_version = 2);
    let other = FairnessFault::ConfigNotInForce {
        round: round(2),
        expected: Some(1),
        found: 2,
    };
    assert_eq!(found, [other]);
    let found = faults(|hunt| hunt.configs.clear());
    assert_eq!(found.len(), 7);
    assert!(
        matches!(
            found[0],
            FairnessFault::ConfigNotInForce {
                expected: None,
                found: 1,
                ..
            }
        ),
        "{found:?}"
    );
}

#[test]
fn a_round_that_cannot_be_is_found() {
    for number in [0, u64::MAX] {
        let found = faults(|hunt| hunt.rounds[0].round = round(number));
        assert_eq!(
            found,
            [FairnessFault::NoSuchRound {
                round: round(number)
            }]
        );
    }
}

#[test]
fn a_report_is_bounded_and_can_be_read_by_machines() {
    let mut published = honest();
    let elsewhere = Cell::new(0x08c1_f1d4_8ad2_59ff).expect("a cell");
    for seen in &mut published.rounds {
        for tile in tiles(seen) {
            *tile = PublishedTile {
                cell: elsewhere,
                points: Some(1_000_000),
            };
        }
    }
    for _ in 0..5 {
        let again = published.rounds.clone();
        published.rounds.extend(again.into_iter().take(3));
    }
    let report = verify_hunt(&published);
    assert!(
        report.faults_total > FAULTS_MAX as u64,
        "{}",
        report.faults_total
    );
    assert_eq!(report.faults.len(), FAULTS_MAX);
    let fault = serde_json::to_value(&report).expect("plain data")["faults"][0].clone();
    assert_eq!(fault["fault"], "tile-cell");
    assert_eq!(fault["round"], 1);
    assert_eq!(fault["found"], "8c1f1d48ad259ff");
}
