//! A plan as people read it: Markdown, so that it can go into a document as it is.

use huntcore_capacity::{Bound, Door, GroupName};

use super::Planned;

/// The whole plan.
pub(super) fn render(planned: &Planned) -> String {
    let mut text = String::new();
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text += &format!("## {title}\n\n{}\n\n", body.trim_end());
        }
    };
    section("Money a month", money(planned));
    section("Machines", machines(planned));
    section("Components", components(planned));
    section("What this version cannot do", limits(planned));
    section("If one thing were different", sensitivities(planned));
    section("Assumptions", list(assumptions(planned)));
    text.trim_end().to_owned()
}

fn money(planned: &Planned) -> String {
    let money = &planned.plan.money;
    let share = |part: f64| match money.total > 0.0 {
        true => format!("{:.0} %", part / money.total * 100.0),
        false => String::new(),
    };
    let row = |what: &str, part: f64| vec![what.to_owned(), price(planned, part), share(part)];
    let rows = [
        row("machines", money.machines),
        row("disk for the log", money.storage),
        row("traffic that leaves the data centre", money.egress),
        row("**all of it**", money.total),
        row("of that, the fan-out", money.fan_out),
    ];
    table(&["what", "money", "share"], &rows)
}

fn machines(planned: &Planned) -> String {
    let rows = planned.plan.groups.iter().map(|group| {
        vec![
            match group.name {
                GroupName::All => "everything in one process",
                GroupName::Node => "the node: decides, stores, ranks",
                GroupName::Edges => "edges: hold the connections",
            }
            .to_owned(),
            number(group.machines),
            number(group.spare),
            match group.bound {
                Bound::Cores => "cores",
                Bound::Memory => "memory",
                Bound::Network => "network",
            }
            .to_owned(),
            format!("{:.2}", group.cores),
            memory(group.memory_bytes),
            price(planned, group.cost),
        ]
    });
    let header = [
        "machines for",
        "count",
        "spare",
        "bound by",
        "busy cores",
        "memory",
        "money",
    ];
    let table = table(&header, &rows.collect::<Vec<_>>());
    format!(
        "{table}\nShards to set before the first start: {}.\n",
        number(planned.plan.shards)
    )
}

fn components(planned: &Planned) -> String {
    // What costs nothing is not there.
    let items = planned.plan.items.iter().filter(|item| item.cores > 0.0);
    let rows = items.map(|item| {
        vec![
            item.component.to_owned(),
            item.part.to_owned(),
            item.what.to_owned(),
            number(item.per_s),
            format!("{:.2}", item.unit_cpu_us),
            format!("{:.3}", item.cores),
            memory(item.memory_bytes),
            if item.egress_bytes_per_s > 0.0 {
                rate(item.egress_bytes_per_s)
            } else {
                String::new()
            },
            price(planned, item.machines_cost),
            price(planned, item.egress_cost),
        ]
    });
    let header = [
        "component",
        "part",
        "of what",
        "a second",
        "CPU µs each",
        "cores",
        "memory",
        "sent",
        "money for machines",
        "money for traffic",
    ];
    table(&header, &rows.collect::<Vec<_>>())
}

fn limits(planned: &Planned) -> String {
    let limits = planned.plan.limits.iter();
    list(
        limits
            .map(|limit| format!("**{}**: {}.", limit.component, limit.what))
            .collect(),
    )
}

fn sensitivities(planned: &Planned) -> String {
    let rows = planned.sensitivities.iter().map(|row| {
        vec![
            row.change.to_owned(),
            number(row.machines),
            price(planned, row.total),
            format!("{:+.0} %", row.share * 100.0),
        ]
    });
    table(
        &["change", "machines", "money a month", "difference"],
        &rows.collect::<Vec<_>>(),
    )
}

