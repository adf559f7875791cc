//! What a benchmark found, in the one form that all have.

use serde::Serialize;

/// Name that huntcore's own rows bear.
pub(crate) const HUNTCORE: &str = "huntcore";

/// One benchmark's figures.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Which benchmark.
    pub bench: &'static str,
    /// One for each case and system.
    pub rows: Vec<Row>,
    /// huntcore over each peer.
    pub ratios: Vec<Ratio>,
    /// What was left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What one system did in one case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which case.
    pub case: String,
    /// `huntcore` or the peer.
    pub system: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// Half were done within this; `None` where it was not measured.
    pub p50_ms: Option<f64>,
    /// 99 of 100 were.
    pub p99_ms: Option<f64>,
    /// 999 of 1,000 were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p999_ms: Option<f64>,
    /// All were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
    /// Memory that the system held at the end.
    pub rss_bytes: Option<u64>,
    /// What the load generator took of the CPU time that the whole run took, in percent; of
    /// generators that share the system's machine and are counted in its figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_cpu_percent: Option<f64>,
}

/// huntcore over a peer, in the unit of the case.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// Which case.
    pub case: String,
    /// Which peer.
    pub against: &'static str,
    /// huntcore's value over the peer's: of times, the lower the better.
    pub ratio: f64,
}

impl Row {
    /// A row of huntcore's with a value and nothing else.
    pub(crate) fn new(case: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            case: case.into(),
            system: HUNTCORE,
            value,
            unit,
            p50_ms: None,
            p99_ms: None,
            p999_ms: None,
            max_ms: None,
            rss_bytes: None,
            generator_cpu_percent: None,
        }
    }

    /// The same figure of another system.
    pub(crate) const fn by(mut self, system: &'static str) -> Self {
        self.system = system;
        self
    }

    /// With the memory that a process holds.
    pub(crate) const fn holding(mut self, rss_bytes: Option<u64>) -> Self {
        self.rss_bytes = rss_bytes;
        self
    }
}

impl BenchReport {
    pub(crate) const fn new(bench: &'static str) -> Self {
        Self {
            bench,
            rows: Vec::new(),
            ratios: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Says something once.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Says it beside ratios of times.
    pub(crate) fn note_less_is_better(&mut self) {
        let note = "a figure in ms is the better the lower it is: there a ratio below 1 is in \
                    huntcore's favour";
        self.note(note.to_owned());
    }

    /// Sets huntcore's row of `case` against a peer's, and adds the peer's row to it.
    pub(crate) fn compare(&mut self, case: &str, mut peer: Row) {
        let ours = self
            .rows
            .iter()
            .find(|row| row.case == case && row.system == HUNTCORE);
        if let Some(ours) = ours
            && peer.value > 0.0
        {
            let ratio = Ratio {
                case: case.to_owned(),
                against: peer.system,
                ratio: ours.value / peer.value,
            };
            self.ratios.push(ratio);
        }
        case.clone_into(&mut peer.case);
        self.rows.push(peer);
    }
}

/// Why a benchmark gave no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There is no case of that name.
    #[error("there is no case {case:?}; there are {known}")]
    UnknownCase {
        /// What was asked for.
        case: String,
        /// What there is.
        known: String,
    },
    /// huntcore itself did not start or go on.
    #[error("the run ended early: {0}")]
    Huntcore(String),
    /// huntcore did what it promises not to do.
    #[error("{case}: a promise is broken: {reason}")]
    Promise {
        /// Where it was seen.
        case: String,
        /// What happened.
        reason: String,
    },
    /// The peer is there but does not do what it should.
    #[error("{peer}: {reason}")]
    Peer {
        /// Which one.
        peer: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The system did not give what was asked for.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl BenchError {
    /// For `map_err`: huntcore failed.
    pub(crate) fn huntcore(error: impl std::fmt::Display) -> Self {
        Self::Huntcore(error.to_string())
    }

    /// For `map_err`: the system failed at `what`.
    pub(crate) fn io(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// What the operating system says a process holds in memory.
pub(crate) fn resident_bytes(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_has_the_published_shape() {
        let mut report = BenchReport::new("claims");
        report.rows.push(Row::new("x", 30.0, "attempts/s"));
        let peer = Row::new("", 10.0, "attempts/s").by("redis");
        report.compare("x", peer.holding(Some(5)));
        let row = |system, value, rss_bytes: Option<u64>| {
            json!({
                "case": "x", "system": system, "value": value, "unit": "attempts/s",
                "p50_ms": null, "p99_ms": null, "rss_bytes": rss_bytes,
            })
        };
        let expected = json!({
            "bench": "claims",
            "rows": [row("huntcore", 30.0, None), row("redis", 10.0, Some(5))],
            "ratios": [{"case": "x", "against": "redis", "ratio": 3.0}],
        });
        let found = serde_json::to_value(&report).expect("plain data");
        assert_eq!(found, expected);
    }
}
