//! Rules for lock files: they install anywhere, from the public registries alone.

use huntcore_tidy::{none, read};
use serde_json::Value;

const NPM_LOCKS: [&str; 2] = ["web/package-lock.json", "sdk/typescript/package-lock.json"];

#[test]
fn npm_packages_are_locked_without_the_name_of_any_host() {
    let mut breaches = Vec::new();
    for file in NPM_LOCKS {
        let lock = npm_lock(file);
        let named = packages(&lock).filter(|(_, package)| {
            // A link leads to a folder of the repository.
            package.get("resolved").is_some() && package.get("link").is_none()
        });
        breaches.extend(
            named.map(|(path, package)| format!("{file}: {path}: {}", package["resolved"])),
        );
    }
    none(
        "package-lock.json names no download address (.npmrc sees to it)",
        &breaches,
    );
}

#[test]
fn npm_packages_are_locked_whole_for_every_platform() {
    let mut breaches = Vec::new();
    for file in NPM_LOCKS {
        let lock = npm_lock(file);
        for (path, package) in packages(&lock) {
            let is_ours = path.is_empty() || package.get("link").is_some();
            if !is_ours && package["version"].as_str().is_none() {
                breaches.push(format!("{file}: {path} has no version"));
            }
            // A package that exists for another platform only is left out by `npm install` where
            // its registry lacks it, and `npm ci` then refuses the file everywhere.
            let optional = package["optionalDependencies"].as_object();
            for name in optional.into_iter().flat_map(|o| o.keys()) {
                if !packages(&lock).any(|(p, _)| p.ends_with(&format!("node_modules/{name}"))) {
                    breaches.push(format!("{file}: {path} wants {name}, which is not locked"));
                }
            }
        }
    }
    none("npm ci accepts package-lock.json", &breaches);
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

fn npm_lock(file: &str) -> Value {
    serde_json::from_str(&read(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Every locked package with its path; the path of the one that the file stands beside is empty.
fn packages(lock: &Value) -> impl Iterator<Item = (&String, &Value)> {
    lock["packages"]
        .as_object()
        .expect("a lock file of version 3")
        .iter()
}
