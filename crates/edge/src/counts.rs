//! What became of every attempt (I10), and what else the edge counts about itself.
//!
//! An attempt is received once it is read from a known asker, and *told* once its outcome
//! has been handed to the connection. Whatever ends in between, ends as unanswered: the
//! guards count that when they are dropped, so no path can forget it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use huntcore_capacity::WorkMeter;
use huntcore_model::OutcomeKind;

use crate::admission::Limit;

const KINDS: usize = OutcomeKind::ALL.len();

/// Counters of one edge; a cheap handle that outlives it.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    received: AtomicU64,
    outcomes: [AtomicU64; KINDS],
    lost: AtomicU64,
    connections: AtomicUsize,
    connections_total: AtomicU64,
    refused: [AtomicU64; Limit::ALL.len()],
    accept_pauses: AtomicU64,
    tls_handshakes: [AtomicU64; TlsEnd::ALL.len()],
    tls_loads: [AtomicU64; 2],
    sockets: AtomicUsize,
    claim_streams: AtomicUsize,
    slow_clients: AtomicU64,
    responses: [AtomicU64; 5],
    sockets_work: WorkMeter,
    fan_out_work: WorkMeter,
    sockets_delay_nanos: AtomicU64,
    fan_out_delay_nanos: AtomicU64,
}

/// The longest delays at the live sockets for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delays {
    /// From a change to the last follower that was sent it.
    pub(crate) fan_out: Duration,
    /// Until a thread came back to what it is sent.
    pub(crate) sockets: Duration,
}

/// Attempts and what became of them, at one moment.
///
/// At rest `received` is the sum of all `outcomes` and `lost` (I10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptCounts {
    /// Attempts received.
    pub received: u64,
    /// Outcomes told, by kind; `outcome-unknown` among them.
    pub outcomes: Vec<(OutcomeKind, u64)>,
    /// Attempts whose connection was lost before their outcome.
    pub lost: u64,
}

impl AttemptCounts {
    /// Outcomes told of one kind.
    #[must_use]
    pub fn told(&self, kind: OutcomeKind) -> u64 {
        self.outcomes[kind as usize].1
    }

    /// Attempts that never got an outcome: connection lost, or nobody could say.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.lost + self.told(OutcomeKind::OutcomeUnknown)
    }

    /// Whether every attempt received is accounted for; holds at rest.
    #[must_use]
    pub fn is_reconciled(&self) -> bool {
        let told: u64 = self.outcomes.iter().map(|&(_, count)| count).sum();
        self.received == told + self.lost
    }
}

