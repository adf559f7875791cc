//! Rules for lock files: they install anywhere, from the public registries alone.

use huntcore_tidy::{none, read};
use serde_json::Value;

#[test]
fn the_console_is_locked_without_the_name_of_any_host() {
    let lock = console_lock();
    let breaches: Vec<String> = packages(&lock)
        .filter(|(_, package)| package.get("resolved").is_some())
        .map(|(path, package)| format!("{path}: {}", package["resolved"]))
        .collect();
    none(
        "web/package-lock.json names no download address (web/.npmrc sees to it)",
        &breaches,
    );
}

#[test]
fn the_console_is_locked_whole_for_every_platform() {
    let lock = console_lock();
    let mut breaches = Vec::new();
    for (path, package) in packages(&lock) {
        if !path.is_empty() && package["version"].as_str().is_none() {
            breaches.push(format!("{path} has no version"));
        }
        // A package that exists for another platform only is left out by `npm install` where its
        // registry lacks it, and `npm ci` then refuses the file everywhere.
        let optional = package["optionalDependencies"].as_object();
        for name in optional.into_iter().flat_map(|o| o.keys()) {
            if !packages(&lock).any(|(p, _)| p.ends_with(&format!("node_modules/{name}"))) {
                breaches.push(format!("{path} wants {name}, which is not locked"));
            }
        }
    }
    none("npm ci accepts web/package-lock.json", &breaches);
}

#[test]
fn rust_dependencies_come_from_crates_io_alone() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("Cargo.lock is TOML");
    let breaches: Vec<String> = lock["package"]
        .as_array()
        .expect("packages")
        .iter()
        .filter_map(|package| Some((package["name"].as_str()?, package.get("source")?.as_str()?)))
        .filter(|(_, source)| *source != "registry+https://github.com/rust-lang/crates.io-index")
        .map(|(name, source)| format!("{name}: {source}"))
        .collect();
    none("every locked crate comes from crates.io", &breaches);
}

fn console_lock() -> Value {
    serde_json::from_str(&read("web/package-lock.json")).expect("web/package-lock.json is JSON")
}

/// Every locked package with its path; the console's own path is empty.
fn packages(lock: &Value) -> impl Iterator<Item = (&String, &Value)> {
    lock["packages"]
        .as_object()
        .expect("a lock file of version 3")
        .iter()
}
