//! Rules for documents: what they name exists.

use std::collections::BTreeSet;

use huntcore_tidy::{File, files, none, read, root};

#[test]
fn the_changelog_names_the_version_of_the_workspace() {
    let manifest: toml::Table = read("Cargo.toml")
        .parse()
        .expect("the root manifest is TOML");
    let version = manifest["workspace"]["package"]["version"]
        .as_str()
        .expect("a version");
    let changelog = read("CHANGELOG.md");
    let named = changelog
        .lines()
        .any(|line| line.starts_with(&format!("## [{version}]")));
    assert!(named, "CHANGELOG.md has no section \"## [{version}]\"");
}

#[test]
fn every_make_command_that_a_document_names_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(target, _)| target)
        .filter(|target| target.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .collect();
    assert!(
        targets.contains("test"),
        "the Makefile's targets could not be read"
    );
    let mut breaches = Vec::new();
    for file in documents() {
        for command in commands(&file.text, "make ") {
            if !targets.contains(command.as_str()) {
                breaches.push(format!("{}: make {command}", file.path));
            }
        }
    }
    none("a make command in a document is a target", &breaches);
}

#[test]
fn every_relative_link_in_a_document_leads_somewhere() {
    let mut breaches = Vec::new();
    for file in documents() {
        let folder = root()
            .join(&file.path)
            .parent()
            .expect("a file has a folder")
            .to_path_buf();
        for link in links(&file.text) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !folder.join(path).exists() {
                breaches.push(format!("{}: {link}", file.path));
            }
        }
    }
    none(
        "a relative link points at a file of the repository",
        &breaches,
    );
}

#[test]
fn every_crate_that_a_document_names_by_path_exists() {
    let mut breaches = Vec::new();
    for file in documents() {
        for (at, _) in file.text.match_indices("`crates/") {
            let path = file.text[at + 1..].split('`').next().unwrap_or_default();
            // `crates/NAME` and `crates/*` stand for any crate.
            let pattern = path["crates/".len()..].starts_with(|c: char| !c.is_ascii_lowercase());
            if !pattern && !root().join(path).exists() {
                breaches.push(format!("{}: {path}", file.path));
            }
        }
    }
    none("a path under crates/ in a document exists", &breaches);
}

#[test]
fn every_crate_has_its_line_in_the_map_of_the_code() {
    let map = read("ARCHITECTURE.md");
    let breaches: Vec<String> = huntcore_tidy::crates()
        .into_iter()
        .map(|member| member.folder)
        .filter(|folder| {
            !map.contains(&format!("`{folder}`")) && !map.contains(&format!("`crates/{folder}`"))
        })
        .collect();
    none("ARCHITECTURE.md says what each crate is for", &breaches);
}

fn documents() -> Vec<File> {
    files("", &[".md"])
}

/// The words that follow `prefix` in code spans and code blocks.
fn commands(text: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(
                line.trim_start()
                    .trim_start_matches("$ ")
                    .strip_prefix(prefix),
            );
        } else {
            found.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter_map(|c| c.strip_prefix(prefix)),
            );
        }
    }
    let word = |rest: &str| -> String {
        rest.chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '-')
            .collect()
    };
    found
        .into_iter()
        .map(word)
        .filter(|w| !w.is_empty())
        .collect()
}

/// The targets of inline links and images.
fn links(text: &str) -> Vec<&str> {
    text.match_indices("](")
        .filter_map(|(at, _)| text[at + 2..].split(')').next())
        .filter(|link| !link.contains(char::is_whitespace))
        .collect()
}
