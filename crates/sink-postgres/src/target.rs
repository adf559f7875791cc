//! Where a sink writes: the server, how the connection is kept secret, the schema.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A server and a database, read from `postgres://user:password@host:port/database`.
///
/// Shown without its password, and without any option.
#[derive(Clone)]
pub struct Target {
    pub(crate) config: Config,
    pub(crate) trust: Trust,
}

/// What is asked of a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: encrypted, but to whom is not known.
    Anybody,
    /// One of these authorities has signed it.
    SignedBy(PathBuf),
    /// That, and it names the host that was asked for.
    NamedHost(PathBuf),
}

/// Why a text names no target. It never says what the text was: that may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|start| url.starts_with(start));
        if !is_url {
            return Err(TargetError(
                "is no URL of a sink, expected postgres://USER:PASSWORD@HOST:PORT/DATABASE or \
                 env:NAME"
                    .to_owned(),
            ));
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut rest = Vec::new();
        let (mut mode, mut authorities) = ("prefer", None);
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", found)) => mode = found,
                Some(("sslrootcert", found)) => {
                    authorities = Some(PathBuf::from(found.replace("%2F", "/")));
                }
                _ => rest.push(option),
            }
        }
        let url = format!("{address}?{}", rest.join("&"));
        let parsed = url.trim_end_matches('?').parse::<Config>();
        let mut config = parsed.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| error.to_string());
            TargetError(format!("is no URL of PostgreSQL: {cause}"))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(TargetError("names no host".to_owned()));
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(TargetError("names no database after the host".to_owned()));
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(TargetError("names no user before the host".to_owned()));
        }
        let (ssl_mode, trust) = match (mode, authorities) {
            ("disable", _) => (SslMode::Disable, Trust::Anybody),
            ("prefer", _) => (SslMode::Prefer, Trust::Anybody),
            ("require", None) => (SslMode::Require, Trust::Anybody),
            // As libpq has it: whoever brings authorities wants them asked.
            ("require" | "verify-ca", Some(file)) => (SslMode::Require, Trust::SignedBy(file)),
            ("verify-full", Some(file)) => (SslMode::Require, Trust::NamedHost(file)),
            ("verify-ca" | "verify-full", None) => {
                let reason = format!("has sslmode={mode}, which needs sslrootcert=FILE");
                return Err(TargetError(reason));
            }
            (other, _) => {
                return Err(TargetError(format!(
                    "has sslmode={other:?}, expected disable, prefer, require, verify-ca or \
                     verify-full"
                )));
            }
        };
        config.ssl_mode(ssl_mode);
        if config.get_application_name().is_none() {
            config.application_name("huntcore");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        config.keepalives_idle(Duration::from_secs(30));
        config.tcp_user_timeout(Duration::from_secs(60));
        Ok(Self { config, trust })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        write!(formatter, "{}@", config.get_user().unwrap_or_default())?;
        match config.get_hosts().first() {
            Some(Host::Tcp(host)) => formatter.write_str(host)?,
            Some(Host::Unix(folder)) => write!(formatter, "{}", folder.display())?,
            None => {}
        }
        if let Some(port) = config.get_ports().first() {
            write!(formatter, ":{port}")?;
        }
        write!(formatter, "/{}", config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Why a text is not the name of a sink or schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not {expected}")]
pub struct SinkNameError {
    found: String,
    expected: &'static str,
}

/// A sink's name, in metrics and messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SinkName(String);

/// The schema that holds a sink's tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaName(String);

macro_rules! name {
    ($name:ident, $max:literal, $first:expr, $rest:expr, $expected:literal) => {
        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SinkNameError;

            fn from_str(text: &str) -> Result<Self, SinkNameError> {
                let (first, rest): (fn(u8) -> bool, fn(u8) -> bool) = ($first, $rest);
                let mut bytes = text.bytes();
                let good = bytes.next().is_some_and(first) && bytes.all(rest);
                if good && text.len() <= $max && !text.starts_with("pg_") {
                    return Ok(Self(text.to_owned()));
                }
                Err(SinkNameError {
                    found: text.chars().take(80).collect(),
                    expected: $expected,
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

name!(
    SinkName,
    32,
    |first| first.is_ascii_lowercase(),
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
    "a sink's name: 1 to 32 of a-z, 0-9 and -, a letter first"
);
name!(
    SchemaName,
    40,
    |first| first.is_ascii_lowercase() || first == b'_',
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_',
    "a schema's name: 1 to 40 of a-z, 0-9 and _, no digit first, not beginning with pg_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_shown_without_its_password() {
        let target: Target = "postgres://me:s3cret@db.example:6543/scores?sslmode=require"
            .parse()
            .expect("a URL");
        assert_eq!(target.to_string(), "me@db.example:6543/scores");
        assert_eq!(format!("{target:?}"), "me@db.example:6543/scores");
        assert_eq!(target.config.get_password(), Some(&b"s3cret"[..]));
        assert_eq!(target.config.get_ssl_mode(), SslMode::Require);
        let socket: Target = "postgres://me@%2Frun%2Fpg/scores".parse().expect("a URL");
        assert_eq!(socket.to_string(), "me@/run/pg:5432/scores");
    }

    #[test]
    fn authorities_decide_what_a_certificate_has_to_show() {
        for (options, trust) in [
            ("sslmode=require", Trust::Anybody),
            (
                "sslmode=require&sslrootcert=/ca.pem",
                Trust::SignedBy("/ca.pem".into()),
            ),
            (
                "sslrootcert=%2Fca.pem&sslmode=verify-full",
                Trust::NamedHost("/ca.pem".into()),
            ),
        ] {
            let url = format!("postgres://me@db/scores?{options}&application_name=x");
            let target: Target = url.parse().expect(options);
            assert_eq!(target.trust, trust, "{options}");
            assert_eq!(target.config.get_application_name(), Some("x"));
        }
    }

    #[test]
    fn a_bad_url_is_refused_in_words_that_hold_no_password() {
        for (url, reason) in [
            ("mysql://me:s3cret@db/x", "is no URL of a sink"),
            ("", "is no URL of a sink"),
            ("postgres://me:s3cret@db:port/x", "is no URL of PostgreSQL"),
            (
                "postgres://me:s3cret@db/x?sslmode=maybe",
                "expected disable, prefer",
            ),
            (
                "postgres://me:s3cret@db/x?sslmode=verify-full",
                "needs sslrootcert=FILE",
            ),
            ("postgres://me:s3cret@db/x?surprise=1", "surprise"),
            ("postgres://me:s3cret@db", "names no database"),
            ("postgres://db/x", "names no user"),
            ("postgres:///x", "names no host"),
        ] {
            let error = url.parse::<Target>().expect_err(url).to_string();
            assert!(error.contains(reason), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        assert!("huntcore".parse::<SchemaName>().is_ok());
        for bad in ["", "Hunt", "pg_x", "a b", "a\"b", "1a", &"x".repeat(41)] {
            assert!(bad.parse::<SchemaName>().is_err(), "{bad}");
        }
        assert!("main-2".parse::<SinkName>().is_ok());
        for bad in ["", "-a", "2", "a_b", "a\"", &"x".repeat(33)] {
            assert!(bad.parse::<SinkName>().is_err(), "{bad}");
        }
    }
}
