//! The configuration file, and what it becomes.
//!
//! Every mistake is named with its key and, where the file says it, its line. Secrets may
//! be given as `env:NAME`, so that the file holds none.

mod log;
mod sections;
mod units;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use huntcore_edge::{AuthConfig, EdgeConfig};
use huntcore_log_file::FileLogOptions;
use huntcore_map::FairnessKey;
use huntcore_model::ShardMap;
use huntcore_node::{NodeConfig, check_hunt};
use huntcore_relay::RelayConfig;
use huntcore_wire::{DurationText, HuntRequest};
use serde::Deserialize;
use toml::Spanned;

use self::log::LogSection;
pub(crate) use self::log::{LogHome, LogKeeps};
use self::sections::{AuthSection, HttpSection, LimitsSection, LiveSection, TlsSection};
pub(crate) use self::sections::{HuntSection, Roles};
use crate::keys;

/// `huntcore.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigFile {
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// Whether other processes may listen there too.
    #[serde(default)]
    pub(crate) reuse_port: bool,
    /// What this process does.
    #[serde(default)]
    pub(crate) roles: Roles,
    /// The server that an edge process follows.
    #[serde(default)]
    pub(crate) upstream: Option<String>,
    /// How many arbiters share the hunts' tiles; fixed when the log is first used.
    #[serde(default = "one")]
    pub(crate) shards: Spanned<u16>,
    /// Where a process that decides keeps its log; an edge process has none.
    #[serde(default)]
    pub(crate) log: Option<LogSection>,
    #[serde(default)]
    pub(crate) auth: AuthSection,
    #[serde(default)]
    pub(crate) http: HttpSection,
    /// Without it, `listen` speaks plain HTTP.
    #[serde(default)]
    tls: Option<TlsSection>,
    #[serde(default)]
    pub(crate) limits: LimitsSection,
    #[serde(default)]
    pub(crate) live: LiveSection,
    #[serde(default)]
    pub(crate) hunt: Vec<HuntSection>,
    /// Where it was read from, so that later faults can be placed in it.
    #[serde(skip)]
    source: Source,
}

/// A configuration's file and text.
#[derive(Clone, Debug, Default)]
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// A fault at a place in the text.
    fn fault(
        &self,
        place: &Range<usize>,
        key: impl Into<String>,
        reason: impl fmt::Display,
    ) -> ConfigError {
        let before = self.text.get(..place.start).unwrap_or_default();
        ConfigError::Place {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
            key: key.into(),
            reason: reason.to_string(),
        }
    }
}

/// Why a configuration is no good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {reason}", path.display())]
    Toml { path: PathBuf, reason: String },
    #[error("{}: line {line}: {key}: {reason}", path.display())]
    Place {
        path: PathBuf,
        line: usize,
        key: String,
        reason: String,
    },
    #[error("{key}: {reason}")]
    Value { key: String, reason: String },
}

impl ConfigError {
    fn value(key: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Value {
            key: key.into(),
            reason: reason.to_string(),
        }
    }
}

