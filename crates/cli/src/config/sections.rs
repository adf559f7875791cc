//! The sections of a configuration file, besides the log's.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use huntcore_edge::{
    AuthSettings, Ed25519PublicKey, EdgeConfig, PlayerKey, Rate, Secret, TlsFiles,
};
use huntcore_model::HuntId;
use huntcore_wire::{BoardSpec, DurationText, HuntRequest, Timestamp, ValueRow};
use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::units::Span;
use super::{ConfigError, Source, secret, set};

/// A certificate that was replaced is in use after this long.
const TLS_CHECK_EVERY: Duration = Duration::from_secs(10);

/// What a process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Roles {
    /// It decides, stores, and serves clients.
    #[default]
    All,
    /// It serves clients from what another server hands on.
    Edge,
}

/// `[auth]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthSection {
    #[serde(default)]
    player_alg: PlayerAlgorithm,
    player_key: Option<String>,
    service_key: Option<String>,
    pub(super) fairness_key: Option<String>,
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
    pub(super) socket_origins: Vec<String>,
    /// Pages that may read the API.
    pub(super) cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(super) trusted_proxies: Vec<IpNet>,
}

/// `[tls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSection {
    /// PEM: the certificate and those that lead to a known root. Paths are found from the
    /// configuration file's folder.
    pub(super) certificate: PathBuf,
    /// PEM: its private key.
    pub(super) key: PathBuf,
    /// How often to look whether they were replaced.
    #[serde(default)]
    check_every: Option<Spanned<Span>>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    pub(super) connections_max: Option<usize>,
    pub(super) sockets_max: Option<usize>,
    /// Of one address; an IPv6 /64 counts as one.
    pub(super) connections_per_address_max: Option<usize>,
    pub(super) sockets_per_player_max: Option<usize>,
    /// New connections a second; 0 for no limit.
    pub(super) connect_rate: Option<u32>,
    pub(super) connect_burst: Option<u32>,
    /// New connections of one address a second; 0 for no limit.
    pub(super) address_connect_rate: Option<u32>,
    pub(super) address_connect_burst: Option<u32>,
    /// Interests of their own that a hunt's live sockets may have together.
    pub(super) interest_classes_max: Option<usize>,
    /// Limits on one address hold for 127.0.0.0/8 and `::1` too.
    pub(super) limit_loopback: Option<bool>,
    /// Each player's attempts a second; 0 for no limit.
    pub(super) player_rate: Option<u32>,
    pub(super) player_burst: Option<u32>,
    /// Guest tokens for one address a second; 0 for no limit.
    pub(super) guest_rate: Option<u32>,
    pub(super) guest_burst: Option<u32>,
    pub(super) request_timeout: Option<DurationText>,
    pub(super) header_read_timeout: Option<DurationText>,
    pub(super) body_read_timeout: Option<DurationText>,
    pub(super) tls_handshake_timeout: Option<DurationText>,
    /// For a live socket's first message.
    pub(super) first_message_timeout: Option<DurationText>,
    /// Between pings on a quiet socket; three unanswered and it is closed.
    pub(super) ping_interval: Option<DurationText>,
    /// Over how long live sockets are told goodbye at shutdown, and then for everything to end.
    pub(super) drain: Option<DurationText>,
    pub(super) drain_timeout: Option<DurationText>,
    /// How long a peer may leave what it was sent unread.
    pub(super) response_write_timeout: Option<DurationText>,
    /// How long a stream of attempts may stand still.
    pub(super) stream_idle_timeout: Option<DurationText>,
    /// Attempts of one stream that await their outcome.
    pub(super) stream_attempts_max: Option<usize>,
    pub(super) slow_client_timeout: Option<DurationText>,
    pub(super) at_least_wait: Option<DurationText>,
    pub(super) players_max: Option<u32>,
    pub(super) events_max: Option<usize>,
    pub(super) events_sealed_at: Option<usize>,
    pub(super) event_horizon: Option<DurationText>,
    pub(super) answers_max: Option<usize>,
    pub(super) answer_ttl: Option<DurationText>,
}

