//! What an edge process is told before it starts.

use std::fmt;
use std::time::Duration;

/// All settings of an edge process, besides those of its edge.
#[derive(Clone)]
pub struct RelayConfig {
    /// The node to follow, such as `http://10.0.0.1:7070`.
    pub upstream: String,
    /// The upstream's service key; `None` where it asks for none.
    pub service_key: Option<String>,
    /// From one delta to the next.
    pub tick: Duration,
    /// A live board is pushed at most this often.
    pub board_interval: Duration,
    /// While something changes, a new version is published this often.
    pub publish_interval: Duration,
    /// An upstream that is silent for so long counts as lost; it speaks once a second.
    pub silence_max: Duration,
    /// How far behind the upstream's log the process may be and still call itself ready.
    pub behind_max: Duration,
    /// From losing the upstream to the first try to get it back; doubled for each further one,
    /// up to [`Self::retry_max`], with jitter.
    pub retry_first: Duration,
    /// The longest from one try to the next.
    pub retry_max: Duration,
}

impl RelayConfig {
    /// Everything at its default: ticks of 100 ms, versions every 20 ms; lost after 5 s of
    /// silence, tried again after 50 ms to 2 s.
    #[must_use]
    pub fn new(upstream: impl Into<String>) -> Self {
        Self {
            upstream: upstream.into(),
            service_key: None,
            tick: Duration::from_millis(100),
            board_interval: Duration::from_millis(100),
            publish_interval: Duration::from_millis(20),
            silence_max: Duration::from_secs(5),
            behind_max: Duration::from_secs(5),
            retry_first: Duration::from_millis(50),
            retry_max: Duration::from_secs(2),
        }
    }
}

// The key belongs into no log.
impl fmt::Debug for RelayConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RelayConfig")
            .field("upstream", &self.upstream)
            .field("has_service_key", &self.service_key.is_some())
            .field("tick", &self.tick)
            .finish_non_exhaustive()
    }
}