impl ConfigFile {
    /// Reads a file; paths in it are found from its folder.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::Toml {
            path: path.to_owned(),
            // The error quotes the line and points at the key.
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for hunt in &mut config.hunt {
            let area = hunt.area.as_mut();
            *area = folder.join(&*area);
        }
        if let Some(tls) = &mut config.tls {
            tls.certificate = folder.join(&tls.certificate);
            tls.key = folder.join(&tls.key);
        }
        if let Some(log) = &mut config.log
            && let Some(rest) = log.url.strip_prefix("file:")
        {
            log.url = format!("file:{}", folder.join(rest).display());
        }
        config.source = Source {
            path: path.to_owned(),
            text,
        };
        Ok(config)
    }

    /// Where the log lives.
    pub(crate) fn log_home(&self) -> Result<LogHome, ConfigError> {
        self.log_section()?.home()
    }

    fn log_section(&self) -> Result<&LogSection, ConfigError> {
        self.log.as_ref().ok_or_else(|| {
            ConfigError::value(
                "log",
                "is missing: [log] says where the log lives (log.url)",
            )
        })
    }

    /// What an edge process is told; `None` for a process that decides by itself.
    pub(crate) fn relay(&self, auth_off: bool) -> Result<Option<RelayConfig>, ConfigError> {
        let upstream = match (self.roles, &self.upstream) {
            (Roles::All, None) => return Ok(None),
            (Roles::All, Some(_)) => {
                let reason = "is for edge processes only: set roles = \"edge\" too";
                return Err(ConfigError::value("upstream", reason));
            }
            (Roles::Edge, None) => {
                let reason = "is missing: an edge process follows a server, such as \
                              http://10.0.0.1:7070";
                return Err(ConfigError::value("upstream", reason));
            }
            (Roles::Edge, Some(upstream)) => upstream,
        };
        let mut config = RelayConfig::new(upstream);
        if !auth_off {
            config.service_key = self.auth.service_key()?;
        }
        config.tick = self.tick(config.tick)?;
        config.board_interval = self.board_interval(config.board_interval)?;
        Ok(Some(config))
    }

    fn tick(&self, default: Duration) -> Result<Duration, ConfigError> {
        within("live.tick", self.live.tick, default, 10..=10_000)
    }

    fn board_interval(&self, default: Duration) -> Result<Duration, ConfigError> {
        let interval = self.live.board_interval;
        within("live.board_interval", interval, default, 10..=60_000)
    }

    /// How the log's files are kept.
    pub(crate) fn log_options(&self) -> Result<FileLogOptions, ConfigError> {
        self.log_section()?.file_options(&self.source)
    }

    /// What is kept of the log.
    pub(crate) fn log_keeps(&self) -> Result<LogKeeps, ConfigError> {
        // Neither a key nor the right place is needed to know that.
        let node = self.node_with(FairnessKey::new([0; 32]), Path::new(""))?;
        Ok(LogKeeps {
            retention: node.retention,
            bytes_max: node.log_bytes_max,
            free_bytes_min: node.free_bytes_min,
        })
    }

    /// What the edge is told.
    pub(crate) fn edge(&self, auth_off: bool) -> Result<EdgeConfig, ConfigError> {
        let auth = if auth_off {
            AuthConfig::Off
        } else {
            AuthConfig::On(self.auth.settings()?)
        };
        let mut config = EdgeConfig::new(auth);
        config.listen = self.listen;
        config.reuse_port = self.reuse_port;
        config.tick = self.tick(config.tick)?;
        config.socket_origins.clone_from(&self.http.socket_origins);
        config.cors_origins.clone_from(&self.http.cors_origins);
        config
            .trusted_proxies
            .clone_from(&self.http.trusted_proxies);
        if let Some(tls) = &self.tls {
            config.tls = Some(tls.files(&self.source)?);
        }
        self.limits.apply(&mut config);
        Ok(config)
    }

    /// What the node is told; `data` is where a fairness key is kept if none is configured.
    pub(crate) fn node(&self, data: &Path) -> Result<NodeConfig, ConfigError> {
        let fairness_key = match self.fairness_key()? {
            Some(given) => given,
            None => keys::kept_fairness(data)
                .map_err(|reason| ConfigError::value("auth.fairness_key", reason))?,
        };
        self.node_with(fairness_key, data)
    }

    /// The fairness key, if one is configured; otherwise one is kept in the data directory.
    pub(crate) fn fairness_key(&self) -> Result<Option<FairnessKey>, ConfigError> {
        let Some(given) = &self.auth.fairness_key else {
            return Ok(None);
        };
        let text = secret("auth.fairness_key", given)?;
        keys::fairness(&text)
            .map(Some)
            .map_err(|reason| ConfigError::value("auth.fairness_key", reason))
    }

    /// How long score events are remembered, if it is configured.
    pub(crate) fn event_horizon_ms(&self) -> Option<u64> {
        self.limits.event_horizon.map(DurationText::millis)
    }

    fn node_with(&self, fairness_key: FairnessKey, data: &Path) -> Result<NodeConfig, ConfigError> {
        let mut config = NodeConfig::new(fairness_key);
        config.shards = ShardMap::new(*self.shards.get_ref())
            .map_err(|error| self.source.fault(&self.shards.span(), "shards", error))?;
        let limits = &self.limits;
        let kept = &mut config.limits;
        set(&mut kept.players_max, limits.players_max);
        set(&mut kept.events_max, limits.events_max);
        set(
            &mut kept.event_horizon_ms,
            limits.event_horizon.map(DurationText::millis),
        );
        set(&mut kept.answers_max, limits.answers_max);
        set(
            &mut kept.answer_ttl_ms,
            limits.answer_ttl.map(DurationText::millis),
        );
        self.log_section()?.apply(&self.source, data, &mut config)?;
        config.tick = self.tick(config.tick)?;
        config.board_interval = self.board_interval(config.board_interval)?;
        Ok(config)
    }

    /// The hunts to create.
    pub(crate) fn hunts(&self) -> Result<Vec<HuntRequest>, ConfigError> {
        self.hunt
            .iter()
            .map(|hunt| {
                let area = || hunt.area.span();
                let request = hunt.request().map_err(|error| {
                    self.source
                        .fault(&area(), format!("hunt {}: area", hunt.id), error)
                })?;
                check_hunt(&request).map_err(|fault| {
                    let place = hunt.place_of(fault.field);
                    let file = hunt.area.get_ref().display();
                    let reason = match fault.field {
                        "area" => format!("{file}: {fault}"),
                        _ => fault.to_string(),
                    };
                    self.source
                        .fault(&place, format!("hunt {}: {}", hunt.id, fault.field), reason)
                })?;
                Ok(request)
            })
            .collect()
    }
}

