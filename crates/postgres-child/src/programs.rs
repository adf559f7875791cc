//! Where PostgreSQL's programs are.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

/// PostgreSQL refuses to run as root; Debian's package makes this user.
pub(crate) const USER: &str = "postgres";

/// PostgreSQL's programs, and how to run them without being root.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    is_root: bool,
}

impl Programs {
    /// The newest version where Debian has them, or what is on the path.
    #[must_use]
    pub fn find() -> Option<Self> {
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&on_path);
        let versions = std::fs::read_dir("/usr/lib/postgresql");
        let mut versions: Vec<(u32, PathBuf)> = versions
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .collect();
        versions.sort();
        let versions = versions.into_iter().rev().map(|(_, folder)| folder);
        let has_all = |folder: &PathBuf| {
            let programs = ["initdb", "postgres", "psql"];
            programs.iter().all(|name| folder.join(name).exists())
        };
        let folder = versions.chain(on_path).find(has_all)?;
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        Some(Self { folder, is_root })
    }

    /// A program, run by somebody who may.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut words = self.words(program).into_iter();
        let mut command = Command::new(words.next().expect("a program at least"));
        command.args(words);
        command
    }

    pub(crate) const fn is_root(&self) -> bool {
        self.is_root
    }

    pub(crate) fn words(&self, program: &str) -> Vec<PathBuf> {
        let path = self.folder.join(program);
        if !self.is_root {
            return vec![path];
        }
        // Unlike su, setpriv leaves no process between its caller and the program.
        let other = [
            "setpriv",
            "--reuid",
            USER,
            "--regid",
            USER,
            "--clear-groups",
            "--",
        ];
        other.into_iter().map(PathBuf::from).chain([path]).collect()
    }
}
