//! `[log]`: where the log lives, how long, and how much of it there may be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use huntcore_log_file::FileLogOptions;
use huntcore_node::{CheckpointHome, EventKeysHome, NodeConfig};
use serde::Deserialize;
use toml::Spanned;

use super::units::{Space, Span};
use super::{ConfigError, Source};

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSection {
    /// `file:PATH`.
    pub(crate) url: String,
    /// Length of one file of a stream; the log is trimmed by whole files.
    #[serde(default)]
    segment_size: Option<Spanned<Space>>,
    /// So much of the log is kept at least.
    #[serde(default)]
    retention: Option<Spanned<Span>>,
    /// New work is refused while the log takes more space than this.
    #[serde(default)]
    size_max: Option<Spanned<Space>>,
    /// New work is refused while the file system has less space than this.
    #[serde(default)]
    free_min: Option<Spanned<Space>>,
    /// While the log grows, a checkpoint is taken at least this often,
    #[serde(default)]
    checkpoint_every: Option<Spanned<Span>>,
    /// and whenever the log has grown by so much since the last.
    #[serde(default)]
    checkpoint_bytes: Option<Spanned<Space>>,
}

/// Where the log lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogHome {
    /// A directory.
    File(PathBuf),
}

/// What is kept of the log, and what is left to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogKeeps {
    pub(crate) retention: Duration,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) free_bytes_min: u64,
}

/// A stream has a file that is written to and one made ahead; with fewer than this many, it
/// could never be trimmed below its cap.
const SEGMENTS_MIN: u64 = 4;

impl LogSection {
    pub(super) fn home(&self) -> Result<LogHome, ConfigError> {
        let url = &self.url;
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

    /// How the log's files are kept.
    pub(super) fn file_options(&self, source: &Source) -> Result<FileLogOptions, ConfigError> {
        let mut options = FileLogOptions::default();
        options.segment_bytes = space(
            source,
            "log.segment_size",
            self.segment_size.as_ref(),
            options.segment_bytes,
            64 << 10..=4 << 30,
        )?;
        Ok(options)
    }

    /// What the node is told of keeping and trimming the log in `data`.
    pub(super) fn apply(
        &self,
        source: &Source,
        data: &Path,
        config: &mut NodeConfig,
    ) -> Result<(), ConfigError> {
        let forever = Duration::from_hours(24 * 36_500);
        config.retention = span(
            source,
            "log.retention",
            self.retention.as_ref(),
            config.retention,
            Duration::from_secs(1)..=forever,
        )?;
        config.checkpoint_every = span(
            source,
            "log.checkpoint_every",
            self.checkpoint_every.as_ref(),
            config.checkpoint_every,
            Duration::from_millis(100)..=Duration::from_hours(24),
        )?;
        config.checkpoint_log_bytes = space(
            source,
            "log.checkpoint_bytes",
            self.checkpoint_bytes.as_ref(),
            config.checkpoint_log_bytes,
            64 << 10..=1 << 40,
        )?;
        config.free_bytes_min = space(
            source,
            "log.free_min",
            self.free_min.as_ref(),
            config.free_bytes_min,
            0..=u64::MAX,
        )?;
        if let Some(size_max) = &self.size_max {
            let segment_bytes = self.file_options(source)?.segment_bytes;
            let streams = u64::from(config.shards.count()) + 1;
            let least = segment_bytes * streams * SEGMENTS_MIN;
            let found = size_max.get_ref().bytes();
            if found < least {
                let reason = format!(
                    "is {}, expected at least {}: {SEGMENTS_MIN} files of {} for each of \
                     {streams} streams",
                    size_max.get_ref(),
                    Space::new(least),
                    Space::new(segment_bytes)
                );
                return Err(source.fault(&size_max.span(), "log.size_max", reason));
            }
            config.log_bytes_max = Some(found);
        }
        config.checkpoints = Some(CheckpointHome::beside_log(data));
        config.event_keys = Some(EventKeysHome::beside_log(data));
        Ok(())
    }
}

pub(super) fn span(
    source: &Source,
    key: &str,
    given: Option<&Spanned<Span>>,
    default: Duration,
    range: std::ops::RangeInclusive<Duration>,
) -> Result<Duration, ConfigError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let found = given.get_ref().duration();
    if range.contains(&found) {
        return Ok(found);
    }
    let (least, most) = range.into_inner();
    let (least, most) = (Span::from(least), Span::from(most));
    let reason = format!("is {}, expected {least} to {most}", given.get_ref());
    Err(source.fault(&given.span(), key, reason))
}

fn space(
    source: &Source,
    key: &str,
    given: Option<&Spanned<Space>>,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, ConfigError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let found = given.get_ref().bytes();
    if range.contains(&found) {
        return Ok(found);
    }
    let (least, most) = range.into_inner();
    let (least, most) = (Space::new(least), Space::new(most));
    let reason = format!("is {}, expected {least} to {most}", given.get_ref());
    Err(source.fault(&given.span(), key, reason))
}
