//! Plans: that they add up, and that they say what cannot be done.

use huntcore_capacity::{
    Bound, Door, GroupName, Machine, Observed, Part, PartWork, Plan, Prices, UnitCosts, Workload,
    sensitivities,
};

fn workload() -> Workload {
    Workload {
        players: 1_000.0,
        attempts_per_s: 2_000.0,
        win_share: 0.05,
        hunts: 1.0,
        tiles: 1_024.0,
        events_per_s: 0.0,
        door: Door::Socket,
        connections: 1_000.0,
        session_s: 1_800.0,
        ticks_per_s: 10.0,
        interest_share: 1.0,
        boards_per_s: 1.0,
        board_entries: 10.0,
        round_s: 1.0,
        busy_hours_per_month: 60.0,
        retention_days: 30.0,
    }
}

const MACHINE: Machine = Machine {
    cores: 8.0,
    memory_gib: 32.0,
    network_gbit_per_s: 10.0,
    utilisation: 0.6,
};

const PRICES: Prices = Prices {
    core: 20.0,
    memory_gib: 3.0,
    storage_gb: 0.1,
    egress_gb: 0.05,
};

fn plan(workload: &Workload) -> Plan {
    workload
        .check()
        .expect("a workload that can be reckoned with");
    Plan::new(workload, &UnitCosts::default(), &MACHINE, &PRICES, 1.0)
}

fn is_about(value: f64, expected: f64) {
    let apart = (value - expected).abs();
    assert!(
        apart <= expected.abs() * 1e-9 + 1e-12,
        "{value}, not {expected}"
    );
}

fn fan_out(plan: &Plan) -> &huntcore_capacity::Item {
    let mut items = plan.items.iter();
    items
        .find(|item| item.part == Part::FanOut.name())
        .expect("it is in every plan")
}

#[test]
fn the_money_is_the_sum_of_its_parts_and_every_part_pays_its_share() {
    let big = Workload {
        players: 10_000.0,
        attempts_per_s: 2_000_000.0,
        connections: 300_000.0,
        ..workload()
    };
    for workload in [workload(), big] {
        let plan = plan(&workload);
        is_about(
            plan.money.total,
            plan.money.machines + plan.money.storage + plan.money.egress,
        );
        let items = || plan.items.iter();
        is_about(
            items().map(|item| item.machines_cost).sum(),
            plan.money.machines,
        );
        is_about(
            items().map(|item| item.egress_cost).sum(),
            plan.money.egress,
        );
        is_about(
            items().map(|item| item.egress_bytes_per_s).sum(),
            plan.egress_bytes_per_s,
        );
        is_about(
            plan.groups.iter().map(|group| group.cost).sum(),
            plan.money.machines,
        );
        let fan_out = fan_out(&plan);
        is_about(
            fan_out.machines_cost + fan_out.egress_cost,
            plan.money.fan_out,
        );
    }
}

#[test]
fn a_small_hunt_takes_one_machine_and_a_large_one_machines_for_its_connections() {
    let small = plan(&workload());
    assert_eq!(small.groups.len(), 1, "{:?}", small.groups);
    assert_eq!(
        (small.groups[0].name, small.groups[0].machines),
        (GroupName::All, 1.0)
    );
    is_about(small.money.machines, 8.0 * 20.0 + 32.0 * 3.0);

    let large = plan(&Workload {
        connections: 300_000.0,
        ..workload()
    });
    let names: Vec<_> = large.groups.iter().map(|group| group.name).collect();
    assert_eq!(names, [GroupName::Node, GroupName::Edges]);
    let edges = &large.groups[1];
    assert!(edges.machines > 2.0 && edges.spare == 1.0, "{edges:?}");
    assert_eq!(large.groups[0].machines, 1.0);
    assert!(
        large.money.fan_out > large.money.total / 2.0,
        "{:?}",
        large.money
    );
}