impl Counts {
    /// Attempts and what became of them so far.
    #[must_use]
    pub fn attempts(&self) -> AttemptCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let kinds = OutcomeKind::ALL.iter();
        AttemptCounts {
            outcomes: kinds
                .map(|&kind| (kind, load(&self.0.outcomes[kind as usize])))
                .collect(),
            lost: load(&self.0.lost),
            received: load(&self.0.received),
        }
    }

    /// Open connections, live sockets included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Open live sockets.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.0.sockets.load(Ordering::Relaxed)
    }

    /// What the live sockets' threads did other than the fan-out: claims, outcomes, pings.
    pub(crate) fn sockets_work(&self) -> &WorkMeter {
        &self.0.sockets_work
    }

    /// What they did to send every follower what its hunt's feed has.
    pub(crate) fn fan_out_work(&self) -> &WorkMeter {
        &self.0.fan_out_work
    }

    /// Takes note of how long a change took to reach its last follower of a thread, and how
    /// long whatever else came in meanwhile may have waited.
    pub(crate) fn delayed(&self, fan_out_nanos: u64, sockets_nanos: u64) {
        let raise = |longest: &AtomicU64, nanos| {
            // Most of the time it is not, and then nothing is written.
            if longest.load(Ordering::Relaxed) < nanos {
                longest.fetch_max(nanos, Ordering::Relaxed);
            }
        };
        raise(&self.0.fan_out_delay_nanos, fan_out_nanos);
        raise(&self.0.sockets_delay_nanos, sockets_nanos);
    }

    /// The longest of both delays since this was last asked.
    pub(crate) fn take_delays(&self) -> Delays {
        let take = |longest: &AtomicU64| Duration::from_nanos(longest.swap(0, Ordering::Relaxed));
        Delays {
            fan_out: take(&self.0.fan_out_delay_nanos),
            sockets: take(&self.0.sockets_delay_nanos),
        }
    }

    /// Takes note of `count` attempts; the guard answers for each of them.
    pub(crate) fn receive(&self, count: u64) -> Unanswered {
        self.0.received.fetch_add(count, Ordering::Relaxed);
        Unanswered {
            counts: self.clone(),
            open: count,
        }
    }

    /// Counts one more open connection, unless there are `max`.
    pub(crate) fn begin_connection(&self, max: usize) -> bool {
        begin(&self.0.connections, max)
    }

    pub(crate) fn end_connection(&self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection has been let in.
    pub(crate) fn connected(&self) {
        self.0.connections_total.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one more live socket, unless there are `max`.
    pub(crate) fn begin_socket(&self, max: usize) -> bool {
        begin(&self.0.sockets, max)
    }

    pub(crate) fn end_socket(&self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection or a live socket was refused.
    pub(crate) fn refused(&self, limit: Limit) {
        self.0.refused[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Accepting stopped for want of files or memory.
    pub(crate) fn accept_paused(&self) {
        self.0.accept_pauses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tls_handshake(&self, end: TlsEnd) {
        self.0.tls_handshakes[end as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// New certificate files were found, and were good or not.
    pub(crate) fn tls_load(&self, is_good: bool) {
        self.0.tls_loads[usize::from(is_good)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn claim_stream(&self) -> Gauge {
        self.0.claim_streams.fetch_add(1, Ordering::Relaxed);
        Gauge {
            counts: self.clone(),
            of: |inner| &inner.claim_streams,
        }
    }

    pub(crate) fn slow_client(&self) {
        self.0.slow_clients.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn response(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.0.responses.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Appends everything in Prometheus' text format.
    pub(crate) fn render(&self, out: &mut String) {
        let attempts = self.attempts();
        let family = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let single = |out: &mut String, name: &str, kind: &str, help: &str, value: u64| {
            family(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (attempts_total, outcomes_total) =
            ("huntcore_attempts_total", "huntcore_outcomes_total");
        single(
            out,
            attempts_total,
            "counter",
            "Attempts received.",
            attempts.received,
        );
        family(
            out,
            outcomes_total,
            "counter",
            "Outcomes told, by kind; with huntcore_unanswered_total they add up to the attempts.",
        );
        for &(kind, count) in &attempts.outcomes {
            if kind != OutcomeKind::OutcomeUnknown {
                let _ = writeln!(
                    out,
                    "{outcomes_total}{{outcome=\"{}\"}} {count}",
                    kind.name()
                );
            }
        }
        let unanswered = "huntcore_unanswered_total";
        family(
            out,
            unanswered,
            "counter",
            "Attempts that never got an outcome, by reason.",
        );
        let unknown = attempts.told(OutcomeKind::OutcomeUnknown);
        let _ = writeln!(
            out,
            "{unanswered}{{reason=\"connection-lost\"}} {}",
            attempts.lost
        );
        let _ = writeln!(out, "{unanswered}{{reason=\"outcome-unknown\"}} {unknown}");
        single(
            out,
            "huntcore_connections",
            "gauge",
            "Open connections, live sockets included.",
            self.connections() as u64,
        );
        single(
            out,
            "huntcore_sockets",
            "gauge",
            "Open live sockets.",
            self.sockets() as u64,
        );
        single(
            out,
            "huntcore_claim_streams",
            "gauge",
            "Open streams of attempts.",
            self.0.claim_streams.load(Ordering::Relaxed) as u64,
        );
        single(
            out,
            "huntcore_connections_total",
            "counter",
            "Connections accepted.",
            load(&self.0.connections_total),
        );
        let refused = [
            (
                "huntcore_connections_refused_total",
                "Connections refused, by the limit that was reached.",
                false,
            ),
            (
                "huntcore_sockets_refused_total",
                "Live sockets refused, by the limit that was reached.",
                true,
            ),
        ];
        for (name, help, of_sockets) in refused {
            family(out, name, "counter", help);
            for limit in Limit::ALL {
                if limit.is_of_sockets() == of_sockets {
                    let count = load(&self.0.refused[limit as usize]);
                    let _ = writeln!(out, "{name}{{limit=\"{}\"}} {count}", limit.name());
                }
            }
        }
        single(
            out,
            "huntcore_accept_pauses_total",
            "counter",
            "Times that accepting stopped for want of files or memory.",
            load(&self.0.accept_pauses),
        );
        let handshakes = "huntcore_tls_handshakes_total";
        family(
            out,
            handshakes,
            "counter",
            "TLS handshakes, by how they ended.",
        );
        for end in TlsEnd::ALL {
            let count = load(&self.0.tls_handshakes[end as usize]);
            let _ = writeln!(out, "{handshakes}{{end=\"{}\"}} {count}", end.name());
        }
        let loads = "huntcore_tls_reloads_total";
        family(
            out,
            loads,
            "counter",
            "New certificate files found, by whether they are used.",
        );
        for (result, counter) in ["refused", "used"].iter().zip(&self.0.tls_loads) {
            let _ = writeln!(out, "{loads}{{result=\"{result}\"}} {}", load(counter));
        }
        single(
            out,
            "huntcore_slow_clients_total",
            "counter",
            "Live sockets closed for taking nothing.",
            load(&self.0.slow_clients),
        );
        let responses = "huntcore_http_responses_total";
        family(
            out,
            responses,
            "counter",
            "HTTP responses, by class of status.",
        );
        for (index, counter) in self.0.responses.iter().enumerate() {
            let class = index + 1;
            let _ = writeln!(out, "{responses}{{class=\"{class}xx\"}} {}", load(counter));
        }
    }
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsEnd {
    /// Well.
    Done,
    /// The peer spoke no TLS, or none that both sides can.
    Failed,
    /// It took too long.
    TimedOut,
}

impl TlsEnd {
    const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::TimedOut];

    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
        }
    }
}

fn begin(counter: &AtomicUsize, max: usize) -> bool {
    let more = |count| (count < max).then_some(count + 1);
    let begun = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    begun.is_ok()
}

/// Counts one thing for as long as it lives.
#[derive(Debug)]
pub(crate) struct Gauge {
    counts: Counts,
    of: fn(&Inner) -> &AtomicUsize,
}

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.of)(&self.counts.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Attempts that nobody has been told the outcome of; dropped, they count as lost.
#[derive(Debug)]
pub(crate) struct Unanswered {
    counts: Counts,
    open: u64,
}

impl Unanswered {
    /// Takes note of `count` more attempts.
    pub(crate) fn receive(&mut self, count: u64) {
        self.counts.0.received.fetch_add(count, Ordering::Relaxed);
        self.open += count;
    }

    /// How many of them have not been told.
    pub(crate) const fn open(&self) -> u64 {
        self.open
    }

    /// One of them has been told its outcome.
    pub(crate) fn tell(&mut self, kind: OutcomeKind) {
        debug_assert!(self.open > 0, "an outcome is told once");
        self.open = self.open.saturating_sub(1);
        self.counts.0.outcomes[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// As many as `tally` has of them have been told their outcomes; leaves it empty.
    pub(crate) fn tell_all(&mut self, tally: &mut Tally) {
        for (count, outcomes) in tally.0.iter_mut().zip(&self.counts.0.outcomes) {
            if *count > 0 {
                outcomes.fetch_add(*count, Ordering::Relaxed);
                debug_assert!(self.open >= *count, "an outcome is told once");
                self.open = self.open.saturating_sub(*count);
                *count = 0;
            }
        }
    }
}

/// Outcomes about to be told, by kind.
#[derive(Debug, Default)]
pub(crate) struct Tally([u64; KINDS]);

impl Tally {
    pub(crate) fn of(kind: OutcomeKind) -> Self {
        let mut tally = Self::default();
        tally.add(kind);
        tally
    }

    #[inline]
    pub(crate) const fn add(&mut self, kind: OutcomeKind) {
        self.0[kind as usize] += 1;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.counts.0.lost.fetch_add(self.open, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_lost() {
        let counts = Counts::default();
        let mut unanswered = counts.receive(3);
        unanswered.tell(OutcomeKind::Won);
        assert!(!counts.attempts().is_reconciled());
        drop(unanswered);
        let attempts = counts.attempts();
        assert!(attempts.is_reconciled());
        assert_eq!(
            (attempts.told(OutcomeKind::Won), attempts.unanswered()),
            (1, 2)
        );
    }

    #[test]
    fn kinds_are_counted_under_their_own_index() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
        }
        for (index, end) in TlsEnd::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, index);
        }
        for (index, kind) in OutcomeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
