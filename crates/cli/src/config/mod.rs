//! The configuration file, and what it becomes.
//!
//! Every mistake is named with its key and, where the file says it, its line. Secrets may
//! be given as `env:NAME`, so that the file holds none.

mod flags;
mod log;
mod sections;
mod sinks;
mod units;

#[cfg(test)]
mod tests;

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

pub(crate) use self::flags::FlagLine;
use self::flags::FlagsSection;
use self::log::LogSection;
pub(crate) use self::log::{LogHome, LogKeeps};
use self::sections::{AuthSection, HttpSection, LimitsSection, LiveSection, TlsSection};
pub(crate) use self::sections::{HuntSection, Roles};
use self::sinks::SinkSection;
use crate::flag_file::FlagFile;
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
    /// Where what is committed is written to besides the log.
    #[serde(default)]
    sink: Vec<SinkSection>,
    /// What can be turned while the server runs.
    #[serde(default)]
    flags: FlagsSection,
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
        ConfigError::Place {
            path: self.path.clone(),
            line: self.line(place),
            key: key.into(),
            reason: reason.to_string(),
        }
    }

    /// The line of a place, from 1.
    fn line(&self, place: &Range<usize>) -> usize {
        let before = self.text.get(..place.start).unwrap_or_default();
        before.matches('\n').count() + 1
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
        Self::parse(path, text)
    }

    /// The same for a text that was read from there.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
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
        if !self.sink.is_empty() {
            let reason = "is for the server that an edge process follows: an edge process has none";
            return Err(ConfigError::value("sink", reason));
        }
        let mut config = RelayConfig::new(upstream);
        if !auth_off {
            config.service_key = self.auth.service_key()?;
        }
        config.tick = self.tick(config.tick)?;
        config.board_interval = self.board_interval(config.board_interval)?;
        if !self.flags.is_empty() {
            let reason = "stand in the configuration of the server that an edge process follows";
            return Err(ConfigError::value("flags", reason));
        }
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
        let (live, limits) = (&self.live, &mut config.limits);
        for (key, given, setting) in [
            (
                "live.rank_interval",
                live.rank_interval,
                &mut limits.rank_interval,
            ),
            (
                "live.subscribe_interval",
                live.subscribe_interval,
                &mut limits.subscribe_interval,
            ),
        ] {
            *setting = within(key, given, *setting, 10..=60_000)?;
        }
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
        set(&mut kept.events_sealed_at, limits.events_sealed_at);
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
        config.sinks = sinks::settings(&self.sink, &self.source)?;
        Ok(config)
    }

    /// What the file says of flags.
    pub(crate) fn flags(&self) -> Result<Vec<FlagLine>, ConfigError> {
        self.flags.lines(&self.source)
    }

    /// The file's flags, to be followed from now on.
    pub(crate) fn flag_file(&self) -> Result<FlagFile, ConfigError> {
        let Source { path, text } = self.source.clone();
        Ok(FlagFile::new(path, text, self.flags()?))
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
                    let place = match fault.board {
                        Some(board) => hunt.place_of_board(board),
                        None => hunt.place_of(fault.field),
                    };
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
