//! The configuration file, and what it becomes.
//!
//! Every mistake is named with its key and, where the file says it, its line. Secrets may
//! be given as `env:NAME`, so that the file holds none.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use huntcore_edge::{
    AuthConfig, AuthSettings, Ed25519PublicKey, EdgeConfig, PlayerKey, Rate, Secret,
};
use huntcore_map::FairnessKey;
use huntcore_model::{HuntId, ShardMap};
use huntcore_node::{NodeConfig, check_hunt};
use huntcore_wire::{DurationText, HuntRequest, Timestamp, ValueRow};
use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use crate::keys;

/// `huntcore.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigFile {
    #[serde(default = "default_listen")]
    pub(crate) listen: SocketAddr,
    /// How many arbiters share the hunts' tiles; fixed when the log is first used.
    #[serde(default = "one")]
    pub(crate) shards: Spanned<u16>,
    pub(crate) log: LogSection,
    #[serde(default)]
    pub(crate) auth: AuthSection,
    #[serde(default)]
    pub(crate) http: HttpSection,
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

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSection {
    /// `file:PATH`.
    pub(crate) url: String,
    /// New work is refused while the file system has less space than this, in bytes.
    #[serde(default)]
    pub(crate) free_bytes_min: Option<u64>,
}

/// `[auth]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthSection {
    #[serde(default)]
    player_alg: PlayerAlgorithm,
    player_key: Option<String>,
    service_key: Option<String>,
    fairness_key: Option<String>,
    #[serde(default)]
    guests: bool,
    guest_lifetime: Option<DurationText>,
    issuer: Option<String>,
    audience: Option<String>,
}

/// The one algorithm that player tokens are signed with.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum PlayerAlgorithm {
    #[default]
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// `[http]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpSection {
    /// Pages that may open live sockets, besides the console: origins, or `*`.
    socket_origins: Vec<String>,
    /// Pages that may read the API.
    cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<IpNet>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    connections_max: Option<usize>,
    sockets_max: Option<usize>,
    /// Each player's attempts a second; 0 for no limit.
    player_rate: Option<u32>,
    player_burst: Option<u32>,
    /// Guest tokens for one address a second; 0 for no limit.
    guest_rate: Option<u32>,
    guest_burst: Option<u32>,
    request_timeout: Option<DurationText>,
    header_read_timeout: Option<DurationText>,
    slow_client_timeout: Option<DurationText>,
    at_least_wait: Option<DurationText>,
    players_max: Option<u32>,
    events_max: Option<usize>,
    event_horizon: Option<DurationText>,
    answers_max: Option<usize>,
    answer_ttl: Option<DurationText>,
}

/// `[live]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LiveSection {
    /// From one delta to the next.
    tick: Option<DurationText>,
    /// A live board is pushed at most this often.
    board_interval: Option<DurationText>,
}

/// `[[hunt]]`: created at the start if it does not exist.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HuntSection {
    pub(crate) id: HuntId,
    /// A `GeoJSON` file, found from the configuration file's folder.
    pub(crate) area: Spanned<PathBuf>,
    pub(crate) resolution: Spanned<u8>,
    pub(crate) round: Spanned<DurationText>,
    pub(crate) claim_window: Spanned<DurationText>,
    pub(crate) tiles: Spanned<u32>,
    #[serde(default)]
    pub(crate) starts_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) ends_at: Option<Timestamp>,
    #[serde(default = "ValueRow::default_table")]
    pub(crate) values: Vec<ValueRow>,
    #[serde(default)]
    pub(crate) values_hidden: bool,
}

