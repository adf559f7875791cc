//! A load's report as one HTML page: everything it needs stands in it.

use huntcore_bench::{Moment, Quantiles, ScoresReport};

use super::plot::{Bars, Lines, Series, escape};
use crate::show;

const STYLE: &str = include_str!("page.css");

pub(super) fn render(shape: &str, report: &ScoresReport) -> String {
    let name = escape(shape);
    let body = [
        head(&name, report),
        figures(report),
        plots(report),
        section("What must hold", &musts(report)),
        wrong(report),
        section("Events", &events(report)),
        section("Times in milliseconds", &times(report)),
        section("Readers of boards", &boards(report)),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{name} · huntcore load</title><style>\n{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    )
}

fn head(name: &str, report: &ScoresReport) -> String {
    let (class, verdict) = match report.ok {
        true => ("verdict", "everything that must hold does"),
        false => ("verdict bad", "something that must hold is broken"),
    };
    format!(
        "<h1>{name}</h1><p>{} players, {:.1} s, its time shortened {}-fold, its rates times {}, \
         seed {}</p><p class=\"{class}\">{verdict}</p>",
        show::count(u64::from(report.players)),
        report.seconds,
        report.compress,
        report.scale,
        report.seed,
    )
}

fn figures(report: &ScoresReport) -> String {
    let blinks: u64 = report
        .boards
        .iter()
        .map(|board| board.report.blinks_total)
        .sum();
    let mut figures = vec![
        (
            show::count(report.events.acknowledged),
            "events acknowledged",
        ),
        (
            format!("{:.0}/s", report.events.acknowledged_per_s),
            "on average",
        ),
        (
            millis(report.acknowledged_ms.p99),
            "p99, due → acknowledged",
        ),
        (
            millis(report.visible_ms.p99),
            "p99, acknowledged → on the board",
        ),
        (show::count(blinks), "blinks"),
        (show::count(report.phantoms.len() as u64), "phantoms"),
    ];
    if let Some(bytes) = report.server_memory_bytes {
        figures.push((show::bytes(bytes), "the server's memory"));
    }
    if let Some(cores) = report.server_cores {
        figures.push((format!("{cores:.2}"), "cores kept busy by it"));
    }
    let cards = figures
        .iter()
        .map(|(figure, what)| format!("<div><b>{figure}</b><span>{what}</span></div>"));
    format!("<div class=\"figures\">{}</div>", cards.collect::<String>())
}

fn plots(report: &ScoresReport) -> String {
    let compress = report.compress;
    let last_s = report.timeline.last().map_or(0.0, |moment| moment.at_s) * compress;
    let in_hours = last_s >= 3_600.0;
    // Of a day the axis is told in hours, of less in seconds.
    let (unit, steps): (f64, &[f64]) = match in_hours {
        true => (3_600.0, &[0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 12.0, 24.0]),
        false => (1.0, &[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0]),
    };
    let place = |at: f64| match in_hours {
        true => format!("{:02.0}:{:02.0}", at.floor(), at.fract() * 60.0),
        false => format!("{at} s"),
    };
    let line = |name, class, value: &dyn Fn(&Moment) -> Option<f64>| Series {
        name,
        class,
        points: report
            .timeline
            .iter()
            .map(|moment| (moment.at_s * compress / unit, value(moment)))
            .collect(),
    };
    let over_time = |title, of: fn(&Moment) -> Option<Quantiles>| {
        Lines {
            title,
            unit: "ms",
            logarithmic: true,
            series: vec![
                line("slowest", "quiet", &|moment| {
                    of(moment).map(|times| times.max)
                }),
                line("p99", "b", &|moment| of(moment).map(|times| times.p99)),
                line("p50", "a", &|moment| of(moment).map(|times| times.p50)),
            ],
            steps,
            place: &place,
        }
        .render()
    };
    let rate = Lines {
        title: "Rate",
        unit: "events/s",
        logarithmic: false,
        series: vec![
            line("due", "quiet", &|moment| Some(moment.due_per_s)),
            line("by the shape", "b", &|moment| Some(moment.wanted_per_s)),
            line("acknowledged", "a", &|moment| {
                Some(moment.acknowledged_per_s)
            }),
        ],
        steps,
        place: &place,
    };
    let bars = |title, bars, class| {
        Bars {
            title,
            unit: "ms",
            bars,
            class,
        }
        .render()
    };
    [
        rate.render(),
        over_time("Due → acknowledged", |moment| moment.acknowledged_ms),
        over_time("Acknowledged → on the board", |moment| moment.visible_ms),
        bars(
            "Due → acknowledged, all events",
            &report.acknowledged_histogram,
            "a",
        ),
        bars(
            "Acknowledged → on the board, all events",
            &report.visible_histogram,
            "b",
        ),
    ]
    .concat()
}

fn musts(report: &ScoresReport) -> String {
    let rows = report.musts.iter().map(|must| {
        let (class, word) = if must.holds {
            ("ok", "holds")
        } else {
            ("bad", "broken")
        };
        format!(
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"{class}\">{word}</td></tr>",
            escape(must.what),
            escape(&must.found)
        )
    });
    rows.collect()
}

/// What is wrong, one by one; nothing if nothing is.
fn wrong(report: &ScoresReport) -> String {
    let blinks = report.boards.iter().flat_map(|board| {
        let of = |blink| format!("{} ({}): {blink}", board.board, board.by);
        board.report.blinks.iter().map(of)
    });
    let all = blinks.chain(report.phantoms.iter().cloned());
    let items: String = all
        .map(|text| format!("<li>{}</li>", escape(&text)))
        .collect();
    match items.is_empty() {
        true => items,
        false => format!("<h2>What is wrong</h2><ul>{items}</ul>"),
    }
}

fn events(report: &ScoresReport) -> String {
    let events = &report.events;
    let counts = [
        ("requests", events.requests),
        ("different events sent", events.different),
        ("sent again, as the shape says", events.again),
        ("repeated for want of an answer", events.repeated),
        ("answers lost", events.answers_lost),
        ("told accepted", events.accepted),
        ("told duplicate", events.duplicates),
        ("unanswered", events.unanswered),
    ];
    let mut rows: Vec<(String, u64)> = counts.map(|(what, n)| (what.to_owned(), n)).into();
    for (reason, count) in &events.refused {
        rows.push((format!("refused: {reason}"), *count));
    }
    rows.iter()
        .map(|(what, count)| {
            let (what, count) = (escape(what), show::count(*count));
            format!("<tr><td>{what}</td><td class=\"number\">{count}</td></tr>")
        })
        .collect()
}

fn times(report: &ScoresReport) -> String {
    let row = |what, times: &Quantiles| {
        let all = [times.p50, times.p90, times.p99, times.p999, times.max];
        numbers(what, all.map(|ms| format!("{ms:.2}")))
    };
    [
        header(&["", "p50", "p90", "p99", "p99.9", "max"]),
        row("due → acknowledged", &report.acknowledged_ms),
        row("acknowledged → on the board", &report.visible_ms),
    ]
    .concat()
}

fn boards(report: &ScoresReport) -> String {
    let rows = report.boards.iter().map(|board| {
        let seen = &board.report;
        let counts = [
            seen.pages,
            seen.versions,
            seen.windows,
            seen.corrections,
            board.losses,
            seen.blinks_total,
        ];
        let what = format!("{}, by {}", escape(&board.board), board.by);
        numbers(&what, counts.map(show::count))
    });
    let head = [
        "",
        "pages",
        "versions",
        "windows",
        "corrections",
        "losses",
        "blinks",
    ];
    header(&head) + &rows.collect::<String>()
}

fn section(title: &str, rows: &str) -> String {
    format!("<h2>{title}</h2><div class=\"scroll\"><table>{rows}</table></div>")
}

fn header(columns: &[&str]) -> String {
    let cells = columns.iter().enumerate().map(|(index, column)| {
        let class = if index > 0 { " class=\"number\"" } else { "" };
        format!("<th{class}>{column}</th>")
    });
    format!("<tr>{}</tr>", cells.collect::<String>())
}

fn numbers<const N: usize>(what: &str, numbers: [String; N]) -> String {
    let cells = numbers.map(|number| format!("<td class=\"number\">{number}</td>"));
    format!("<tr><td>{what}</td>{}</tr>", cells.concat())
}

fn millis(ms: f64) -> String {
    match ms {
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}
