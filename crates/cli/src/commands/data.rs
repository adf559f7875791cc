//! Which log a command looks into: the options that all of them share.

use std::path::{Path, PathBuf};

use clap::Args;
use huntcore_log_file::{FileLog, Inspection};
use huntcore_model::{Sequence, ShardId, ShardMap};

use crate::config::{ConfigFile, LogHome};
use crate::output::Failed;

const DEFAULT_CONFIG: &str = "huntcore.toml";

/// A log's directory, given or taken from the configuration.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataPlace {
    /// The log's directory. Without it, the one that the configuration names.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's configuration file; huntcore.toml if neither is given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A log, to look into; nothing is changed and no lock is needed.
pub(crate) struct OpenedData {
    pub(crate) directory: PathBuf,
    pub(crate) inspection: Inspection,
    /// The configuration, if one was given or needed.
    pub(crate) config: Option<ConfigFile>,
}

impl OpenedData {
    /// Where the log's checkpoints are.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.directory.join("checkpoints")
    }

    /// The shards that the log has.
    pub(crate) fn shard_map(&self) -> Result<ShardMap, Failed> {
        let shards = self.inspection.shards().iter();
        let shards = shards.filter(|shard| !shard.is_control());
        let numbers: Vec<u16> = shards.map(|shard| shard.get()).collect();
        let count = u16::try_from(numbers.len())?;
        if !(0..count).eq(numbers.iter().copied()) {
            return Err(Failed::new(format!(
                "the log's shards are {numbers:?}, expected all from 0 on: its first start was \
                 interrupted, or a stream is missing"
            )));
        }
        Ok(ShardMap::new(count)?)
    }
}

impl DataPlace {
    pub(crate) fn open(&self) -> Result<OpenedData, Failed> {
        let (directory, config) = self.find()?;
        let inspection = FileLog::inspect(&directory)?;
        if inspection.shards().is_empty() {
            let directory = directory.display();
            return Err(Failed::new(format!(
                "{directory} is empty: no log was begun there"
            )));
        }
        Ok(OpenedData {
            directory,
            inspection,
            config,
        })
    }

    /// The log's directory, whatever is in it.
    pub(crate) fn directory(&self) -> Result<PathBuf, Failed> {
        Ok(self.find()?.0)
    }

    fn find(&self) -> Result<(PathBuf, Option<ConfigFile>), Failed> {
        let config_path = match (&self.config, &self.data) {
            (Some(path), _) => Some(path.as_path()),
            (None, Some(_)) => None,
            (None, None) => Some(Path::new(DEFAULT_CONFIG)),
        };
        let config = config_path.map(ConfigFile::read).transpose()?;
        let directory = match (&self.data, &config) {
            (Some(data), _) => data.clone(),
            (None, Some(config)) => {
                let LogHome::File(data) = config.log_home()?;
                data
            }
            (None, None) => return Err(Failed::new("neither --data nor --config is given")),
        };
        Ok((directory, config))
    }
}

/// The oldest record of a stream that was not trimmed.
pub(crate) fn oldest(inspection: &Inspection, shard: ShardId) -> Result<Sequence, Failed> {
    let listing = inspection.list(shard)?;
    let oldest = listing.segments.first().map(|segment| segment.first);
    Ok(oldest.unwrap_or_default())
}
