//! Encrypted connections.

use huntcore_postgres_child::{Options, Server};
use huntcore_sink_postgres::SinkState;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::feed::{Feed, at};
use crate::support::{Running, config, connect, database, number};

/// An authority's certificate, and one that it signed for a host, with its key.
fn certificates(host: &str) -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let authority = authority.expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([host.to_owned()]).expect("a host's name");
    let signed = params.signed_by(&key, &authority).expect("signed");
    (authority.pem(), signed.pem(), key.serialize_pem())
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_checked_as_asked_for() {
    let (authority, certificate, key) = certificates("localhost");
    let (stranger, _, _) = certificates("localhost");
    let options = Options {
        tcp: true,
        tls: Some((certificate, key)),
        ..Options::default()
    };
    let server = Server::start(options).expect("PostgreSQL starts");
    let local = database(&server);
    let name = local.rsplit('/').next().expect("a name");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let good = write("authority.pem", &authority);
    let other = write("stranger.pem", &stranger);
    let empty = write("empty.pem", "");
    let feed = Feed::new(1);
    feed.score(0, "ada", 1);
    feed.commit_all(at(100));
    for (host, options, complaint) in [
        ("localhost", "sslmode=require".to_owned(), None),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={good}"),
            None,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={good}"),
            None,
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={good}"),
            Some("not valid for name"),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
            Some("invalid peer certificate"),
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={empty}"),
            Some("holds no certificate"),
        ),
    ] {
        let url = server.tcp_url(name).replace("localhost", host);
        let sink = Running::start(config(&format!("{url}?{options}")), &feed);
        match complaint {
            None => {
                sink.caught_up().await;
                let client = connect(&local).await;
                let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING \
                                 (pid) WHERE ssl AND application_name = 'huntcore'";
                assert_eq!(number(&client, encrypted).await, 1, "{options}");
            }
            Some(complaint) => {
                let is_off = |state| matches!(state, SinkState::Waiting | SinkState::Stopped);
                let shown = sink.until("refused", |shown| is_off(shown.state)).await;
                let reason = shown.reason.expect("it says why");
                assert!(reason.contains(complaint), "{options}: {reason}");
            }
        }
    }
}
