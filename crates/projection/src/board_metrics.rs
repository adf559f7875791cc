//! What boards take, left out and cost, as Prometheus reads it.

use std::fmt::Write as _;

use huntcore_model::RefreshMode;

use crate::views::Views;

/// Metrics of the boards that these views show, in Prometheus' text format.
///
/// Walks all boards, though not their single entries: for whoever scrapes every few seconds.
#[must_use]
pub fn board_metrics(views: &Views) -> String {
    let view = views.newest();
    let mut page = String::new();
    let meters = &views.work.refreshes;
    head(
        &mut page,
        "huntcore_board_shadow_comparisons_total",
        "counter",
        "Boards made in both refresh modes and compared.",
    );
    line(
        &mut page,
        "huntcore_board_shadow_comparisons_total",
        "",
        meters.compared(),
    );
    head(
        &mut page,
        "huntcore_board_shadow_differences_total",
        "counter",
        "Ranks on which both modes differed; anything but 0 is a fault.",
    );
    line(
        &mut page,
        "huntcore_board_shadow_differences_total",
        "",
        meters.differences(),
    );
    let modes = [
        ("incremental", meters.mode(RefreshMode::Incremental)),
        ("rebuild", meters.mode(RefreshMode::Rebuild)),
    ];
    let name = "huntcore_board_refreshes_total";
    head(&mut page, name, "counter", "Boards brought up to date.");
    for (mode, figures) in &modes {
        line(
            &mut page,
            name,
            &format!("{{mode=\"{mode}\"}}"),
            figures.count,
        );
    }
    let name = "huntcore_board_refresh_seconds_total";
    head(&mut page, name, "counter", "How long that took.");
    for (mode, figures) in &modes {
        let labels = format!("{{mode=\"{mode}\"}}");
        line(&mut page, name, &labels, figures.total.as_secs_f64());
    }
    let counters = view.boards.counters();
    for (name, help, value) in [
        (
            "huntcore_board_late_events_total",
            "Score events that came after their window was final, by board.",
            counters.late_events,
        ),
        (
            "huntcore_board_windows_dropped_total",
            "Final windows that made room for newer ones.",
            counters.windows_dropped,
        ),
        (
            "huntcore_board_windows_expired_total",
            "Final windows that were kept for as long as their board says.",
            counters.windows_expired,
        ),
        (
            "huntcore_board_results_lost_total",
            "Windows dropped before their results were written.",
            counters.results_lost,
        ),
        (
            "huntcore_board_corrections_total",
            "Corrections taken.",
            counters.corrections,
        ),
        (
            "huntcore_board_corrections_missed_total",
            "Voided claims that some board had to leave as they are.",
            counters.corrections_missed,
        ),
        (
            "huntcore_board_records_refused_total",
            "Claims and score events of players over the limit.",
            counters.records_refused,
        ),
    ] {
        head(&mut page, name, "counter", help);
        line(&mut page, name, "", value);
    }
    memory(views, &mut page);
    page
}

fn memory(views: &Views, page: &mut String) {
    let view = views.newest();
    let boards: Vec<_> = view
        .boards
        .memory()
        .filter_map(|memory| {
            let hunt = view.catalog.by_number(memory.hunt)?;
            let labels = format!("{{hunt=\"{}\",board=\"{}\"}}", hunt.id, memory.board);
            Some((labels, memory))
        })
        .collect();
    let name = "huntcore_board_entries";
    head(page, name, "gauge", "Players in all windows of a board.");
    for (labels, memory) in &boards {
        line(page, name, labels, memory.entries);
    }
    let name = "huntcore_board_bytes";
    head(
        page,
        name,
        "gauge",
        "Memory of a board's rankings, without the players' ids.",
    );
    for (labels, memory) in &boards {
        line(page, name, labels, memory.bytes);
    }
}

fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String grows");
}

fn line(page: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    writeln!(page, "{name}{labels} {value}").expect("a String grows");
}
