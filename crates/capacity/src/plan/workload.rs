//! What a hunt is expected to bring, at its peak.

use serde::Serialize;

/// By which door claims come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// One request for each.
    Http,
    /// One message for each, on live sockets.
    Socket,
    /// Many at once, from game servers.
    Stream,
}

/// What a hunt is expected to bring, at its peak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Workload {
    /// Players that take part.
    pub players: f64,
    /// Attempts a second.
    pub attempts_per_s: f64,
    /// The share of them that win, as long as there are tiles: each is won once.
    pub win_share: f64,
    /// Hunts that run beside each other. A socket follows one.
    pub hunts: f64,
    /// Tiles of a round, in each hunt.
    pub tiles: f64,
    /// Score events a second.
    pub events_per_s: f64,
    /// How claims come in.
    pub door: Door,
    /// Live sockets that are open.
    pub connections: f64,
    /// How long one stays open.
    pub session_s: f64,
    /// Ticks a second.
    pub ticks_per_s: f64,
    /// The share of all changes that a socket has subscribed to: 1 is everything, a viewport
    /// less.
    pub interest_share: f64,
    /// Boards that a socket is sent in a second, at most one a tick.
    pub boards_per_s: f64,
    /// Entries of such a board.
    pub board_entries: f64,
    /// How long a round lasts.
    pub round_s: f64,
    /// Hours of a month in which it is as busy as this.
    pub busy_hours_per_month: f64,
    /// Days for which the log is kept.
    pub retention_days: f64,
}

/// A workload that nothing can be reckoned with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{name} is {value}, and has to be {range}")]
pub struct WorkloadError {
    /// Which figure.
    pub name: &'static str,
    /// What it is.
    pub value: f64,
    /// What it has to be.
    pub range: &'static str,
}

/// Hours of an average month.
pub(super) const HOURS_PER_MONTH: f64 = 730.0;
const DAYS_PER_MONTH: f64 = HOURS_PER_MONTH / 24.0;
/// What TCP and IP put around a write.
const PACKET_BYTES: f64 = 52.0;
/// What one packet carries.
const PACKET_PAYLOAD_BYTES: f64 = 1_448.0;

impl Workload {
    /// Fails on figures that nothing can be reckoned with.
    pub fn check(&self) -> Result<(), WorkloadError> {
        let from_none = [
            ("players", self.players),
            ("rate", self.attempts_per_s),
            ("events", self.events_per_s),
            ("connections", self.connections),
            ("tiles", self.tiles),
            ("boards-per-s", self.boards_per_s),
            ("board-entries", self.board_entries),
            ("retention-days", self.retention_days),
        ];
        let above_none = [
            ("hunts", self.hunts),
            ("session-s", self.session_s),
            ("ticks-per-s", self.ticks_per_s),
            ("round-s", self.round_s),
        ];
        let shares = [
            ("win-share", self.win_share),
            ("interest-share", self.interest_share),
        ];
        let hours = [("busy-hours", self.busy_hours_per_month)];
        let is_number = |value: f64| value.is_finite();
        check(&from_none, "a number from 0 up", |value| {
            is_number(value) && value >= 0.0
        })?;
        check(&above_none, "a number above 0", |value| {
            is_number(value) && value > 0.0
        })?;
        check(&shares, "from 0 to 1", |value| (0.0..=1.0).contains(&value))?;
        check(&hours, "from 0 to 730, the hours of a month", |value| {
            (0.0..=HOURS_PER_MONTH).contains(&value)
        })
    }

    /// Claims a second, in all hunts: no more than there are tiles.
    pub(super) fn wins_per_s(&self) -> f64 {
        let tiles_per_s = self.hunts * self.tiles / self.round_s;
        (self.attempts_per_s * self.win_share).min(tiles_per_s)
    }

    /// Claims a second that a socket is sent.
    pub(super) fn wins_sent_per_s(&self) -> f64 {
        self.wins_per_s() / self.hunts * self.interest_share
    }

    /// Records a second: claims and events, each one record.
    pub(super) fn records_per_s(&self) -> f64 {
        self.wins_per_s() + self.events_per_s
    }

    /// Batches a second: one for each attempt alone, and larger ones when there are more.
    pub(super) fn batches_per_s(&self, most: f64) -> f64 {
        (self.attempts_per_s + self.events_per_s).min(most)
    }

    /// Connections a second that are new, if each lasts as long as the others.
    pub(super) fn connects_per_s(&self) -> f64 {
        self.connections / self.session_s
    }

    /// Deltas a second for one socket: ticks in which something changed that it has asked for,
    /// if claims come by chance.
    pub(super) fn deltas_per_s(&self) -> f64 {
        let changes_per_tick = self.wins_sent_per_s() / self.ticks_per_s;
        self.ticks_per_s * (1.0 - (-changes_per_tick).exp())
    }

    /// Writes a second for one socket: whatever a tick brings is one.
    pub(super) fn writes_per_s(&self) -> f64 {
        let other = self.boards_per_s.min(self.ticks_per_s) + 1.0 / self.round_s;
        self.deltas_per_s()
            .max(other)
            .min(self.ticks_per_s + 1.0 / self.round_s)
    }

    /// With what TCP and IP put around `bytes` sent by `writes`.
    pub(super) fn on_the_wire(writes: f64, bytes: f64) -> f64 {
        bytes + PACKET_BYTES * writes.max(bytes / PACKET_PAYLOAD_BYTES)
    }

    /// Busy seconds of a month.
    pub(super) fn busy_s_per_month(&self) -> f64 {
        self.busy_hours_per_month * 3_600.0
    }

    /// Busy seconds of the days for which the log is kept.
    pub(super) fn busy_s_kept(&self) -> f64 {
        self.busy_s_per_month() / DAYS_PER_MONTH * self.retention_days
    }
}

fn check(
    values: &[(&'static str, f64)],
    range: &'static str,
    is_good: impl Fn(f64) -> bool,
) -> Result<(), WorkloadError> {
    match values.iter().find(|(_, value)| !is_good(*value)) {
        Some(&(name, value)) => Err(WorkloadError { name, value, range }),
        None => Ok(()),
    }
}
