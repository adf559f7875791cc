//! `[[sink]]`: where what is committed is written to besides the log.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use huntcore_sink_postgres::{SchemaName, SinkConfig, SinkName, Target};
use serde::Deserialize;
use toml::Spanned;

use super::units::Span;
use super::{ConfigError, Source, secret};

/// More are not needed, and each reads the log and has a thread.
const SINKS_MAX: usize = 8;

/// `[[sink]]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkSection {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, or `env:NAME`.
    url: Spanned<String>,
    /// In metrics and messages; needed when there are several.
    name: Option<Spanned<String>>,
    /// The schema that holds its tables.
    schema: Option<Spanned<String>>,
    /// Records of one transaction, about.
    batch: Option<Spanned<u64>>,
    /// From one transaction to the next, unless there is enough for one sooner.
    interval: Option<Spanned<Span>>,
    /// How long rows are kept.
    retention: Option<Spanned<Span>>,
    /// For how long beyond its own retention the log keeps what the sink lacks.
    hold: Option<Spanned<Span>>,
}

impl SinkSection {
    fn settings(&self, index: usize, source: &Source) -> Result<SinkConfig, ConfigError> {
        let key = |field: &str| format!("sink {}: {field}", index + 1);
        let url = secret(&key("url"), self.url.get_ref())?;
        // The error tells what is wrong, never the text itself: it may hold a password.
        let target: Target = url
            .parse()
            .map_err(|error| source.fault(&self.url.span(), key("url"), error))?;
        let name = match &self.name {
            None => "postgres".parse().expect("a good name"),
            Some(name) => name
                .get_ref()
                .parse::<SinkName>()
                .map_err(|error| source.fault(&name.span(), key("name"), error))?,
        };
        let mut config = SinkConfig::new(name, target);
        if let Some(schema) = &self.schema {
            let parsed = schema.get_ref().parse::<SchemaName>();
            config.schema =
                parsed.map_err(|error| source.fault(&schema.span(), key("schema"), error))?;
        }
        if let Some(batch) = &self.batch {
            let found = *batch.get_ref();
            if !(1..=1_000_000).contains(&found) {
                let reason = format!("is {found}, expected 1 to 1000000");
                return Err(source.fault(&batch.span(), key("batch"), reason));
            }
            config.batch = found;
        }
        let day = Duration::from_hours(24);
        let spans: [(_, _, _, RangeInclusive<Duration>); 3] = [
            (
                "interval",
                &self.interval,
                &mut config.interval,
                Duration::from_millis(1)..=Duration::from_secs(60),
            ),
            (
                "retention",
                &self.retention,
                &mut config.retention,
                day..=day * 36_500,
            ),
            (
                "hold",
                &self.hold,
                &mut config.hold,
                Duration::ZERO..=day * 365,
            ),
        ];
        for (field, given, setting, range) in spans {
            *setting = super::log::span(source, &key(field), given.as_ref(), *setting, range)?;
        }
        Ok(config)
    }
}

/// All sinks of a configuration; no two have one name, or write into one schema.
pub(super) fn settings(
    sections: &[SinkSection],
    source: &Source,
) -> Result<Vec<SinkConfig>, ConfigError> {
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    let mut sinks = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let url = section.url.span();
        if index == SINKS_MAX {
            let reason = format!("there are {}, expected at most {SINKS_MAX}", sections.len());
            return Err(source.fault(&url, "sink", reason));
        }
        let config = section.settings(index, source)?;
        let key = |field: &str| format!("sink {}: {field}", index + 1);
        if !names.insert(config.name.clone()) {
            let reason = format!("another sink is called {}: give each a name", config.name);
            return Err(source.fault(&url, key("name"), reason));
        }
        let place = (config.target.to_string(), config.schema.clone());
        if !places.insert(place) {
            let reason = format!("another sink writes into {} too", config.schema);
            return Err(source.fault(&url, key("schema"), reason));
        }
        sinks.push(config);
    }
    Ok(sinks)
}

impl std::fmt::Debug for SinkSection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SinkSection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
