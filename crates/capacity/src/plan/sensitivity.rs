//! What a plan's money hangs on.

use serde::Serialize;

use super::costs::UnitCosts;
use super::machines::{Machine, Prices};
use super::reckoning::Plan;
use super::workload::Workload;

/// What the money would be if one thing were different.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// What would be different.
    pub change: &'static str,
    /// Machines, then.
    pub machines: f64,
    /// The money for a month, then.
    pub total: f64,
    /// By what share that is more than planned, or less.
    pub share: f64,
}

/// Changes one thing at a time, those that the money hangs on most first.
#[must_use]
pub fn sensitivities(
    workload: &Workload,
    costs: &UnitCosts,
    machine: &Machine,
    prices: &Prices,
    spare: f64,
) -> Vec<Sensitivity> {
    let planned = Plan::new(workload, costs, machine, prices, spare)
        .money
        .total;
    let plan = |change, workload: &Workload, costs: &UnitCosts, machine: &Machine| {
        let plan = Plan::new(workload, costs, machine, prices, spare);
        let total = plan.money.total;
        Sensitivity {
            change,
            machines: plan.groups.iter().map(|group| group.machines).sum(),
            total,
            share: if planned > 0.0 {
                total / planned - 1.0
            } else {
                0.0
            },
        }
    };
    let differs = |change, differ: &dyn Fn(&mut Workload)| {
        let mut other = workload.clone();
        differ(&mut other);
        plan(change, &other, costs, machine)
    };
    let mut rows = vec![
        differs("twice the attempts", &|other| other.attempts_per_s *= 2.0),
        differs("twice the connections", &|other| other.connections *= 2.0),
        differs("twice the share that wins", &|other| {
            other.win_share = (other.win_share * 2.0).min(1.0);
        }),
        differs("half the ticks", &|other| {
            other.ticks_per_s /= 2.0;
            other.boards_per_s = other.boards_per_s.min(other.ticks_per_s);
        }),
        differs("boards a tenth as often", &|other| {
            other.boards_per_s /= 10.0;
        }),
        differs("a tenth of the interest", &|other| {
            other.interest_share /= 10.0;
        }),
        plan(
            "unit costs half as high again",
            workload,
            &costs.times(1.5),
            machine,
        ),
        plan(
            "unit costs half as high",
            workload,
            &costs.times(0.5),
            machine,
        ),
    ];
    rows.sort_by(|a, b| b.share.abs().total_cmp(&a.share.abs()));
    rows
}
