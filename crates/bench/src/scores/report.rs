//! What a run has shown, in figures, and which of its musts hold.

use std::time::Duration;

use serde::Serialize;

use super::curve::Curve;
use super::run::ScoresLoad;
use super::tally::{Counts, Part, Tally};
use super::target::ScoresTarget;
use super::watching::Watched;
use crate::load::Latency;

/// What came of a load of score events.
#[derive(Clone, Debug, Serialize)]
pub struct ScoresReport {
    /// Where the server was.
    pub url: String,
    /// Which hunt.
    pub hunt: String,
    /// The shape's seed.
    pub seed: u64,
    /// By how much the shape's time was shortened.
    pub compress: f64,
    /// What its rates were multiplied by.
    pub scale: f64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Players there were to score.
    pub players: u32,
    /// What became of the events.
    pub events: EventCounts,
    /// From when a request was due to its answer.
    pub acknowledged_ms: Quantiles,
    /// From the answer to the first page of the board that covers it, as a reader got it.
    pub visible_ms: Quantiles,
    /// How many answers took up to how many milliseconds.
    pub acknowledged_histogram: Vec<(f64, u64)>,
    /// The same of the board's lag.
    pub visible_histogram: Vec<(f64, u64)>,
    /// What the readers of boards have seen.
    pub boards: Vec<Watched>,
    /// Scores that were acknowledged and are not on the board; a few of them.
    pub phantoms: Vec<String>,
    /// The run in parts.
    pub timeline: Vec<Moment>,
    /// Of a server of the run's own: its memory at the end.
    pub server_memory_bytes: Option<u64>,
    /// And how many cores it kept busy.
    pub server_cores: Option<f64>,
    /// What has to hold.
    pub musts: Vec<Must>,
    /// Whether all of it does.
    pub ok: bool,
}

/// What became of the events.
#[derive(Clone, Debug, Serialize)]
pub struct EventCounts {
    /// In so many requests.
    pub requests: u64,
    /// Different ones that were sent.
    pub different: u64,
    /// Sent a second time, as the shape says.
    pub again: u64,
    /// Sent once more because an answer was lost or the server asked for that.
    pub repeated: u64,
    /// Different ones that were acknowledged.
    pub acknowledged: u64,
    /// Taken now, as the server said.
    pub accepted: u64,
    /// Taken before, as the server said.
    pub duplicates: u64,
    /// Not taken, by the reason.
    pub refused: std::collections::BTreeMap<String, u64>,
    /// Of those, the ones whose time the shape sets so far ahead that a server may refuse them.
    pub refused_by_shape: u64,
    /// Without an answer within the patience.
    pub unanswered: u64,
    /// Requests whose answer was lost, so that they were made again.
    pub answers_lost: u64,
    /// Different ones acknowledged, each second.
    pub acknowledged_per_s: f64,
}

/// How long things took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    /// Half of them took no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Moment {
    /// Its middle, since the start of the run.
    pub at_s: f64,
    /// What the shape asks for, in events a second.
    pub wanted_per_s: f64,
    /// Events that were due, repetitions included, each second.
    pub due_per_s: f64,
    /// Of those, acknowledged.
    pub acknowledged_per_s: f64,
    /// From due to acknowledged; none if there were none.
    pub acknowledged_ms: Option<Quantiles>,
    /// From acknowledged to seen on the board.
    pub visible_ms: Option<Quantiles>,
}

/// Something that has to hold.
#[derive(Clone, Debug, Serialize)]
pub struct Must {
    /// What.
    pub what: &'static str,
    /// How it came out.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

/// What the tally does not know.
pub(crate) struct Facts<'a> {
    pub(crate) load: &'a ScoresLoad,
    pub(crate) target: &'a ScoresTarget,
    pub(crate) curve: &'a Curve,
    pub(crate) elapsed: Duration,
    /// Whether all requests of the shape were sent.
    pub(crate) is_whole: bool,
    /// Whether the board's reader saw all that was acknowledged.
    pub(crate) is_shown: bool,
    /// Events that the server had taken before and after.
    pub(crate) taken_before: u64,
    pub(crate) taken: u64,
    pub(crate) cpu: Option<Duration>,
}

impl ScoresReport {
    pub(crate) fn new(facts: &Facts<'_>, tally: &Tally, boards: Vec<Watched>) -> Self {
        let seconds = facts.elapsed.as_secs_f64();
        let musts = musts(facts, tally, &boards);
        let acknowledged = tally.different_acknowledged();
        let Counts {
            requests,
            different,
            again,
            repeated,
            answers_lost,
            accepted,
            duplicates,
            refused_by_shape,
            unanswered,
            ..
        } = tally.counts;
        Self {
            url: facts.target.url.clone(),
            hunt: facts.target.hunt.to_string(),
            seed: facts.load.shape.seed,
            compress: facts.load.compress,
            scale: facts.load.scale,
            seconds,
            players: facts.load.shape.players.count,
            events: EventCounts {
                requests,
                different,
                again,
                repeated,
                acknowledged,
                accepted,
                duplicates,
                refused: tally.counts.refused.clone(),
                refused_by_shape,
                unanswered,
                answers_lost,
                acknowledged_per_s: crate::load::rate(acknowledged, facts.elapsed),
            },
            acknowledged_ms: Quantiles::of(&tally.acknowledged_after),
            visible_ms: Quantiles::of(&tally.visible_after),
            acknowledged_histogram: tally.acknowledged_after.by_tenths(),
            visible_histogram: tally.visible_after.by_tenths(),
            boards,
            phantoms: tally.phantoms.clone(),
            timeline: timeline(facts.curve, tally),
            server_memory_bytes: facts.target.resident_bytes(),
            server_cores: facts
                .cpu
                .map(|cpu| cpu.as_secs_f64() / seconds.max(f64::EPSILON)),
            ok: musts.iter().all(|must| must.holds),
            musts,
        }
    }
}

