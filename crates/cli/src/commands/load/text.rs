//! A load's report for the terminal.

use huntcore_bench::{Quantiles, ScoresReport};

use crate::show;

pub(super) fn render(shape: &str, report: &ScoresReport) -> String {
    let mut parts = vec![format!(
        "{shape} for {:.1} s, its time shortened {}-fold, its rates times {}",
        report.seconds, report.compress, report.scale
    )];
    parts.push(events(report));
    parts.push(times(report));
    parts.push(boards(report));
    parts.push(musts(report));
    let blinks = report.boards.iter().flat_map(|board| {
        let of = |blink| format!("{} ({}): {blink}", board.board, board.by);
        board.report.blinks.iter().map(of)
    });
    let wrong: Vec<String> = blinks.chain(report.phantoms.iter().cloned()).collect();
    if !wrong.is_empty() {
        let lines: Vec<String> = wrong.iter().map(|text| show::foreign(text)).collect();
        parts.push(lines.join("\n"));
    }
    parts.join("\n\n")
}

fn events(report: &ScoresReport) -> String {
    let events = &report.events;
    let counts = [
        ("in requests", events.requests),
        ("different", events.different),
        ("sent again by the shape", events.again),
        ("repeated for want of an answer", events.repeated),
        ("acknowledged", events.acknowledged),
        ("told accepted", events.accepted),
        ("told duplicate", events.duplicates),
        ("unanswered", events.unanswered),
    ];
    let mut rows: Vec<[String; 2]> = counts
        .map(|(what, count)| [what.to_owned(), show::count(count)])
        .into();
    for (reason, count) in &events.refused {
        rows.push([format!("refused: {reason}"), show::count(*count)]);
    }
    rows.push([
        "acknowledged a second".to_owned(),
        format!("{:.0}", events.acknowledged_per_s),
    ]);
    show::table(["events", "count"], |column| column == 1, rows)
}

fn times(report: &ScoresReport) -> String {
    let row = |what: &str, times: &Quantiles| {
        let Quantiles {
            p50,
            p90,
            p99,
            p999,
            max,
        } = *times;
        let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(|ms| format!("{ms:.2}"));
        [what.to_owned(), p50, p90, p99, p999, max]
    };
    let rows = [
        row("due → acknowledged", &report.acknowledged_ms),
        row("acknowledged → on the board", &report.visible_ms),
    ];
    let header = ["milliseconds", "p50", "p90", "p99", "p99.9", "max"];
    show::table(header, |column| column > 0, rows)
}

fn boards(report: &ScoresReport) -> String {
    let rows = report.boards.iter().map(|board| {
        let seen = &board.report;
        [
            board.board.clone(),
            board.by.to_owned(),
            show::count(seen.pages),
            show::count(seen.versions),
            show::count(seen.windows),
            show::count(board.losses),
            show::count(seen.blinks_total),
        ]
    });
    let header = [
        "board", "read by", "pages", "versions", "windows", "losses", "blinks",
    ];
    show::table(header, |column| column > 1, rows)
}

fn musts(report: &ScoresReport) -> String {
    let rows = report.musts.iter().map(|must| {
        let holds = if must.holds { "ok" } else { "BROKEN" };
        [must.what.to_owned(), must.found.clone(), holds.to_owned()]
    });
    show::table(["must", "found", ""], |column| column == 1, rows)
}