#[test]
fn the_fan_out_is_reckoned_by_hand_to_the_same_figures() {
    let mut costs = UnitCosts::default();
    costs.broadcast.write_cpu_us = 5.0;
    costs.broadcast.kib_cpu_us = 1.0;
    costs.broadcast.delta_bytes = 100.0;
    costs.broadcast.claim_bytes = 50.0;
    costs.broadcast.round_bytes = 1_000.0;
    costs.broadcast.board_bytes = 500.0;
    costs.broadcast.entry_bytes = 40.0;
    // So many claims that every tick has some: a delta each tick.
    let workload = Workload {
        attempts_per_s: 100_000.0,
        tiles: 50_000.0,
        round_s: 10.0,
        ..workload()
    };
    let plan = Plan::new(&workload, &costs, &MACHINE, &PRICES, 0.0);
    let fan_out = fan_out(&plan);
    // For one socket: ten deltas, 5,000 claims, a board of ten entries, a tenth of a round.
    // There are just as many tiles.
    let bytes = 10.0 * 100.0 + 5_000.0 * 50.0 + (500.0 + 10.0 * 40.0) + 0.1 * 1_000.0;
    is_about(fan_out.per_s, 10.0 * 1_000.0);
    is_about(fan_out.unit_cpu_us, 5.0 + bytes / 10.0 / 1_024.0);
    is_about(fan_out.cores, 10_000.0 * fan_out.unit_cpu_us / 1e6);
    let packets = bytes / 1_448.0;
    is_about(
        fan_out.egress_bytes_per_s,
        1_000.0 * (bytes + packets * 52.0),
    );
    let month = fan_out.egress_bytes_per_s * 60.0 * 3_600.0 / 1e9;
    is_about(fan_out.egress_cost, month * 0.05);
}

#[test]
fn no_more_is_won_than_there_are_tiles_and_a_socket_is_sent_its_own_hunt() {
    let records = |workload: &Workload| {
        let plan = plan(workload);
        let found = plan
            .items
            .iter()
            .find(|item| item.part == Part::Framing.name());
        found.expect("it is in every plan").per_s
    };
    let crowd = Workload {
        attempts_per_s: 1_000_000.0,
        ..workload()
    };
    is_about(records(&crowd), 1_024.0);
    let four = Workload {
        hunts: 4.0,
        ..crowd.clone()
    };
    is_about(records(&four), 4_096.0);
    is_about(
        fan_out(&plan(&four)).egress_bytes_per_s,
        fan_out(&plan(&crowd)).egress_bytes_per_s,
    );
}

#[test]
fn fewer_changes_than_ticks_make_fewer_writes_than_ticks() {
    let quiet = Workload {
        attempts_per_s: 20.0,
        boards_per_s: 0.0,
        round_s: 60.0,
        ..workload()
    };
    // One claim a second by chance, in ten ticks a second: a little less than one tick a second
    // has any.
    let plan = plan(&quiet);
    is_about(
        fan_out(&plan).per_s,
        1_000.0 * 10.0 * (1.0 - (-0.1_f64).exp()),
    );
}

#[test]
fn what_this_version_cannot_do_is_said() {
    assert_eq!(plan(&workload()).limits, []);
    let too_much = plan(&Workload {
        attempts_per_s: 60_000_000.0,
        win_share: 0.5,
        hunts: 30_000.0,
        door: Door::Stream,
        connections: 0.0,
        ..workload()
    });
    let components: Vec<_> = too_much
        .limits
        .iter()
        .map(|limit| limit.component)
        .collect();
    assert_eq!(components, ["arbiter", "boards"], "{:?}", too_much.limits);
    assert!(too_much.shards > 10.0, "{}", too_much.shards);
    assert!(
        too_much
            .groups
            .iter()
            .all(|group| group.machines.is_finite())
    );
}

#[test]
fn memory_and_network_bind_where_they_are_scarce() {
    let watching = Workload {
        attempts_per_s: 0.0,
        boards_per_s: 0.0,
        round_s: 600.0,
        connections: 3_000_000.0,
        session_s: 86_400.0,
        ..workload()
    };
    let edges = |machine: &Machine| {
        let plan = Plan::new(&watching, &UnitCosts::default(), machine, &PRICES, 0.0);
        plan.groups.last().expect("there is one").bound
    };
    assert_eq!(
        edges(&Machine {
            memory_gib: 4.0,
            ..MACHINE
        }),
        Bound::Memory
    );
    let slow = Machine {
        network_gbit_per_s: 0.001,
        memory_gib: 1_024.0,
        ..MACHINE
    };
    assert_eq!(edges(&slow), Bound::Network);
}

#[test]
fn sensitivities_begin_with_what_matters_most() {
    let large = Workload {
        connections: 300_000.0,
        ..workload()
    };
    let rows = sensitivities(&large, &UnitCosts::default(), &MACHINE, &PRICES, 1.0);
    assert!(rows.is_sorted_by(|a, b| a.share.abs() >= b.share.abs()));
    let of = |change: &str| rows.iter().find(|row| row.change == change).expect("a row");
    assert!(of("twice the connections").share > 0.8);
    assert!(of("twice the attempts").share < of("twice the connections").share);
    assert!(of("unit costs half as high").total <= of("unit costs half as high again").total);
    assert!(of("a tenth of the interest").share <= 0.0);
}