impl Quantiles {
    fn of(latency: &Latency) -> Self {
        Self {
            p50: latency.quantile_ms(0.5),
            p90: latency.quantile_ms(0.9),
            p99: latency.quantile_ms(0.99),
            p999: latency.quantile_ms(0.999),
            max: latency.quantile_ms(1.0),
        }
    }

    fn of_any(latency: &Latency) -> Option<Self> {
        (latency.count() > 0).then(|| Self::of(latency))
    }
}

fn timeline(curve: &Curve, tally: &Tally) -> Vec<Moment> {
    let part = tally.part();
    let moment = |(index, counted): (u32, &Part)| {
        let middle = part * index + part / 2;
        Moment {
            at_s: middle.as_secs_f64(),
            wanted_per_s: curve.rate(middle),
            due_per_s: crate::load::rate(counted.due, part),
            acknowledged_per_s: crate::load::rate(counted.acknowledged, part),
            acknowledged_ms: Quantiles::of_any(&counted.acknowledged_after),
            visible_ms: Quantiles::of_any(&counted.visible_after),
        }
    };
    (0..).zip(&tally.parts).map(moment).collect()
}

/// What has to hold, whatever the server went through.
fn musts(facts: &Facts<'_>, tally: &Tally, boards: &[Watched]) -> Vec<Must> {
    let counts = &tally.counts;
    let blinks: u64 = boards.iter().map(|board| board.report.blinks_total).sum();
    let zero = |what, found: u64| Must {
        what,
        found: found.to_string(),
        holds: found == 0,
    };
    let refused: u64 = counts.refused.values().sum();
    let acknowledged = tally.different_acknowledged();
    // A lost answer may have said "accepted", and its repetition says "duplicate".
    let least = acknowledged.saturating_sub(counts.in_doubt);
    let sent = counts.different + counts.again;
    let told = counts.accepted + counts.duplicates + refused + counts.unanswered;
    let allowed = counts.refused_by_shape + facts.load.refusals_allowed;
    let unseen = boards.iter().filter(|board| board.report.pages == 0);
    let unseen: Vec<String> = unseen
        .map(|board| format!("nothing of {} ({})", board.board, board.by))
        .collect();
    let mut musts = vec![
        zero("boards that blinked", blinks),
        zero(
            "phantoms: acknowledged and not on the board",
            counts.phantoms,
        ),
        Must {
            what: "everything acknowledged was seen on the board",
            found: yes_no(facts.is_shown),
            holds: facts.is_shown,
        },
        Must {
            what: "every reader saw its board",
            found: match unseen.is_empty() {
                true => yes_no(true),
                false => unseen.join(", "),
            },
            holds: unseen.is_empty(),
        },
        Must {
            what: "the shape was played to its end",
            found: match facts.is_whole {
                true => yes_no(true),
                false => format!("stopped after {:.1} s", facts.elapsed.as_secs_f64()),
            },
            holds: facts.is_whole,
        },
        Must {
            what: "events are acknowledged",
            found: acknowledged.to_string(),
            holds: acknowledged > 0,
        },
        Must {
            what: "no event is refused but those that may be",
            found: refusals(counts, allowed),
            holds: refused <= allowed,
        },
        zero("events without an answer", counts.unanswered),
        Must {
            what: "every event has one answer: accepted, duplicate or refused",
            found: format!("{told} of {sent}"),
            holds: told == sent,
        },
        Must {
            what: "different events are accepted once each",
            found: format!("{} of {acknowledged}", counts.accepted),
            holds: (least..=acknowledged).contains(&counts.accepted),
        },
    ];
    // Counts of a server that was started again begin anew.
    let is_comparable = counts.answers_lost == 0 && facts.taken >= facts.taken_before;
    if is_comparable {
        let taken = facts.taken - facts.taken_before;
        musts.push(Must {
            what: "the server counts as many accepted (/metrics)",
            found: format!("{taken} of {}", counts.accepted),
            // Others may play on a given server.
            holds: taken == counts.accepted
                || (facts.target.pid().is_none() && taken > counts.accepted),
        });
    }
    musts
}

/// How many events were refused of how many that may be, and why.
fn refusals(counts: &Counts, allowed: u64) -> String {
    let refused: u64 = counts.refused.values().sum();
    let reasons = counts.refused.iter();
    let reasons: Vec<String> = reasons
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    match refused {
        0 => "0".to_owned(),
        _ => format!("{} (allowed: {allowed})", reasons.join(", ")),
    }
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}
