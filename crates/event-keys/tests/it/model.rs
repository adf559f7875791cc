//! Whatever is written, merged, dropped and reopened, what is found is what was written and is
//! within the horizon.

use std::collections::BTreeMap;

use huntcore_disk::simulated::SimulatedDisk;
use huntcore_engine::Coverage;
use huntcore_event_keys::Asked;
use huntcore_model::TimeMicros;
use proptest::prelude::*;

use crate::support::{HORIZON_MS, fact, is_found, open, span, spans, write};

#[derive(Clone, Debug)]
enum Step {
    /// So many events, so many milliseconds later.
    Write {
        events: u64,
        later_ms: u64,
    },
    Merge,
    Expire,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..260_u64, 0..900_u64).prop_map(|(events, later_ms)| Step::Write { events, later_ms }),
        3 => Just(Step::Merge),
        2 => Just(Step::Expire),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_what_a_map_holds(steps in prop::collection::vec(step(), 1..40)) {
        let disk = SimulatedDisk::default();
        let mut keys = open(&disk);
        let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut next, mut now_ms) = (0, 0);
        for step in steps {
            match step {
                Step::Write { events, later_ms } => {
                    now_ms += later_ms;
                    let before = keys.runs().covers();
                    write(&mut keys, next, next + events, now_ms);
                    prop_assert!(keys.runs().covers() > before);
                    taken.extend((next..next + events).map(|number| (number, now_ms)));
                    next += events;
                }
                Step::Merge => {
                    let before = keys.runs();
                    while keys.merge(|| true).expect("the disk works") {}
                    prop_assert_eq!(keys.runs().events(), before.events());
                    // Whoever still looks in what there was finds the same.
                    if let Some(&newest) = taken.keys().last() {
                        let asked = Asked { key: fact(newest).key, id_time: None };
                        let (then, now) = (before.get(&asked), keys.runs().get(&asked));
                        prop_assert_eq!(then.expect("open"), now.expect("whole"));
                    }
                }
                Step::Expire => keys.expire(TimeMicros::from_millis(now_ms)),
                Step::Reopen => {
                    keys = open(&disk);
                    prop_assert_eq!(keys.runs().covers(), Coverage::START);
                    prop_assert!(keys.passed_over().is_empty());
                }
            }
        }
        for (&number, &taken_ms) in &taken {
            let is_kept = taken_ms + HORIZON_MS > now_ms;
            prop_assert!(!is_kept || is_found(&keys, number), "{} is gone", number);
        }
        prop_assert!((next..next + 100).all(|number| !is_found(&keys, number)));
        let runs = keys.runs();
        prop_assert!(runs.all().iter().all(|run| run.verify().is_ok()));
    }
}

#[test]
fn a_day_of_buckets_is_merged_into_few_runs_and_dropped_whole() {
    let disk = SimulatedDisk::default();
    let mut keys = open(&disk);
    for bucket in 0..320 {
        // Two horizons of twenty buckets to each eighth.
        let now_ms = bucket * 50;
        write(&mut keys, bucket * 10, bucket * 10 + 10, now_ms);
        while keys.merge(|| true).expect("the disk works") {}
        keys.expire(TimeMicros::from_millis(now_ms));
        let runs = spans(&keys).len();
        assert!(runs <= 16, "{runs} runs after {bucket} buckets");
    }
    // Whole parts go: at most an eighth of the horizon is kept longer.
    let kept = keys.runs().events();
    assert!((1_600..=1_800).contains(&kept), "{kept}");
}

#[test]
fn an_id_that_bears_its_time_asks_only_runs_since_then() {
    let disk = SimulatedDisk::default();
    let mut keys = open(&disk);
    let minute_ms = 60_000;
    write(&mut keys, 0, 100, 10 * minute_ms);
    let pages = |made_ms: u64| {
        let asked: Vec<Asked> = (0..100)
            .map(|number| Asked {
                key: fact(number).key,
                id_time: Some(TimeMicros::from_millis(made_ms)),
            })
            .collect();
        let mut found = Vec::new();
        let pages = keys.runs().look_up(&asked, &mut found).expect("undamaged");
        (pages, found.len())
    };
    // It may have been taken as much before its own time as clocks are ahead.
    assert_eq!(pages(15 * minute_ms), (100, 100));
    assert_eq!(pages(15 * minute_ms + 1), (0, 0));
}

#[test]
fn runs_are_not_merged_across_one_that_is_missing() {
    let disk = SimulatedDisk::default();
    let mut keys = open(&disk);
    for bucket in [0, 1, 2, 4, 5, 6] {
        write(&mut keys, bucket * 10, bucket * 10 + 10, bucket);
    }
    // The part of the horizon that they are of is over.
    write(&mut keys, 70, 80, HORIZON_MS / 2);
    while keys.merge(|| true).expect("the disk works") {}
    assert_eq!(spans(&keys), [(0, 30), (40, 70), (70, 80)]);
    assert_eq!(keys.gaps(vec![span(0, 80, 0)]).len(), 1);
    write(&mut keys, 30, 40, 3);
    while keys.merge(|| true).expect("the disk works") {}
    assert_eq!(spans(&keys), [(0, 70), (70, 80)]);
}
