//! Rules for crates and their manifests.

use huntcore_tidy::{PURE, crates, files, none, root};

/// What a pure crate may depend on, besides other pure crates. None of these opens a file or a
/// socket, reads a clock or draws randomness in the way that pure crates use them. Adding one is
/// a decision, not a convenience.
const PURE_MAY_USE: &[&str] = &[
    "base64",
    "blake3",
    "bytes",
    "crc32c",
    "geo",
    "geojson",
    "h3o",
    "hashbrown",
    "hex",
    "hkdf",
    "jiff",
    "memchr",
    "rand_chacha",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "utoipa",
    "xxhash-rust",
];

#[test]
fn pure_crates_depend_on_no_crate_that_does_io() {
    let mut breaches = Vec::new();
    for member in crates().iter().filter(|c| c.is_pure()) {
        for dependency in member.dependencies("dependencies") {
            let own = dependency.strip_prefix("huntcore-");
            let allowed = own.map_or_else(
                || PURE_MAY_USE.contains(&dependency.as_str()),
                |folder| PURE.contains(&folder),
            );
            if !allowed {
                breaches.push(format!("crates/{} depends on {dependency}", member.folder));
            }
        }
    }
    none(
        "a pure crate depends on pure crates and the short list in this test",
        &breaches,
    );
}

#[test]
fn every_pure_crate_named_here_exists() {
    let found: Vec<String> = crates().into_iter().map(|c| c.folder).collect();
    let gone: Vec<String> = PURE
        .iter()
        .filter(|p| !found.iter().any(|f| f == *p))
        .map(ToString::to_string)
        .collect();
    none("crates/tidy's list of pure crates is current", &gone);
}

#[test]
fn clippy_is_strict_for_pure_crates_and_relaxed_by_an_own_file_for_the_others() {
    let mut breaches = Vec::new();
    for member in crates() {
        let own = root()
            .join("crates")
            .join(&member.folder)
            .join("clippy.toml")
            .exists();
        if own == member.is_pure() {
            let what = if own { "has" } else { "lacks" };
            breaches.push(format!(
                "crates/{} {what} a clippy.toml of its own",
                member.folder
            ));
        }
    }
    none(
        "the root's clippy.toml is for pure crates, the rest have one each",
        &breaches,
    );
}

#[test]
fn a_crate_is_named_after_its_folder_and_takes_version_and_lints_from_the_workspace() {
    let mut breaches = Vec::new();
    for member in crates() {
        let package = &member.manifest["package"];
        let name = package["name"].as_str().unwrap_or_default();
        if name != format!("huntcore-{}", member.folder) {
            breaches.push(format!("crates/{}: package {name}", member.folder));
        }
        let inherits = |key: &str| {
            package
                .get(key)
                .and_then(|v| v.get("workspace"))
                .and_then(toml::Value::as_bool)
        };
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if inherits(key) != Some(true) {
                breaches.push(format!(
                    "crates/{}: {key} is not the workspace's",
                    member.folder
                ));
            }
        }
        let lints = member
            .manifest
            .get("lints")
            .and_then(|l| l.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            breaches.push(format!(
                "crates/{}: lints are not the workspace's",
                member.folder
            ));
        }
    }
    none(
        "crates/X is package huntcore-X and inherits the rest",
        &breaches,
    );
}

#[test]
fn no_manifest_names_a_dependency_that_its_crate_does_not_use() {
    let mut breaches = Vec::new();
    for member in crates() {
        let text: String = files(&format!("crates/{}", member.folder), &[".rs"])
            .into_iter()
            .map(|file| file.text)
            .collect();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in member.dependencies(table) {
                if !names(&text, &dependency.replace('-', "_")) {
                    breaches.push(format!("crates/{}: {dependency} in {table}", member.folder));
                }
            }
        }
    }
    none("every dependency is used", &breaches);
}

/// Whether `text` holds `word`, not as a part of a longer word.
fn names(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside)
    })
}
