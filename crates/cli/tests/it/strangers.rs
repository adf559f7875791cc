//! Programs that nobody here wrote use huntcore: a property-based API tester and a real browser.
//! Both are brought by `make setup`; without them these tests fail and say so.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::{SERVICE_KEY, Site, player_token, repository};

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_answer_that_the_openapi_document_does_not_allow() {
    let mut site = Site::new();
    site.guests = true;
    let mut server = site.start().await;
    server.api.open_round().await;
    let round = server
        .api
        .get("/v1/hunts/park/rounds/current")
        .await
        .expect("it answers");
    let area = json!({ "type": "Polygon", "coordinates": [
        [[-0.17, 51.505], [-0.16, 51.505], [-0.16, 51.51], [-0.17, 51.51], [-0.17, 51.505]]
    ] });
    let hunt = json!({
        "id": "closing", "area": area, "resolution": 11, "round": "1s", "claim_window": "5s",
        "tiles": 8,
    });
    let made = server
        .api
        .service(Method::POST, "/v1/hunts", Some(hunt))
        .await
        .expect("it answers");
    assert_eq!(made.status, 201, "{}", made.text);

    let mut command = Command::new(repository().join("scripts/test-api"));
    command
        .arg(&server.url)
        // The same run each time: a gate must not fail by chance. By hand, leave it out.
        .args(["--seed", "7"])
        .env("HUNTCORE_SERVICE_KEY", SERVICE_KEY)
        .env("HUNTCORE_PLAYER_TOKEN", player_token("ana"))
        .env(
            "HUNTCORE_MAP",
            round.body["map"].as_str().expect("a map's name"),
        )
        .env("CARGO_TARGET_DIR", target());
    passes(command).await;
    assert!(
        server.is_running(),
        "the server did not survive: {}",
        server.stderr()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_plays_a_hunt_through_a_restart() {
    let web = repository().join("web");
    assert!(
        web.join("node_modules").is_dir(),
        "the console's packages are missing: make setup"
    );
    let mut site = Site::new();
    site.guests = true;
    site.claim_window = "30s";
    let server = site.start().await;
    server.api.open_round().await;
    let url = server.url.clone();

    // The browser's test says when: it connects here, the server is killed and started again,
    // and the connection ends when the new one is ready.
    let doorbell = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = doorbell.local_addr().expect("it has an address").port();
    let ended = Arc::new(AtomicBool::new(false));
    let restarts = tokio::spawn(restart_when_asked(
        site,
        server,
        doorbell,
        Arc::clone(&ended),
    ));

    let mut command = Command::new("npm");
    command
        .args(["run", "--silent", "e2e"])
        .current_dir(&web)
        .env("HUNTCORE_URL", url)
        .env(
            "HUNTCORE_RESTART_CMD",
            format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3'"),
        )
        .env("HUNTCORE_SERVICE_KEY", SERVICE_KEY);
    passes(command).await;
    ended.store(true, Ordering::Relaxed);
    drop(std::net::TcpStream::connect(("127.0.0.1", port)));
    let count = restarts.await.expect("the restarts went well");
    assert!(count > 0, "the browser's test never restarted the server");
}

async fn restart_when_asked(
    site: Site,
    mut server: crate::support::Server,
    doorbell: TcpListener,
    ended: Arc<AtomicBool>,
) -> u32 {
    let mut count = 0;
    loop {
        let (mut visitor, _) = doorbell.accept().await.expect("somebody rings");
        if ended.load(Ordering::Relaxed) {
            return count;
        }
        server.kill();
        server = site.start().await;
        count += 1;
        visitor
            .write_all(b"restarted\n")
            .await
            .expect("the visitor waits");
    }
}

/// Runs a program to its end; its output is shown if it fails.
pub(crate) async fn passes(mut command: Command) {
    let name = command.get_program().to_string_lossy().into_owned();
    let running = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = running
        .await
        .expect("it runs")
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    if !output.status.success() {
        let mut stderr = std::io::stderr().lock();
        // Nothing can be done about a terminal that is gone.
        let _ = stderr.write_all(&output.stdout);
        let _ = stderr.write_all(&output.stderr);
    }
    assert!(
        output.status.success(),
        "{name} ended with {}",
        output.status
    );
}

/// Cargo's target directory, which holds the tools that setup brought.
fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent()
        .expect("target/tmp lies in target")
        .to_path_buf()
}