/// A key's text: as it stands, or from the environment after `env:`.
fn secret(key: &str, given: &str) -> Result<String, ConfigError> {
    let Some(name) = given.strip_prefix("env:") else {
        return Ok(given.to_owned());
    };
    std::env::var(name).map_err(|_| {
        ConfigError::value(
            key,
            format_args!("the environment variable {name} is not set"),
        )
    })
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

fn within(
    key: &str,
    given: Option<DurationText>,
    default: Duration,
    millis: std::ops::RangeInclusive<u64>,
) -> Result<Duration, ConfigError> {
    match given.map(DurationText::millis) {
        None => Ok(default),
        Some(found) if millis.contains(&found) => Ok(Duration::from_millis(found)),
        Some(found) => {
            let (least, most) = millis.into_inner();
            let reason = format!("is {found} ms, expected {least} to {most} ms");
            Err(ConfigError::value(key, reason))
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7070))
}

fn one() -> Spanned<u16> {
    Spanned::new(0..0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("huntcore.toml");
        std::fs::write(&path, text).expect("a new file");
        ConfigFile::read(&path)
    }

    #[test]
    fn a_mistake_is_named_with_its_key_and_line() {
        for (text, needles) in [
            (
                "listen = \"127.0.0.1:1\"\nlisten2 = 1\n[log]\nurl = \"file:d\"",
                ["line 2", "listen2"],
            ),
            (
                "listen = 7070\n[log]\nurl = \"file:d\"",
                ["line 1", "listen"],
            ),
            (
                "[log]\nurl = \"file:d\"\n[auth]\nplayer_alg = \"none\"",
                ["line 4", "none"],
            ),
            (
                "[log]\nurl = \"file:d\"\n[[hunt]]\nid = \"Park\"",
                ["line 4", "hunt id"],
            ),
        ] {
            let error = parse(text).expect_err(text).to_string();
            for needle in needles {
                assert!(error.contains(needle), "{needle} in: {error}");
            }
        }
    }

    #[test]
    fn what_is_kept_of_the_log_is_told_in_words_and_reaches_the_node() {
        let text = "shards = 3\n[log]\nurl = \"file:d\"\nretention = \"7d\"\n\
                    size_max = \"200GB\"\nfree_min = \"1GiB\"\ncheckpoint_every = \"30s\"\n\
                    checkpoint_bytes = \"64MiB\"\nsegment_size = \"16MiB\"\n[limits]\n\
                    answer_ttl = \"2h\"\nanswers_max = 5\nevent_horizon = \"1h\"";
        let config = parse(text).expect("well-formed");
        let key = FairnessKey::new([1; 32]);
        let node = config.node_with(key, Path::new("d")).expect("in range");
        assert_eq!(node.retention, Duration::from_hours(7 * 24));
        assert_eq!(node.log_bytes_max, Some(200_000_000_000));
        assert_eq!(node.free_bytes_min, 1 << 30);
        assert_eq!(node.checkpoint_every, Duration::from_secs(30));
        assert_eq!(node.checkpoint_log_bytes, 64 << 20);
        assert!(node.checkpoints.is_some());
        assert_eq!(node.limits.answer_ttl_ms, 7_200_000);
        assert_eq!(node.limits.answers_max, 5);
        assert_eq!(node.limits.event_horizon_ms, 3_600_000);
        let options = config.log_options().expect("in range");
        assert_eq!(options.segment_bytes, 16 << 20);
    }

    #[test]
    fn what_the_log_cannot_be_kept_by_is_named_with_its_key_and_line() {
        for (line, needles) in [
            ("retention = \"30\"", ["line 4", "such as 30d"]),
            ("retention = \"0s\"", ["line 4", "log.retention: is 0"]),
            (
                "size_max = \"1MiB\"",
                ["line 4", "expected at least 512MiB"],
            ),
            ("size_max = 7", ["line 4", "size_max"]),
            ("free_min = \"1GX\"", ["line 4", "such as 200GB"]),
            ("segment_size = \"1kB\"", ["line 4", "64KiB to 4GiB"]),
            ("checkpoint_every = \"1ms\"", ["line 4", "100ms to 1d"]),
            (
                "checkpoint_bytes = \"1B\"",
                ["line 4", "log.checkpoint_bytes"],
            ),
            ("keep = \"30d\"", ["line 4", "keep"]),
        ] {
            let text = format!("shards = 1\n[log]\nurl = \"file:d\"\n{line}");
            let key = FairnessKey::new([1; 32]);
            let read = parse(&text).and_then(|config| {
                config.log_options()?;
                config.node_with(key, Path::new("d"))
            });
            let error = read.expect_err(line).to_string();
            for needle in needles {
                assert!(error.contains(needle), "{needle} in: {error}");
            }
        }
    }

    #[test]
    fn limits_and_tls_are_told_in_words_and_reach_the_edge() {
        let text = "[log]\nurl = \"file:d\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"/k.pem\"\n\
                    check_every = \"2s\"\n[limits]\nconnections_per_address_max = 7\n\
                    sockets_per_player_max = 3\nconnect_rate = 9\nconnect_burst = 11\n\
                    address_connect_rate = 0\nlimit_loopback = true\n\
                    first_message_timeout = \"5s\"\nping_interval = \"6s\"\n\
                    tls_handshake_timeout = \"7s\"\nbody_read_timeout = \"8s\"\n\
                    drain = \"9s\"\ndrain_timeout = \"10s\"";
        let edge = parse(text).and_then(|config| config.edge(true));
        let edge = edge.expect("well-formed");
        let tls = edge.tls.expect("configured");
        assert!(tls.certificate.is_absolute() && tls.certificate.ends_with("c.pem"));
        assert_eq!(tls.key, Path::new("/k.pem"));
        assert_eq!(tls.check_every, Duration::from_secs(2));
        let limits = edge.limits;
        assert_eq!(limits.connections_per_address_max, 7);
        assert_eq!(limits.sockets_per_player_max, 3);
        let rate = limits
            .connect_rate
            .map(|rate| (rate.per_second, rate.burst));
        assert_eq!(rate, Some((9, 11)));
        assert_eq!(limits.address_connect_rate, None);
        assert!(limits.limit_loopback);
        let times = [
            limits.first_message_timeout,
            limits.ping_interval,
            limits.tls_handshake_timeout,
            limits.body_read_timeout,
            limits.drain,
            limits.drain_timeout,
        ];
        assert_eq!(times.map(|time| time.as_secs()), [5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn tls_needs_both_of_its_files() {
        for (lines, needles) in [
            ("key = \"k\"", ["line 3", "certificate"]),
            ("certificate = \"c\"", ["line 3", "key"]),
            (
                "certificate = \"c\"\nkey = \"k\"\ncheck_every = \"0s\"",
                ["line 6", "tls.check_every: is 0"],
            ),
        ] {
            let read = parse(&format!("[log]\nurl = \"file:d\"\n[tls]\n{lines}"));
            let error = read.and_then(|config| config.edge(true));
            let error = error.expect_err(lines).to_string();
            for needle in needles {
                assert!(error.contains(needle), "{needle} in: {error}");
            }
        }
    }

    #[test]
    fn a_missing_secret_says_where_it_was_looked_for() {
        let text = "[log]\nurl = \"file:d\"\n[auth]\nplayer_key = \"env:HUNTCORE_NO_SUCH_KEY\"";
        let error = parse(text)
            .expect("well-formed")
            .edge(false)
            .expect_err("not set")
            .to_string();
        assert!(
            error.contains("auth.player_key") && error.contains("HUNTCORE_NO_SUCH_KEY"),
            "{error}"
        );
    }

    #[test]
    fn a_process_that_decides_needs_a_log_and_one_that_follows_an_upstream() {
        let config = parse("shards = 1").expect("well-formed");
        assert!(config.relay(true).expect("neither").is_none());
        let error = config.log_home().expect_err("no log").to_string();
        assert!(error.starts_with("log: is missing"), "{error}");
        let edge = |line: &str| {
            let config = parse(line).expect("well-formed");
            let relay = config.relay(true);
            relay.map(|relay| relay.map(|relay| relay.upstream))
        };
        let good = edge("roles = \"edge\"\nupstream = \"http://node:7070\"");
        assert_eq!(good.expect("complete").as_deref(), Some("http://node:7070"));
        for half in ["roles = \"edge\"", "upstream = \"http://node:7070\""] {
            let error = edge(half).expect_err(half).to_string();
            assert!(error.starts_with("upstream: "), "{error}");
        }
        let error = parse("roles = \"arbiter\"").expect_err("no such role");
        assert!(error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn a_home_that_is_not_there_yet_is_refused() {
        let config = parse("[log]\nurl = \"redis://127.0.0.1\"").expect("well-formed");
        let error = config.log_home().expect_err("no such home").to_string();
        assert!(
            error.starts_with("log.url: ") && error.contains("file:PATH"),
            "{error}"
        );
    }
}
