//! Reads the repository for the tests in `tests/it`, which hold its rules: what a pure crate may
//! use, how long a file may be, that documents name things that exist.
//!
//! It judges text, not meaning: whatever the compiler, clippy or cargo-deny can check, they do.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that decide or fold: no clock, randomness, I/O, threads or environment.
pub const PURE: &[&str] = &[
    "audit",
    "board",
    "broadcast",
    "capacity",
    "engine",
    "log",
    "map",
    "model",
    "verify",
    "wire",
];

/// Folders that hold nothing written by hand.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "dist", "data"];

/// The repository's root folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("crates/tidy lies two folders below the root")
        .to_path_buf()
}

/// One file of the repository.
pub struct File {
    /// Its path below the root, with forward slashes.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Every text file below `folder` whose name ends in one of `endings`, by path.
pub fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The file at `path` below the root.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A crate of the workspace.
pub struct Crate {
    /// Its folder under `crates/`.
    pub folder: String,
    /// Its parsed manifest.
    pub manifest: toml::Table,
}

impl Crate {
    /// Whether it is one of the pure ones.
    pub fn is_pure(&self) -> bool {
        PURE.contains(&self.folder.as_str())
    }

    /// The names in one of the manifest's dependency tables.
    pub fn dependencies(&self, table: &str) -> Vec<String> {
        let named = self.manifest.get(table).and_then(toml::Value::as_table);
        named
            .map(|t| t.keys().cloned().collect())
            .unwrap_or_default()
    }
}

/// Every crate of the workspace, by folder.
pub fn crates() -> Vec<Crate> {
    let mut found: Vec<Crate> = files("crates", &["Cargo.toml"])
        .into_iter()
        .map(|file| Crate {
            folder: file
                .path
                .split('/')
                .nth(1)
                .expect("crates/FOLDER/Cargo.toml")
                .to_owned(),
            manifest: file
                .text
                .parse()
                .unwrap_or_else(|e| panic!("{}: {e}", file.path)),
        })
        .collect();
    found.sort_by(|a, b| a.folder.cmp(&b.folder));
    found
}

/// Fails, listing every breach, unless there is none.
///
/// # Panics
/// When `breaches` is not empty.
pub fn none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

fn walk(folder: &Path, endings: &[&str], found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(&path, endings, found);
            }
        } else if endings.iter().any(|e| name.ends_with(e)) {
            // Files come and go in a working copy; one that is gone by now breaks no rule.
            if let Ok(text) = fs::read_to_string(&path) {
                let below = path.strip_prefix(root()).expect("walked from the root");
                found.push(File {
                    path: below.to_string_lossy().replace('\\', "/"),
                    text,
                });
            }
        }
    }
}
