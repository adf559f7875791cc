//! A server that speaks TLS, as a stranger with its certificate sees it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::CertifiedKey;

use crate::support::{PLAYER_KEY, SERVICE_KEY, Site, until};

/// A server that is killed when this is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts a new certificate for 127.0.0.1 and its key into `folder`, and gives the certificate.
fn renew(folder: &Path) -> String {
    let names = vec!["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(names).expect("a key");
    for (name, text) in [
        ("key.pem", signing_key.serialize_pem()),
        ("certificate.pem", cert.pem()),
    ] {
        let new = folder.join("new");
        std::fs::write(&new, text).expect("a writable folder");
        std::fs::rename(&new, folder.join(name)).expect("the same folder");
    }
    cert.pem()
}

fn start(site: &Site) -> Server {
    let path = site.config_path();
    let tls =
        "\n[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\ncheck_every = \"20ms\"\n";
    std::fs::write(&path, site.config() + tls).expect("the configuration is written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_huntcore"))
        .args(["serve", "--config"])
        .arg(&path)
        .env("HUNTCORE_PLAYER_KEY", PLAYER_KEY)
        .env("HUNTCORE_SERVICE_KEY", SERVICE_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut lines = stdout.lines().map_while(Result::ok);
    let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
    Server {
        url: url.expect("it listens"),
        child,
    }
}

/// Asks whether the server is ready, and trusts one certificate only.
async fn ready(url: &str, trusted: &str) -> Option<u16> {
    let certificate = reqwest::Certificate::from_pem(trusted.as_bytes()).expect("a certificate");
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([certificate])
        .build()
        .expect("a client");
    let answer = http.get(format!("{url}/readyz")).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_certificate_is_spoken_with_and_replaced_without_a_restart() {
    let site = Site::new();
    let first = renew(site.folder());
    let server = start(&site);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let said = until("it is ready", || ready(&server.url, &first)).await;
    assert_eq!(said, 200);

    let second = renew(site.folder());
    let said = until("the new certificate is in use", || {
        ready(&server.url, &second)
    })
    .await;
    assert_eq!(said, 200);
    assert_eq!(
        ready(&server.url, &first).await,
        None,
        "the old one is gone"
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_there_ends_the_start_with_its_path() {
    let site = Site::new();
    let path = site.config_path();
    let tls = "\n[tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"\n";
    std::fs::write(&path, site.config() + tls).expect("the configuration is written");
    let exit = site.run(&["serve", "--config", "huntcore.toml"]);
    assert!(!exit.status.success());
    assert!(
        exit.stderr.contains("cannot read") && exit.stderr.contains("none.pem"),
        "{}",
        exit.stderr
    );
}