#[test]
fn figures_that_nothing_can_be_reckoned_with_are_refused_by_name() {
    let refused = |workload: Workload| workload.check().expect_err("it is refused").to_string();
    assert_eq!(
        refused(Workload {
            win_share: 1.5,
            ..workload()
        }),
        "win-share is 1.5, and has to be from 0 to 1"
    );
    assert!(
        refused(Workload {
            connections: f64::NAN,
            ..workload()
        })
        .starts_with("connections")
    );
    assert!(
        refused(Workload {
            round_s: 0.0,
            ..workload()
        })
        .starts_with("round-s")
    );
    assert!(
        refused(Workload {
            busy_hours_per_month: 731.0,
            ..workload()
        })
        .starts_with("busy")
    );
    let mut costs = UnitCosts::default();
    assert_eq!(costs.check(), Ok(()));
    costs.boards.record_cpu_us = -1.0;
    let refused = costs.check().expect_err("below nothing").to_string();
    assert!(
        refused.starts_with("boards.record_cpu_us is -1"),
        "{refused}"
    );
}

#[test]
fn what_a_server_was_seen_to_do_replaces_the_costs_that_were_known_before() {
    let work = |cpu_s, messages, bytes| PartWork {
        cpu_s,
        messages,
        bytes,
    };
    let before = UnitCosts::default();
    let observed = Observed {
        parts: vec![
            (Part::Sockets, work(2.0, 100_000.0, 0.0)),
            (Part::Deciding, work(0.09, 100_000.0, 0.0)),
            (Part::Control, work(0.01, 0.0, 0.0)),
            (Part::FanOut, work(7.0, 1_000_000.0, 2_048_000_000.0)),
            // Too few to say what one costs.
            (Part::Ranking, work(5.0, 999.0, 0.0)),
        ],
        batches: 0.0,
        win_share: 0.25,
    };
    let after = observed.costs(&before);
    is_about(after.costs.edge.socket_claim_cpu_us, 20.0);
    let arbiter = &after.costs.arbiter;
    is_about(arbiter.attempt_cpu_us + 0.25 * arbiter.won_cpu_us, 1.0);
    is_about(
        arbiter.won_cpu_us / arbiter.attempt_cpu_us,
        before.arbiter.won_cpu_us / before.arbiter.attempt_cpu_us,
    );
    let broadcast = &after.costs.broadcast;
    is_about(broadcast.write_cpu_us + 2.0 * broadcast.kib_cpu_us, 7.0);
    assert_eq!(after.costs.boards, before.boards);
    assert_eq!(
        after.kept,
        [
            "log.batch_cpu_us",
            "edge.http_claim_cpu_us",
            "log.record_cpu_us",
            "boards.record_cpu_us",
            "broadcast.record_cpu_us",
        ]
    );
}

#[test]
fn small_batches_tell_what_a_batch_costs_and_large_ones_what_is_in_them() {
    let before = UnitCosts::default();
    let observed = |cpu_s, messages, batches| {
        let work = PartWork {
            cpu_s,
            messages,
            bytes: 0.0,
        };
        let parts = [Part::Deciding, Part::Writing, Part::Ranking, Part::Framing];
        let observed = Observed {
            parts: parts.map(|part| (part, work)).into(),
            batches,
            win_share: 1.0,
        };
        observed.costs(&before)
    };
    let arbiter = &before.arbiter;
    let known = arbiter.attempt_cpu_us
        + arbiter.won_cpu_us
        + before.log.record_cpu_us
        + before.boards.record_cpu_us
        + before.broadcast.record_cpu_us;
    // Two messages in each batch, and 1,000 µs for both.
    let small = observed(0.5, 4_000.0, 2_000.0);
    is_about(small.costs.log.batch_cpu_us, 1_000.0 - 2.0 * known);
    assert_eq!(small.costs.boards, before.boards);
    // A thousand messages in each batch: what batches are known to cost is no message's.
    let large = observed(0.5, 1_000_000.0, 1_000.0);
    assert_eq!(large.costs.log.batch_cpu_us, before.log.batch_cpu_us);
    let left = 0.5 * (1.0 - 1_000.0 * before.log.batch_cpu_us / 2e6);
    is_about(large.costs.boards.record_cpu_us, left);
    is_about(large.costs.log.record_cpu_us, left);
}
