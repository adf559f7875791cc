//! Follows the `[flags]` of a configuration file while the server runs.
//!
//! What the file says is applied when that differs from what it said last, which the log
//! remembers; so what an operator has set since stays, also across a restart. A file that
//! cannot be read changes nothing: what it said before goes on, and the fault is told once.
//!
//! Nobody says when a file that is written in place is complete. So a text counts once two
//! looks in a row have found it, and an empty one never. Whoever takes longer than that to
//! write a file has to write another one and rename it.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use huntcore_edge::{Backend, CommandError, FlagTurn};
use huntcore_model::{Catalog, FlagKey, FlagSource, FlagValue};
use tokio::sync::watch;

use crate::config::{ConfigFile, FlagLine};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A configuration file's flags.
#[derive(Debug)]
pub(crate) struct FlagFile {
    path: PathBuf,
    text: String,
    /// Another text, which the last look found for the first time.
    found: Option<String>,
    lines: Vec<FlagLine>,
    /// Faults of this text that were told.
    told: HashSet<String>,
}

impl FlagFile {
    /// What a configuration that has just been read says.
    pub(crate) fn new(path: PathBuf, text: String, lines: Vec<FlagLine>) -> Self {
        Self {
            path,
            text,
            found: None,
            lines,
            told: HashSet::new(),
        }
    }

    /// Looks again and again whether the file says something else, until `stop`.
    pub(crate) async fn follow(
        mut self,
        backend: Arc<dyn Backend>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            self.look().await;
            self.apply(backend.as_ref()).await;
        }
    }

    /// Reads the file, and takes over what it says if it was changed and is complete.
    async fn look(&mut self) {
        let found_before = self.found.take();
        let text = match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => text,
            // Whoever writes it anew may take it away for a moment.
            Err(error) => return self.warn(&format!("cannot be read: {error}")),
        };
        if text == self.text {
            return;
        }
        if text.trim_ascii().is_empty() {
            return self.warn("is empty: its flags stay as they were");
        }
        if found_before.as_ref() != Some(&text) {
            self.found = Some(text);
            return;
        }
        self.text.clone_from(&text);
        self.told.clear();
        let read = ConfigFile::parse(&self.path, text).and_then(|config| config.flags());
        match read {
            Ok(lines) => self.lines = lines,
            Err(error) => self.warn(&format!("its flags stay as they were: {error}")),
        }
    }

    /// Has done what the file says and did not say last.
    pub(crate) async fn apply(&mut self, backend: &dyn Backend) {
        let catalog = backend.view().catalog.clone();
        for (key, value, line) in self.turns(&catalog) {
            let (flag, hunt, board) = key;
            let turn = FlagTurn {
                flag,
                hunt,
                board,
                value,
                by: FlagSource::File,
                reason: match value {
                    Some(_) => "the configuration file says so".to_owned(),
                    None => "the configuration file says so no longer".to_owned(),
                },
            };
            match backend.turn_flag(turn).await {
                Ok(_) => tracing::info!(%flag, line, "turned by the configuration file"),
                Err(CommandError::Stopping) => return,
                Err(error) => self.warn(&format!("{}{flag}: {error}", at(line))),
            }
        }
    }

    /// What is to be turned: what the file says otherwise than it did, and what it says no
    /// more.
    fn turns(&mut self, catalog: &Catalog) -> Vec<(FlagKey, Option<FlagValue>, Option<usize>)> {
        let mut says = BTreeMap::new();
        let mut unknown = Vec::new();
        for line in &self.lines {
            let hunt = match &line.hunt {
                None => None,
                Some(id) => match catalog.hunt(id) {
                    Some(entry) => Some(entry.number),
                    None => {
                        unknown.push(format!("{}there is no hunt {id} yet", at(Some(line.line))));
                        continue;
                    }
                },
            };
            says.insert((line.flag, hunt, line.board), (line.value, line.line));
        }
        for fault in unknown {
            self.warn(&fault);
        }
        let said: BTreeMap<FlagKey, FlagValue> = catalog
            .flags()
            .settings()
            .filter_map(|(key, setting)| Some((*key, setting.file?)))
            .collect();
        let gone = said
            .keys()
            .filter(|key| !says.contains_key(*key))
            .map(|key| (*key, None, None));
        let new = says
            .iter()
            .filter(|(key, (value, _))| said.get(*key) != Some(value))
            .map(|(key, (value, line))| (*key, Some(*value), Some(*line)));
        gone.chain(new).collect()
    }

    /// Tells a fault, once for each text of the file.
    fn warn(&mut self, fault: &str) {
        if self.told.insert(fault.to_owned()) {
            tracing::warn!("{}: {fault}", self.path.display());
        }
    }
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: "))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const TWO: &str = "[flags]\n\"boards.refresh\" = \"frozen\"\n\"boards.shadow\" = true\n";

    fn flag_file(path: &Path, text: &str) -> FlagFile {
        fs::write(path, text).expect("written");
        let config = ConfigFile::parse(path, text.to_owned()).expect("a configuration");
        config.flag_file().expect("flags")
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_unsets_no_flag() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("huntcore.toml");
        let mut file = flag_file(&path, TWO);
        assert_eq!(file.lines.len(), 2);
        let one = &TWO[..TWO.find("\"boards.shadow").expect("there")];
        // As a writer that is looked at after truncating it, and after each write.
        for text in ["", "", "[flags]\n", one, "\n \n", one, "", one, TWO, one] {
            fs::write(&path, text).expect("written");
            file.look().await;
            assert_eq!(file.lines.len(), 2, "after {text:?}");
        }
        fs::remove_file(&path).expect("removed");
        file.look().await;
        assert_eq!(file.lines.len(), 2);
        fs::write(&path, one).expect("written");
        file.look().await;
        assert_eq!(file.lines.len(), 2, "seen once since it was away");
        file.look().await;
        assert_eq!(file.lines.len(), 1, "complete");
    }
}
