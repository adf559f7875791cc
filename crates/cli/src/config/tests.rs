//! What configuration files become, and how their mistakes are named.

use super::*;

fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("huntcore.toml");
    std::fs::write(&path, text).expect("a new file");
    ConfigFile::read(&path)
}

#[test]
fn a_mistake_is_named_with_its_key_and_line() {
    for (text, needles) in [
        (
            "listen = \"127.0.0.1:1\"\nlisten2 = 1\n[log]\nurl = \"file:d\"",
            ["line 2", "listen2"],
        ),
        (
            "listen = 7070\n[log]\nurl = \"file:d\"",
            ["line 1", "listen"],
        ),
        (
            "[log]\nurl = \"file:d\"\n[auth]\nplayer_alg = \"none\"",
            ["line 4", "none"],
        ),
        (
            "[log]\nurl = \"file:d\"\n[[hunt]]\nid = \"Park\"",
            ["line 4", "hunt id"],
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        for needle in needles {
            assert!(error.contains(needle), "{needle} in: {error}");
        }
    }
}

#[test]
fn what_is_kept_of_the_log_is_told_in_words_and_reaches_the_node() {
    let text = "shards = 3\n[log]\nurl = \"file:d\"\nretention = \"7d\"\n\
                size_max = \"200GB\"\nfree_min = \"1GiB\"\ncheckpoint_every = \"30s\"\n\
                checkpoint_bytes = \"64MiB\"\nsegment_size = \"16MiB\"\n[limits]\n\
                answer_ttl = \"2h\"\nanswers_max = 5\nevent_horizon = \"1h\"";
    let config = parse(text).expect("well-formed");
    let key = FairnessKey::new([1; 32]);
    let node = config.node_with(key, Path::new("d")).expect("in range");
    assert_eq!(node.retention, Duration::from_hours(7 * 24));
    assert_eq!(node.log_bytes_max, Some(200_000_000_000));
    assert_eq!(node.free_bytes_min, 1 << 30);
    assert_eq!(node.checkpoint_every, Duration::from_secs(30));
    assert_eq!(node.checkpoint_log_bytes, 64 << 20);
    assert!(node.checkpoints.is_some());
    assert_eq!(node.limits.answer_ttl_ms, 7_200_000);
    assert_eq!(node.limits.answers_max, 5);
    assert_eq!(node.limits.event_horizon_ms, 3_600_000);
    let options = config.log_options().expect("in range");
    assert_eq!(options.segment_bytes, 16 << 20);
}

#[test]
fn what_the_log_cannot_be_kept_by_is_named_with_its_key_and_line() {
    for (line, needles) in [
        ("retention = \"30\"", ["line 4", "such as 30d"]),
        ("retention = \"0s\"", ["line 4", "log.retention: is 0"]),
        (
            "size_max = \"1MiB\"",
            ["line 4", "expected at least 512MiB"],
        ),
        ("size_max = 7", ["line 4", "size_max"]),
        ("free_min = \"1GX\"", ["line 4", "such as 200GB"]),
        ("segment_size = \"1kB\"", ["line 4", "64KiB to 4GiB"]),
        ("checkpoint_every = \"1ms\"", ["line 4", "100ms to 1d"]),
        (
            "checkpoint_bytes = \"1B\"",
            ["line 4", "log.checkpoint_bytes"],
        ),
        ("keep = \"30d\"", ["line 4", "keep"]),
    ] {
        let text = format!("shards = 1\n[log]\nurl = \"file:d\"\n{line}");
        let key = FairnessKey::new([1; 32]);
        let read = parse(&text).and_then(|config| {
            config.log_options()?;
            config.node_with(key, Path::new("d"))
        });
        let error = read.expect_err(line).to_string();
        for needle in needles {
            assert!(error.contains(needle), "{needle} in: {error}");
        }
    }
}

#[test]
fn limits_and_tls_are_told_in_words_and_reach_the_edge() {
    let text = "[log]\nurl = \"file:d\"\n[tls]\ncertificate = \"c.pem\"\nkey = \"/k.pem\"\n\
                check_every = \"2s\"\n[limits]\nconnections_per_address_max = 7\n\
                sockets_per_player_max = 3\nconnect_rate = 9\nconnect_burst = 11\n\
                address_connect_rate = 0\nlimit_loopback = true\n\
                first_message_timeout = \"5s\"\nping_interval = \"6s\"\n\
                tls_handshake_timeout = \"7s\"\nbody_read_timeout = \"8s\"\n\
                drain = \"9s\"\ndrain_timeout = \"10s\"\ninterest_classes_max = 12\n\
                [live]\nrank_interval = \"13s\"\nsubscribe_interval = \"14s\"";
    let edge = parse(text).and_then(|config| config.edge(true));
    let edge = edge.expect("well-formed");
    let tls = edge.tls.expect("configured");
    assert!(tls.certificate.is_absolute() && tls.certificate.ends_with("c.pem"));
    assert_eq!(tls.key, Path::new("/k.pem"));
    assert_eq!(tls.check_every, Duration::from_secs(2));
    let limits = edge.limits;
    assert_eq!(limits.connections_per_address_max, 7);
    assert_eq!(limits.sockets_per_player_max, 3);
    let rate = limits
        .connect_rate
        .map(|rate| (rate.per_second, rate.burst));
    assert_eq!(rate, Some((9, 11)));
    assert_eq!(limits.address_connect_rate, None);
    assert!(limits.limit_loopback);
    let times = [
        limits.first_message_timeout,
        limits.ping_interval,
        limits.tls_handshake_timeout,
        limits.body_read_timeout,
        limits.drain,
        limits.drain_timeout,
        limits.rank_interval,
        limits.subscribe_interval,
    ];
    assert_eq!(
        times.map(|time| time.as_secs()),
        [5, 6, 7, 8, 9, 10, 13, 14]
    );
    assert_eq!(limits.interest_classes_max, 12);
}

#[test]
fn tls_needs_both_of_its_files() {
    for (lines, needles) in [
        ("key = \"k\"", ["line 3", "certificate"]),
        ("certificate = \"c\"", ["line 3", "key"]),
        (
            "certificate = \"c\"\nkey = \"k\"\ncheck_every = \"0s\"",
            ["line 6", "tls.check_every: is 0"],
        ),
    ] {
        let read = parse(&format!("[log]\nurl = \"file:d\"\n[tls]\n{lines}"));
        let error = read.and_then(|config| config.edge(true));
        let error = error.expect_err(lines).to_string();
        for needle in needles {
            assert!(error.contains(needle), "{needle} in: {error}");
        }
    }
}

#[test]
fn a_missing_secret_says_where_it_was_looked_for() {
    let text = "[log]\nurl = \"file:d\"\n[auth]\nplayer_key = \"env:HUNTCORE_NO_SUCH_KEY\"";
    let error = parse(text)
        .expect("well-formed")
        .edge(false)
        .expect_err("not set")
        .to_string();
    assert!(
        error.contains("auth.player_key") && error.contains("HUNTCORE_NO_SUCH_KEY"),
        "{error}"
    );
}

#[test]
fn a_process_that_decides_needs_a_log_and_one_that_follows_an_upstream() {
    let config = parse("shards = 1").expect("well-formed");
    assert!(config.relay(true).expect("neither").is_none());
    let error = config.log_home().expect_err("no log").to_string();
    assert!(error.starts_with("log: is missing"), "{error}");
    let edge = |line: &str| {
        let config = parse(line).expect("well-formed");
        let relay = config.relay(true);
        relay.map(|relay| relay.map(|relay| relay.upstream))
    };
    let good = edge("roles = \"edge\"\nupstream = \"http://node:7070\"");
    assert_eq!(good.expect("complete").as_deref(), Some("http://node:7070"));
    for half in ["roles = \"edge\"", "upstream = \"http://node:7070\""] {
        let error = edge(half).expect_err(half).to_string();
        assert!(error.starts_with("upstream: "), "{error}");
    }
    let error = parse("roles = \"arbiter\"").expect_err("no such role");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn a_home_that_is_not_there_yet_is_refused() {
    let config = parse("[log]\nurl = \"redis://127.0.0.1\"").expect("well-formed");
    let error = config.log_home().expect_err("no such home").to_string();
    assert!(
        error.starts_with("log.url: ") && error.contains("file:PATH"),
        "{error}"
    );
}