/// Where the log lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogHome {
    /// A directory.
    File(PathBuf),
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
        if let Some(rest) = config.log.url.strip_prefix("file:") {
            config.log.url = format!("file:{}", folder.join(rest).display());
        }
        config.source = Source {
            path: path.to_owned(),
            text,
        };
        Ok(config)
    }

    /// Where the log lives.
    pub(crate) fn log_home(&self) -> Result<LogHome, ConfigError> {
        let url = &self.log.url;
        match url.strip_prefix("file:") {
            Some("") => Err(ConfigError::value(
                "log.url",
                "names no directory after `file:`",
            )),
            Some(path) => Ok(LogHome::File(PathBuf::from(path))),
            None => Err(ConfigError::value(
                "log.url",
                format_args!("{url:?} is no home of the log: this version has `file:PATH`"),
            )),
        }
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
        config.socket_origins.clone_from(&self.http.socket_origins);
        config.cors_origins.clone_from(&self.http.cors_origins);
        config
            .trusted_proxies
            .clone_from(&self.http.trusted_proxies);
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
        self.node_with(fairness_key)
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

    fn node_with(&self, fairness_key: FairnessKey) -> Result<NodeConfig, ConfigError> {
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
        set(&mut config.free_bytes_min, self.log.free_bytes_min);
        let live = &self.live;
        config.tick = within("live.tick", live.tick, config.tick, 10..=10_000)?;
        let interval = live.board_interval;
        config.board_interval = within(
            "live.board_interval",
            interval,
            config.board_interval,
            10..=60_000,
        )?;
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

impl AuthSection {
    fn settings(&self) -> Result<AuthSettings, ConfigError> {
        let given = self.player_key.as_deref().ok_or_else(|| {
            ConfigError::value(
                "auth.player_key",
                "is missing: give a key, or `env:NAME` to take it from the environment, or start \
                 with --auth off on a loopback address",
            )
        })?;
        let text = secret("auth.player_key", given)?;
        let player_key = match self.player_alg {
            PlayerAlgorithm::Hs256 => PlayerKey::Hs256(Secret::new(text)),
            PlayerAlgorithm::EdDsa => PlayerKey::EdDsa(
                Ed25519PublicKey::parse(&text)
                    .map_err(|error| ConfigError::value("auth.player_key", error))?,
            ),
        };
        let service_key = match &self.service_key {
            Some(given) => Some(Secret::new(secret("auth.service_key", given)?)),
            None => None,
        };
        let lifetime = self
            .guest_lifetime
            .map_or(24 * 3_600_000, DurationText::millis);
        Ok(AuthSettings {
            player_key,
            service_key,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            guests: self.guests.then(|| Duration::from_millis(lifetime)),
        })
    }
}

impl LimitsSection {
    fn apply(&self, config: &mut EdgeConfig) {
        let limits = &mut config.limits;
        set(&mut limits.connections_max, self.connections_max);
        set(&mut limits.sockets_max, self.sockets_max);
        let millis = |text: DurationText| Duration::from_millis(text.millis());
        set(
            &mut limits.request_timeout,
            self.request_timeout.map(millis),
        );
        set(
            &mut limits.header_read_timeout,
            self.header_read_timeout.map(millis),
        );
        set(
            &mut limits.slow_client_timeout,
            self.slow_client_timeout.map(millis),
        );
        set(&mut limits.at_least_wait, self.at_least_wait.map(millis));
        limits.player_rate = rate(limits.player_rate, self.player_rate, self.player_burst);
        limits.guest_rate = rate(limits.guest_rate, self.guest_rate, self.guest_burst);
    }
}

impl HuntSection {
    /// The hunt as the API takes it, its area read.
    pub(crate) fn request(&self) -> Result<HuntRequest, AreaFileError> {
        let path = self.area.get_ref();
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| AreaFileError::Read {
            path: path.clone(),
            source,
        })?;
        let area = serde_json::from_str(&text).map_err(|source| AreaFileError::Json {
            path: path.clone(),
            source,
        })?;
        Ok(HuntRequest {
            id: self.id.clone(),
            area,
            resolution: *self.resolution.get_ref(),
            round: *self.round.get_ref(),
            claim_window: *self.claim_window.get_ref(),
            tiles: *self.tiles.get_ref(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            values: self.values.clone(),
            values_hidden: self.values_hidden,
        })
    }

    /// Where a field's value stands in the file; the area's for fields without a place.
    fn place_of(&self, field: &str) -> Range<usize> {
        match field {
            "resolution" => self.resolution.span(),
            "round" => self.round.span(),
            "claim_window" => self.claim_window.span(),
            "tiles" => self.tiles.span(),
            _ => self.area.span(),
        }
    }
}

/// Why an area's file gives no area.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AreaFileError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
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

fn rate(default: Option<Rate>, per_second: Option<u32>, burst: Option<u32>) -> Option<Rate> {
    let per_second = per_second.or(default.map(|rate| rate.per_second))?;
    if per_second == 0 {
        return None;
    }
    let burst = burst
        .or(default.map(|rate| rate.burst))
        .unwrap_or(per_second);
    Some(Rate {
        per_second,
        burst: burst.max(1),
    })
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
            ("shards = 1\n", ["log", "missing"]),
        ] {
            let error = parse(text).expect_err(text).to_string();
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
    fn a_home_that_is_not_there_yet_is_refused() {
        let config = parse("[log]\nurl = \"redis://127.0.0.1\"").expect("well-formed");
        let error = config.log_home().expect_err("no such home").to_string();
        assert!(
            error.starts_with("log.url: ") && error.contains("file:PATH"),
            "{error}"
        );
    }
}
