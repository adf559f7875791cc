//! What the documents tell a reader to type exists.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{repository, run};

#[test]
fn every_command_line_in_a_document_is_understood() {
    let mut helps = BTreeMap::new();
    let mut breaches = Vec::new();
    for (path, line) in command_lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = Vec::new();
        let mut help = help(&mut helps, &command);
        for word in &words {
            let named = help
                .lines()
                .any(|l| l.trim_start().starts_with(&format!("{word} ")));
            if help.contains("Commands:") && named && !word.starts_with('-') {
                command.push(*word);
                help = self::help(&mut helps, &command);
            } else if command.is_empty() {
                breaches.push(format!("{path}: huntcore {line}: no command {word}"));
                break;
            }
            let option = word.split('=').next().unwrap_or_default();
            if option.starts_with("--") && !help.contains(option) {
                breaches.push(format!("{path}: huntcore {line}: no option {option}"));
            }
        }
    }
    assert!(breaches.is_empty(), "\n  {}", breaches.join("\n  "));
}

/// What follows `huntcore` in every code block and code span of the documents.
fn command_lines() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ]
    .map(|name| repository().join(name))
    .into_iter()
    .chain(
        fs::read_dir(repository().join("docs"))
            .expect("docs")
            .flatten()
            .map(|f| f.path()),
    )
    .filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let name = path
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        let mut in_block = false;
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("```") {
                in_block = !in_block;
                continue;
            }
            let codes: Vec<&str> = if in_block {
                vec![line]
            } else {
                line.split('`').skip(1).step_by(2).collect()
            };
            for code in codes {
                let code = code
                    .trim_start_matches("$ ")
                    .trim_start_matches("target/release/");
                let Some(rest) = code.strip_prefix("huntcore ") else {
                    continue;
                };
                // Up to a comment, a pipe, or the rest of a shell's line.
                let end = rest
                    .find(['#', '|', '&', ';', '>', '\\', '$'])
                    .unwrap_or(rest.len());
                // A table of commands puts what they do after two blanks.
                let rest = rest[..end].split("  ").next().unwrap_or_default().trim();
                if rest.starts_with(|c: char| c.is_ascii_lowercase()) {
                    found.push((name.clone(), rest.to_owned()));
                }
            }
        }
    }
    assert!(!found.is_empty(), "no document names a command");
    found
}

fn help(known: &mut BTreeMap<String, String>, command: &[&str]) -> String {
    let name = command.join(" ");
    known
        .entry(name)
        .or_insert_with(|| {
            let mut arguments = command.to_vec();
            arguments.push("--help");
            run(&arguments, &repository()).stdout
        })
        .clone()
}
