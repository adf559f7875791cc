//! Writes the table of the console's files into the binary; without a built console, one
//! page that says how to build it.
//!
//! The compiler reads copies: the bundler may replace its folder between this and that, and
//! the table must then still speak of files that are there, with the bytes that were tagged.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const DIST: &str = "../../web/dist";
const NOT_BUILT: &str = "src/routes/console_not_built.html";
/// The folder whose files the bundler names by their content.
const HASHED: &str = "/assets/";
/// Where the compiler finds them, below its own folder.
const COPIES: &str = "console";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist = root.join(DIST);
    println!(
        "cargo::rerun-if-changed={}",
        root.join("build.rs").display()
    );
    println!("cargo::rerun-if-changed={}", root.join(NOT_BUILT).display());
    // A watched path that is missing counts as changed at every build, and one that is not
    // watched is never found once it is there; so there is a folder, if an empty one. Where
    // none can be made, building every time is right, if slow.
    let web = root.join("../../web");
    if web.is_dir() && !dist.exists() {
        let _ = fs::create_dir(&dist);
    }
    if web.is_dir() {
        println!("cargo::rerun-if-changed={}", dist.display());
    }
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
        files.sort();
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let copies = out.join(COPIES);
    if copies.exists() {
        fs::remove_dir_all(&copies)?;
    }
    fs::create_dir(&copies)?;
    let mut table = Table {
        text: String::from("static ASSETS: &[Asset] = &[\n"),
        copies,
        count: 0,
    };
    if files.is_empty() {
        table.push("/", &root.join(NOT_BUILT))?;
    }
    for file in &files {
        let relative = file.strip_prefix(&dist).expect("found below it");
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let path = format!("/{}", parts.join("/"));
        match path.as_str() {
            "/index.html" => table.push("/", file)?,
            // Maps are for developers, who have the sources.
            _ if path.ends_with(".map") => {}
            _ => table.push(&path, file)?,
        }
    }
    table.text.push_str("];\n");
    fs::write(out.join("console_assets.rs"), table.text)
}

struct Table {
    text: String,
    copies: PathBuf,
    count: usize,
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

impl Table {
    fn push(&mut self, path: &str, file: &Path) -> io::Result<()> {
        let bytes = fs::read(file)?;
        let number = self.count;
        self.count += 1;
        fs::write(self.copies.join(number.to_string()), &bytes)?;
        writeln!(
            self.text,
            "    Asset {{ path: {path:?}, media_type: {:?}, hashed: {}, tag: \"{:016x}\", bytes: \
             include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{COPIES}/{number}\")) }},",
            media_type(path),
            path.starts_with(HASHED),
            fnv1a(&bytes),
        )
        .map_err(io::Error::other)
    }
}

/// Tells one build's file from another's; nobody gains by forging it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("geojson") => "application/geo+json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ if path == "/" || path.ends_with(".html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