/// `[live]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LiveSection {
    /// From one delta to the next.
    pub(super) tick: Option<DurationText>,
    /// A live board is pushed at most this often.
    pub(super) board_interval: Option<DurationText>,
    /// A player is told its own rank at most this often.
    pub(super) rank_interval: Option<DurationText>,
    /// A live socket's interest changes at most this often.
    pub(super) subscribe_interval: Option<DurationText>,
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
    #[serde(default)]
    board: Vec<Spanned<BoardSpec>>,
}

impl AuthSection {
    /// The key for service routes, this server's and its upstream's.
    pub(super) fn service_key(&self) -> Result<Option<String>, ConfigError> {
        let given = self.service_key.as_deref();
        given
            .map(|given| secret("auth.service_key", given))
            .transpose()
    }

    pub(super) fn settings(&self) -> Result<AuthSettings, ConfigError> {
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
        let service_key = self.service_key()?.map(Secret::new);
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

impl TlsSection {
    pub(super) fn files(&self, source: &Source) -> Result<TlsFiles, ConfigError> {
        let check_every = match &self.check_every {
            None => TLS_CHECK_EVERY,
            Some(given) => {
                let found = given.get_ref().duration();
                if found.is_zero() {
                    let reason = "is 0, expected at least 1ms";
                    return Err(source.fault(&given.span(), "tls.check_every", reason));
                }
                found
            }
        };
        Ok(TlsFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            check_every,
        })
    }
}

impl LimitsSection {
    pub(super) fn apply(&self, config: &mut EdgeConfig) {
        let limits = &mut config.limits;
        for (setting, given) in [
            (&mut limits.connections_max, self.connections_max),
            (&mut limits.sockets_max, self.sockets_max),
            (
                &mut limits.connections_per_address_max,
                self.connections_per_address_max,
            ),
            (
                &mut limits.sockets_per_player_max,
                self.sockets_per_player_max,
            ),
            (&mut limits.stream_attempts_max, self.stream_attempts_max),
            (&mut limits.interest_classes_max, self.interest_classes_max),
        ] {
            set(setting, given);
        }
        set(&mut limits.limit_loopback, self.limit_loopback);
        for (setting, given) in [
            (&mut limits.request_timeout, self.request_timeout),
            (&mut limits.header_read_timeout, self.header_read_timeout),
            (&mut limits.body_read_timeout, self.body_read_timeout),
            (
                &mut limits.tls_handshake_timeout,
                self.tls_handshake_timeout,
            ),
            (
                &mut limits.first_message_timeout,
                self.first_message_timeout,
            ),
            (&mut limits.ping_interval, self.ping_interval),
            (
                &mut limits.response_write_timeout,
                self.response_write_timeout,
            ),
            (&mut limits.stream_idle_timeout, self.stream_idle_timeout),
            (&mut limits.slow_client_timeout, self.slow_client_timeout),
            (&mut limits.at_least_wait, self.at_least_wait),
            (&mut limits.drain, self.drain),
            (&mut limits.drain_timeout, self.drain_timeout),
        ] {
            set(
                setting,
                given.map(|text| Duration::from_millis(text.millis())),
            );
        }
        limits.connect_rate = rate(limits.connect_rate, self.connect_rate, self.connect_burst);
        limits.address_connect_rate = rate(
            limits.address_connect_rate,
            self.address_connect_rate,
            self.address_connect_burst,
        );
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
            boards: self.boards(),
        })
    }

    /// Its boards, besides those that every hunt has.
    pub(crate) fn boards(&self) -> Vec<BoardSpec> {
        let boards = self.board.iter();
        boards.map(|board| board.get_ref().clone()).collect()
    }

    /// Where one of its boards is defined.
    pub(super) fn place_of_board(&self, index: usize) -> Range<usize> {
        let board = self.board.get(index);
        board.map_or_else(|| self.area.span(), Spanned::span)
    }

    /// Where a field's value stands in the file; the area's for fields without a place.
    pub(super) fn place_of(&self, field: &str) -> Range<usize> {
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
