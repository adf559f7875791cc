//! What one of each thing costs.

use serde::{Deserialize, Serialize};

use crate::Part;

/// What one of each thing costs, as measured; the form of the file that a bench or a running
/// server's figures are written to.
///
/// CPU is in microseconds of one core, kernel time included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitCosts {
    /// How it was measured: commands, one a line.
    pub measured_with: Vec<String>,
    /// On what.
    pub machine: String,
    /// HTTP and sockets, but for the fan-out.
    pub edge: EdgeCosts,
    /// Deciding.
    pub arbiter: ArbiterCosts,
    /// Storing.
    pub log: LogCosts,
    /// Ranking.
    pub boards: BoardsCosts,
    /// Framing and fan-out.
    pub broadcast: BroadcastCosts,
    /// Writing elsewhere; nothing in this version.
    #[serde(default)]
    pub sinks: SinkCosts,
}

/// See [`UnitCosts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeCosts {
    /// A claim that is a request of its own.
    pub http_claim_cpu_us: f64,
    /// A claim that is a message on a live socket.
    pub socket_claim_cpu_us: f64,
    /// A claim in a game server's stream.
    pub stream_claim_cpu_us: f64,
    /// A connection from its accept to its subscription.
    pub handshake_cpu_us: f64,
    /// What an idle live socket holds, in the process and in the kernel.
    pub connection_memory_bytes: f64,
    /// What comes in for a claim on a socket, and the outcome that goes out.
    pub outcome_bytes: f64,
}

/// See [`UnitCosts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArbiterCosts {
    /// An attempt that wins nothing.
    pub attempt_cpu_us: f64,
    /// More, if it wins.
    pub won_cpu_us: f64,
    /// A score event.
    pub event_cpu_us: f64,
    /// A claim whose answer is kept.
    pub claim_memory_bytes: f64,
}

/// See [`UnitCosts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCosts {
    /// A record.
    pub record_cpu_us: f64,
    /// A claim's record.
    pub claim_bytes: f64,
    /// A score event's.
    pub event_bytes: f64,
    /// What a batch takes of the disk besides its records.
    pub batch_bytes: f64,
    /// What a batch takes of all who handle it, whatever is in it: deciding, syncing, folding,
    /// publishing.
    pub batch_cpu_us: f64,
    /// How many batches there are in a second at most; beyond that they grow.
    pub batches_per_s: f64,
}

/// See [`UnitCosts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardsCosts {
    /// A record folded and ranked.
    pub record_cpu_us: f64,
    /// A player.
    pub player_memory_bytes: f64,
}

/// See [`UnitCosts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BroadcastCosts {
    /// A record folded into frames.
    pub record_cpu_us: f64,
    /// A write to one socket, whatever is in it.
    pub write_cpu_us: f64,
    /// Each KiB of it more.
    pub kib_cpu_us: f64,
    /// A delta with nothing in it.
    pub delta_bytes: f64,
    /// A claim in a delta.
    pub claim_bytes: f64,
    /// The announcement of a round, its end and its seed.
    pub round_bytes: f64,
    /// A board with no entries.
    pub board_bytes: f64,
    /// One entry of it.
    pub entry_bytes: f64,
}

/// See [`UnitCosts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkCosts {
    /// A record written elsewhere.
    pub record_cpu_us: f64,
}

/// Unit costs that nothing can be reckoned with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CostsError {
    /// A cost below nothing, or none at all.
    #[error("{name} is {value}: a unit cost is a number from 0 up")]
    OutOfRange {
        /// Which one.
        name: &'static str,
        /// What it is.
        value: f64,
    },
}

impl UnitCosts {
    /// Fails on costs that nothing can be reckoned with.
    pub fn check(&self) -> Result<(), CostsError> {
        for (name, value) in self.values() {
            if !value.is_finite() || value < 0.0 {
                return Err(CostsError::OutOfRange { name, value });
            }
        }
        Ok(())
    }