/// Everything that the plan takes for granted, in words.
pub(super) fn assumptions(planned: &Planned) -> Vec<String> {
    let (workload, machine, prices) = (&planned.workload, &planned.machine, &planned.prices);
    let sign = &planned.currency;
    let door = match workload.door {
        Door::Http => "one HTTP request for each",
        Door::Socket => "one message on a live socket for each",
        Door::Stream => "game servers' streams, whose answers stay within the data centre",
    };
    let mut all = vec![
        format!(
            "At the peak {} players make {} attempts a second, of which {} win, but no more than \
             the {} tiles of a round of {} s in {} hunts; claims come in by {door}. {} score events a \
             second.",
            number(workload.players),
            number(workload.attempts_per_s),
            percent(workload.win_share),
            number(workload.tiles),
            number(workload.round_s),
            number(workload.hunts),
            number(workload.events_per_s)
        ),
        format!(
            "{} live sockets, each open for {} s and subscribed to {} of all changes; {} ticks a \
             second, one write to a socket in each that brings it anything; {} boards a second of \
             {} entries. JSON, without compression.",
            number(workload.connections),
            number(workload.session_s),
            percent(workload.interest_share),
            number(workload.ticks_per_s),
            number(workload.boards_per_s),
            number(workload.board_entries)
        ),
        format!(
            "It is as busy as that for {} hours of a month, and machines are paid for all of it; \
             the log is kept for {} days.",
            number(workload.busy_hours_per_month),
            number(workload.retention_days)
        ),
        format!(
            "A machine has {} cores, {} GiB and {} Gbit/s, of which {} may be used; {} spare for \
             the connections. One machine does everything while that fits.",
            number(machine.cores),
            number(machine.memory_gib),
            number(machine.network_gbit_per_s),
            percent(machine.utilisation),
            number(planned.spare)
        ),
        format!(
            "Prices: {sign}{} for a core and {sign}{} for a GiB of memory a month, {sign}{} for a \
             GB of disk a month, {sign}{} for a GB that leaves the data centre, TCP's and IP's \
             headers included. Balancers, people and copies elsewhere are not counted.",
            prices.core, prices.memory_gib, prices.storage_gb, prices.egress_gb
        ),
        format!("Unit costs were measured on: {}.", planned.costs.machine),
    ];
    let measured = planned.costs.measured_with.iter();
    all.extend(measured.map(|command| format!("Measured with: `{command}`")));
    all
}

/// A Markdown table; the first column and whatever is no number are aligned to the left.
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let is_number = |text: &str| {
        let first = text.trim_start_matches(['+', '-', '*']).chars().next();
        text.is_empty()
            || text.contains(|c: char| c.is_ascii_digit())
                && !first.is_some_and(char::is_alphabetic)
    };
    let aligned_right: Vec<bool> = (0..header.len())
        .map(|column| column > 0 && rows.iter().all(|row| is_number(&row[column])))
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells
                .chain([header[column].chars().count(), 3])
                .max()
                .unwrap_or(3)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let padded = cells
            .enumerate()
            .map(|(column, cell)| match aligned_right[column] {
                true => format!(" {cell:>width$} |", width = widths[column]),
                false => format!(" {cell:<width$} |", width = widths[column]),
            });
        format!("|{}\n", padded.collect::<String>())
    };
    let mut text = line(&mut header.iter().map(ToString::to_string));
    let rule = widths
        .iter()
        .zip(&aligned_right)
        .map(|(&width, &right)| match right {
            true => format!(" {}: |", "-".repeat(width - 1)),
            false => format!(" {} |", "-".repeat(width)),
        });
    text += &format!("|{}\n", rule.collect::<String>());
    for row in rows {
        text += &line(&mut row.iter().cloned());
    }
    text
}

fn list(lines: Vec<String>) -> String {
    lines
        .into_iter()
        .map(|line| format!("- {line}\n"))
        .collect()
}

fn price(planned: &Planned, money: f64) -> String {
    format!("{}{}", planned.currency, number(money))
}

fn percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

fn memory(bytes: f64) -> String {
    let units = [
        ("GiB", 1_073_741_824.0),
        ("MiB", 1_048_576.0),
        ("KiB", 1_024.0),
    ];
    let unit = units.iter().find(|(_, size)| bytes >= *size);
    unit.map_or_else(String::new, |(name, size)| {
        format!("{:.1} {name}", bytes / size)
    })
}

fn rate(bytes_per_s: f64) -> String {
    const UNITS: [&str; 4] = ["B/s", "kB/s", "MB/s", "GB/s"];
    let mut value = bytes_per_s;
    let mut unit = 0;
    while value >= 1_000.0 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1,234,567`, and as many places after the point as matter.
fn number(value: f64) -> String {
    let places = match value.abs() {
        small if small < 10.0 && small.fract() != 0.0 => 2,
        small if small < 100.0 && small.fract() != 0.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut shown = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    let rest = rest.trim_end_matches('0');
    if !rest.is_empty() {
        shown.push('.');
        shown.push_str(rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_places_as_matter() {
        let shown = [0.0, 0.05, 1.5, 7.0, 12.34, 999.6, 2_000_000.0, -1_234.0].map(number);
        assert_eq!(
            shown,
            [
                "0",
                "0.05",
                "1.5",
                "7",
                "12.3",
                "1,000",
                "2,000,000",
                "-1,234"
            ]
        );
        assert_eq!(
            [999.0, 1_500.0, 2.5e9, 3e12].map(rate),
            ["999.0 B/s", "1.5 kB/s", "2.5 GB/s", "3000.0 GB/s"]
        );
    }

    #[test]
    fn a_table_is_markdown_whose_columns_of_numbers_stand_to_the_right() {
        let rows = [
            vec!["machines".to_owned(), "$96".to_owned()],
            vec!["disk".to_owned(), "$1,024".to_owned()],
        ];
        assert_eq!(
            table(&["what", "money"], &rows),
            "| what     |  money |\n| -------- | -----: |\n| machines |    $96 |\n| disk     | $1,024 |\n"
        );
    }
}
