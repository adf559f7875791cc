//! Rules for source files.

use huntcore_tidy::{File, PURE, files, none};

/// Split a file at its second reason to change; past this length there is one.
const LINES_MAX: usize = 600;

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let breaches: Vec<String> = sources()
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| format!("{}: {lines} lines", file.path))
        .collect();
    none(
        "a source file is split before it passes 600 lines",
        &breaches,
    );
}

#[test]
fn every_rust_file_opens_with_what_it_is_for() {
    let breaches: Vec<String> = files("crates", &[".rs"])
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.path)
        .collect();
    none("a Rust file begins with a //! header", &breaches);
}

#[test]
fn pure_crates_name_no_files_sockets_threads_clocks_or_environment() {
    let outside = [
        "std::fs",
        "std::net",
        "std::env",
        "std::os",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "std::time::SystemTime",
        "Timestamp::now",
        "Zoned::now",
    ];
    let mut breaches = Vec::new();
    for folder in PURE {
        for file in files(&format!("crates/{folder}/src"), &[".rs"]) {
            for (number, line) in file.text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(named) = outside.iter().find(|o| code.contains(*o)) {
                    breaches.push(format!("{}:{}: {named}", file.path, number + 1));
                }
            }
        }
    }
    none(
        "a pure crate gets time, randomness and bytes as arguments",
        &breaches,
    );
}

#[test]
fn nothing_is_left_to_be_done_later_in_a_comment() {
    // Put together here, so that this file does not break its own rule.
    let marks = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X:"].concat(),
    ];
    let mut breaches = Vec::new();
    for file in sources() {
        for (number, line) in file.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark.as_str())) {
                breaches.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none("what is left to do is an issue, not a comment", &breaches);
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let (outer, inner) = (["#[", "allow("].concat(), ["#![", "allow("].concat());
    let mut breaches = Vec::new();
    for file in files("crates", &[".rs"]) {
        for (number, line) in file.text.lines().enumerate() {
            if line.contains(&outer) || line.contains(&inner) {
                breaches.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(
        "use #[expect(…, reason = \"…\")], which fails once it is no longer needed",
        &breaches,
    );
}

fn sources() -> Vec<File> {
    let mut all = files("crates", &[".rs"]);
    all.extend(files("web", &[".ts", ".svelte", ".css", ".mjs", ".js"]));
    all.extend(files("sdk", &[".ts"]));
    all.extend(files("scripts", &[""]));
    all
}