    /// The same with all CPU costs `factor` times as high.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        let mut costs = self.clone();
        for cost in [
            &mut costs.edge.http_claim_cpu_us,
            &mut costs.edge.socket_claim_cpu_us,
            &mut costs.edge.stream_claim_cpu_us,
            &mut costs.edge.handshake_cpu_us,
            &mut costs.arbiter.attempt_cpu_us,
            &mut costs.arbiter.won_cpu_us,
            &mut costs.arbiter.event_cpu_us,
            &mut costs.log.record_cpu_us,
            &mut costs.log.batch_cpu_us,
            &mut costs.boards.record_cpu_us,
            &mut costs.broadcast.record_cpu_us,
            &mut costs.broadcast.write_cpu_us,
            &mut costs.broadcast.kib_cpu_us,
            &mut costs.sinks.record_cpu_us,
        ] {
            *cost *= factor;
        }
        costs
    }

    /// Messages a second that one core does of a part, for those that are scaled; what an
    /// autoscaler believes before it has seen anything.
    #[must_use]
    pub fn rate_of(&self, part: Part) -> f64 {
        let cpu_us = match part {
            Part::Http => self.edge.http_claim_cpu_us,
            Part::Sockets => self.edge.socket_claim_cpu_us,
            Part::Deciding | Part::Control => self.arbiter.attempt_cpu_us + self.arbiter.won_cpu_us,
            Part::Writing | Part::Keeping => self.log.record_cpu_us,
            Part::Ranking => self.boards.record_cpu_us,
            Part::Framing => self.broadcast.record_cpu_us,
            Part::FanOut => self.broadcast.write_cpu_us + self.broadcast.kib_cpu_us,
            Part::Sinking | Part::Other => self.sinks.record_cpu_us,
        };
        1e6 / cpu_us.max(1e-3)
    }

    fn values(&self) -> [(&'static str, f64); 27] {
        let (edge, arbiter, log) = (&self.edge, &self.arbiter, &self.log);
        let (boards, broadcast) = (&self.boards, &self.broadcast);
        [
            ("edge.http_claim_cpu_us", edge.http_claim_cpu_us),
            ("edge.socket_claim_cpu_us", edge.socket_claim_cpu_us),
            ("edge.stream_claim_cpu_us", edge.stream_claim_cpu_us),
            ("edge.handshake_cpu_us", edge.handshake_cpu_us),
            ("edge.connection_memory_bytes", edge.connection_memory_bytes),
            ("edge.outcome_bytes", edge.outcome_bytes),
            ("arbiter.attempt_cpu_us", arbiter.attempt_cpu_us),
            ("arbiter.won_cpu_us", arbiter.won_cpu_us),
            ("arbiter.event_cpu_us", arbiter.event_cpu_us),
            ("arbiter.claim_memory_bytes", arbiter.claim_memory_bytes),
            ("log.record_cpu_us", log.record_cpu_us),
            ("log.claim_bytes", log.claim_bytes),
            ("log.event_bytes", log.event_bytes),
            ("log.batch_bytes", log.batch_bytes),
            ("log.batch_cpu_us", log.batch_cpu_us),
            ("log.batches_per_s", log.batches_per_s),
            ("boards.record_cpu_us", boards.record_cpu_us),
            ("boards.player_memory_bytes", boards.player_memory_bytes),
            ("broadcast.record_cpu_us", broadcast.record_cpu_us),
            ("broadcast.write_cpu_us", broadcast.write_cpu_us),
            ("broadcast.kib_cpu_us", broadcast.kib_cpu_us),
            ("broadcast.delta_bytes", broadcast.delta_bytes),
            ("broadcast.claim_bytes", broadcast.claim_bytes),
            ("broadcast.round_bytes", broadcast.round_bytes),
            ("broadcast.board_bytes", broadcast.board_bytes),
            ("broadcast.entry_bytes", broadcast.entry_bytes),
            ("sinks.record_cpu_us", self.sinks.record_cpu_us),
        ]
    }
}

impl Default for UnitCosts {
    /// Measured on 2 cores with the load on the same machine, so rather too high. A claim as a
    /// request, a handshake, score events, memory and the sizes of boards and rounds are
    /// estimates from such runs, to be replaced by what a running server shows.
    fn default() -> Self {
        Self {
            measured_with: vec![
                "huntcore bench claims --case in-process-5 --peer none".to_owned(),
                "huntcore bench claims --case in-process-50 --peer none".to_owned(),
                "huntcore bench claims --case socket-protobuf --peer none".to_owned(),
                "huntcore bench claims --case http-single --peer none".to_owned(),
                "huntcore bench broadcast --case fanout-15k".to_owned(),
                "huntcore demo --players 500 --rate 2, and meanwhile huntcore plan costs"
                    .to_owned(),
            ],
            machine: "2 cores, 24 GiB, virtual disk, load on the same machine; requests, \
                      handshakes, score events, memory and the sizes of boards are estimates"
                .to_owned(),
            edge: EdgeCosts {
                http_claim_cpu_us: 30.0,
                socket_claim_cpu_us: 28.0,
                stream_claim_cpu_us: 0.3,
                handshake_cpu_us: 150.0,
                connection_memory_bytes: 9_000.0,
                outcome_bytes: 150.0,
            },
            arbiter: ArbiterCosts {
                attempt_cpu_us: 0.123,
                won_cpu_us: 0.167,
                event_cpu_us: 0.6,
                claim_memory_bytes: 80.0,
            },
            log: LogCosts {
                record_cpu_us: 0.03,
                claim_bytes: 12.0,
                event_bytes: 80.0,
                batch_bytes: 200.0,
                batch_cpu_us: 390.0,
                batches_per_s: 1_000.0,
            },
            boards: BoardsCosts {
                record_cpu_us: 0.13,
                player_memory_bytes: 200.0,
            },
            broadcast: BroadcastCosts {
                record_cpu_us: 0.06,
                write_cpu_us: 7.5,
                kib_cpu_us: 1.13,
                delta_bytes: 113.0,
                claim_bytes: 73.0,
                round_bytes: 400.0,
                board_bytes: 250.0,
                entry_bytes: 45.0,
            },
            sinks: SinkCosts::default(),
        }
    }
}
