//! Every reason not to start, told so that the reader can mend it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::support::{Claim, Exit, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_configuration_is_told_with_its_key_and_line() {
    // (the good line, what stands there instead, the key that the message names)
    let mistakes = [
        ("resolution = 12", "resolution = 16", "resolution"),
        ("resolution = 12", "resolution = \"eleven\"", "resolution"),
        ("tiles = 64", "tiles = 0", "tiles"),
        ("tiles = 64", "tiels = 64", "tiels"),
        ("round = \"1s\"", "round = \"1 fortnight\"", "round"),
        ("round = \"1s\"", "round = \"2h\"", "round"),
        (
            "claim_window = \"10s\"",
            "claim_window = \"10ms\"",
            "claim_window",
        ),
        ("id = \"park\"", "id = \"Hyde Park\"", "id"),
        (
            "player_alg = \"HS256\"",
            "player_alg = \"none\"",
            "player_alg",
        ),
        ("guests = false", "guests = \"maybe\"", "guests"),
        ("shards = 1", "shards = 0", "shards"),
    ];
    let mut breaches = Vec::new();
    for (good, bad, key) in mistakes {
        let site = Site::new();
        let text = site.config().replacen(good, bad, 1);
        let line = text
            .lines()
            .position(|l| l == bad)
            .expect("the mistake stands there")
            + 1;
        let exit = refused(&site, &text).await;
        for expected in [key, "huntcore.toml", &format!("line {line}")] {
            if !exit.stderr.contains(expected) {
                breaches.push(format!("{bad}: no {expected:?} in: {}", exit.stderr.trim()));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_surroundings_lack_is_named() {
    let site = Site::new();
    let text = site
        .config()
        .replace("env:HUNTCORE_PLAYER_KEY", "env:HUNTCORE_NOT_THERE");
    let exit = refused(&site, &text).await;
    assert!(
        exit.stderr.contains("HUNTCORE_NOT_THERE"),
        "{}",
        exit.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_that_is_missing_or_broken_is_named_with_its_fault() {
    let site = Site::new();
    let good = site.config();
    let area = good
        .lines()
        .find(|l| l.starts_with("area"))
        .expect("an area");

    let exit = refused(&site, &good.replace(area, "area = \"nowhere.geojson\"")).await;
    assert!(exit.stderr.contains("nowhere.geojson"), "{}", exit.stderr);

    let open_ring =
        r#"{"type":"Polygon","coordinates":[[[0,51],[0.01,51],[0.01,51.01],[0,51.01]]]}"#;
    fs::write(site.folder().join("open.geojson"), open_ring).expect("the area is written");
    let exit = refused(&site, &good.replace(area, "area = \"open.geojson\"")).await;
    assert!(exit.stderr.contains("open.geojson"), "{}", exit.stderr);
    assert!(exit.stderr.contains("ring"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_there_is_named() {
    let site = Site::new();
    let exit = site.run(&["serve", "--config", "missing.toml"]);
    assert!(!exit.status.success());
    assert!(exit.stderr.contains("missing.toml"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_access_is_refused_on_any_address_but_loopback() {
    let site = Site::new();
    let text = site
        .config()
        .replace("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"");
    let config = site.folder().join("huntcore.toml");
    fs::write(&config, text).expect("the configuration is written");
    let exit = site.run(&["serve", "--config", "huntcore.toml", "--auth", "off"]);
    assert!(
        !exit.status.success(),
        "it served everybody: {}",
        exit.stdout
    );
    assert!(exit.stderr.contains("loopback"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_in_use_is_refused_and_its_owner_goes_on() {
    let site = Site::new();
    let mut first = site.start().await;
    let text = site
        .config()
        .replace(&first.url.replace("http://", ""), "127.0.0.1:0");
    let exit = refused_beside(&site, "second.toml", &text).await;
    assert!(exit.stderr.contains("in use"), "{}", exit.stderr);
    assert!(
        exit.stderr.contains(&site.data.display().to_string()),
        "{}",
        exit.stderr
    );
    assert!(first.is_running());
    first.api.open_round().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let site = Site::new();
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it has an address").to_string();
    let exit = refused(&site, &site.config().replace("127.0.0.1:0", &address)).await;
    assert!(exit.stderr.contains(&address), "{}", exit.stderr);
    assert!(exit.stderr.contains("in use"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_refused_with_file_and_offset_and_left_as_it_is() {
    let site = Site::new();
    let server = site.start().await;
    let mut claims = Vec::new();
    let round = server.api.open_round().await;
    for tile in 0..32 {
        claims.push(Claim {
            round,
            tile,
            player: format!("player {tile}"),
        });
    }
    server.api.claims(&claims).await.expect("the server lives");
    // Later batches say that the earlier ones are durable, so damage there is no torn tail.
    server.api.round_after(round + 1).await;
    assert!(server.stop().await.success());

    let (segment, offset) = middle_of_the_log(&site.data);
    let mut bytes = fs::read(&segment).expect("the segment is readable");
    bytes[offset] ^= 0x10;
    fs::write(&segment, &bytes).expect("the segment is writable");

    let exit = refused(&site, &site.config()).await;
    let name = segment
        .file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned();
    assert!(exit.stderr.contains(&name), "no {name} in: {}", exit.stderr);
    let told = numbers(&exit.stderr);
    assert!(
        told.iter().any(|n| *n <= offset && offset - n < 64 << 10),
        "no offset near {offset} in: {}",
        exit.stderr
    );
    assert_eq!(
        fs::read(&segment).expect("still readable"),
        bytes,
        "the evidence was changed"
    );

    let checked = site.run(&["log", "verify", "--data", "data", "--json"]);
    assert!(
        !checked.status.success(),
        "log verify found nothing: {}",
        checked.stdout
    );
}

/// Starts a server that must refuse to.
async fn refused(site: &Site, config: &str) -> Exit {
    refused_beside(site, "huntcore.toml", config).await
}

async fn refused_beside(site: &Site, name: &str, config: &str) -> Exit {
    let path = site.folder().join(name);
    fs::write(&path, config).expect("the configuration is written");
    match site.try_start_with(&path).await {
        Ok(server) => panic!("it started at {} with:\n{config}", server.url),
        Err(exit) => {
            assert!(
                exit.status.code().is_some_and(|code| code > 0),
                "it ended with {exit:?}"
            );
            assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
            exit
        }
    }
}

/// The fullest file of the log, and the offset in the middle of what it holds.
fn middle_of_the_log(data: &Path) -> (PathBuf, usize) {
    let mut found: Vec<(usize, PathBuf)> = Vec::new();
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .expect("the data directory is readable")
            .flatten()
        {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = fs::read(entry.path()).expect("its files are readable");
                let used = bytes.iter().rposition(|b| *b != 0).unwrap_or(0);
                found.push((used, entry.path()));
            }
        }
    }
    let (used, path) = found.into_iter().max().expect("the log has files");
    (path, used / 2)
}

fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect()
}
