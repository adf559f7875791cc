//! The contract, and what is the memory log's own.

use std::sync::{Arc, Mutex};

use huntcore_log::suite::history::{Step, run};
use huntcore_log::suite::{Fixture, Owner};
use huntcore_log::{CommitResult, Log, MemoryLog, Ticket};
use huntcore_model::{Epoch, Nonce, Sequence, ShardId};
use proptest::prelude::*;

use crate::fixture::MemoryFixture;

mod contract {
    huntcore_log::contract_suite!(crate::fixture::MemoryFixture::new());
}

#[test]
fn under_manual_delivery_nothing_happens_before_it_is_pumped() {
    let log = MemoryLog::manual();
    let mut one = Owner::next(&log, ShardId::new(1));
    let mut two = Owner::next(&log, ShardId::new(2));
    for _ in 0..2 {
        let batch = one.batch(1, 0);
        one.submit(&batch).expect("room");
    }
    let batch = two.batch(1, 0);
    two.submit(&batch).expect("room");
    assert_eq!(
        (one.try_wait(), two.try_wait(), log.waiting()),
        (None, None, 3)
    );
    assert_eq!(log.pump_stream(ShardId::new(2), 9), 1);
    assert_eq!(two.wait().ticket, Ticket(0));
    assert_eq!((log.pump(1), log.waiting()), (1, 1));
    assert_eq!(one.wait().ticket, Ticket(0));
    assert_eq!(one.try_wait(), None);
    assert_eq!(log.pump(9), 1);
    assert_eq!(one.wait().ticket, Ticket(1));
}

#[test]
fn a_sink_may_submit_to_another_stream() {
    let log = Arc::new(MemoryLog::default());
    let other = Arc::new(Mutex::new(Owner::next(&*log, ShardId::new(1))));
    let target = other.clone();
    let mut acquired = log
        .acquire(
            ShardId::new(0),
            Epoch::new(1),
            Nonce([0; 16]),
            Box::new(move |_| {
                let mut target = target.lock().expect("not poisoned");
                let batch = target.batch(1, 0);
                target.submit(&batch).expect("room");
            }),
        )
        .expect("a first term");
    let batch = {
        let mut builder = huntcore_model::BatchBuilder::new();
        builder.push(&huntcore_model::Record::Time);
        let shard = ShardId::new(0);
        let time = acquired.tail.time;
        builder.finish(shard, Epoch::new(1), &acquired.tail, time, Sequence::ZERO)
    };
    acquired.writer.submit(acquired.tail, &batch).expect("room");
    let completion = other.lock().expect("not poisoned").wait();
    assert!(matches!(completion.result, CommitResult::Committed { .. }));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..4_u8, 0..600_u16).prop_map(|(records, filler)| Step::Submit { records, filler }),
        2 => Just(Step::Hold),
        2 => Just(Step::Wait),
        1 => Just(Step::Acquire),
        1 => (0..=1_000_u16).prop_map(|permille| Step::Trim { permille }),
        1 => Just(Step::Read),
        1 => Just(Step::Reopen),
        2 => any::<u64>().prop_map(|choice| Step::Crash { choice }),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn any_history_keeps_what_was_acknowledged(steps in steps()) {
        let mut fixture = MemoryFixture::new();
        run(&mut fixture as &mut dyn Fixture, &steps);
    }
}
