//! Writes the table of the console's files into the binary; without a built console, one
//! page that says how to build it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const DIST: &str = "../../web/dist";
const NOT_BUILT: &str = "src/routes/console_not_built.html";
/// The folder whose files the bundler names by their content.
const HASHED: &str = "/assets/";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let dist = root.join(DIST);
    println!(
        "cargo::rerun-if-changed={}",
        root.join("build.rs").display()
    );
    println!("cargo::rerun-if-changed={}", root.join(NOT_BUILT).display());
    // Watched whether or not it is there; a path that is missing would rebuild every time.
    let watched = if dist.is_dir() {
        dist.clone()
    } else {
        root.join("../../web/package.json")
    };
    if watched.exists() {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
        files.sort();
    }
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    if files.is_empty() {
        entry(&mut table, "/", &root.join(NOT_BUILT))?;
    }
    for file in &files {
        let relative = file.strip_prefix(&dist).expect("found below it");
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let path = format!("/{}", parts.join("/"));
        match path.as_str() {
            "/index.html" => entry(&mut table, "/", file)?,
            // Maps are for developers, who have the sources.
            _ if path.ends_with(".map") => {}
            _ => entry(&mut table, &path, file)?,
        }
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("console_assets.rs"), table)
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

fn entry(table: &mut String, path: &str, file: &Path) -> io::Result<()> {
    let bytes = fs::read(file)?;
    let file = file.canonicalize()?;
    writeln!(
        table,
        "    Asset {{ path: {path:?}, media_type: {:?}, hashed: {}, tag: \"{:016x}\", bytes: \
         include_bytes!({:?}) }},",
        media_type(path),
        path.starts_with(HASHED),
        fnv1a(&bytes),
        file.display().to_string(),
    )
    .map_err(io::Error::other)
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
