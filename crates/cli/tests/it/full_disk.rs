//! A disk without space: a small file system in a mount namespace of its own, which needs root or
//! user namespaces. Where there are neither, the test says so and proves nothing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{Answer, Claim, Event, Ledger, Server, Site, note, send, until};

/// Room for the log and for the reserve that the server keeps free.
const SIZE_MIB: u32 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_new_work_and_loses_none_of_the_old() {
    let mut site = Site::new();
    let Some(disk) = SmallDisk::mount(&site) else {
        return note("not tested here: a full disk, for want of user namespaces");
    };
    site.run_by = disk.run_by();
    site.data = disk.folder.join("data");
    site.claim_window = "10m";
    let mut ledger = Ledger::default();

    let server = site.start().await;
    let round = server.api.open_round().await;
    assert!(
        claim(&server, &mut ledger, round, 0).await,
        "there is space at first"
    );
    disk.fill();

    // What is preallocated may still be used up; after that each attempt is refused by name.
    let mut tile = 0;
    let refusal = until("a refusal for want of space, or the end", || {
        tile += 1;
        let attempt = Claim {
            round,
            tile: tile % 64,
            player: format!("player {tile}"),
        };
        let api = server.api.clone();
        async move {
            match api.claim(&attempt).await {
                Ok(answer) if answer.status == 503 => Some(answer.outcome().to_owned()),
                Ok(_) => None,
                Err(_) => Some("gone".to_owned()),
            }
        }
    })
    .await;
    assert!(
        ["storage-full", "gone"].contains(&refusal.as_str()),
        "{refusal}"
    );
    let mut server = server;
    if server.is_running() {
        // Reading goes on, and so do answers that need no space.
        assert!(
            claim(&server, &mut ledger, round, 0).await,
            "an old answer holds on a full disk"
        );
        let events = server
            .api
            .events(&[event(1)])
            .await
            .expect("the server answers");
        assert_eq!(events.status, 503, "{}", events.text);
        assert_eq!(events.outcome(), "storage-full", "{}", events.text);
        let board = server
            .api
            .get("/v1/hunts/park/boards/total")
            .await
            .expect("it answers");
        assert_eq!(board.status, 200, "{}", board.text);
    } else {
        assert!(server.stderr().contains("space"), "{}", server.stderr());
    }
    server.kill();

    disk.empty();
    let server = site.start().await;
    assert!(
        claim(&server, &mut ledger, round, 0).await,
        "an old answer holds after the restart"
    );
    let events = server
        .api
        .events(&[event(1)])
        .await
        .expect("the server answers");
    assert_eq!(
        events.body["accepted"], 1,
        "there is space again: {}",
        events.text
    );
    let round = server.api.round_after(round).await;
    assert!(claim(&server, &mut ledger, round, 63).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_watermark_only_new_work_is_refused_until_there_is_space_again() {
    let mut site = Site::new();
    let Some(disk) = SmallDisk::mount(&site) else {
        return note("not tested here: a nearly full disk, for want of user namespaces");
    };
    site.run_by = disk.run_by();
    site.data = disk.folder.join("data");
    site.claim_window = "10m";
    site.log = "free_min = \"200MiB\"".to_owned();
    let mut ledger = Ledger::default();
    let server = site.start().await;
    let round = server.api.open_round().await;
    assert!(claim(&server, &mut ledger, round, 0).await);

    disk.leave(100);
    let refusal = refused(&server, round).await;
    is_typed(&refusal);
    // Whatever needs no space goes on.
    assert!(claim(&server, &mut ledger, round, 0).await, "an old answer");
    let board = server.api.get("/v1/hunts/park/boards/total").await;
    assert_eq!(board.expect("it answers").status, 200);
    let events = server.api.events(&[event(1)]).await.expect("it answers");
    is_typed(&events);
    let batch = server.api.claims(&[other(round, 62)]).await;
    let item = &batch.expect("it answers")[0];
    assert_eq!(item["outcome"], "storage-full", "{item}");
    let metrics = server.api.get("/metrics").await.expect("it answers");
    assert!(
        metrics.text.contains("huntcore_storage_full 1"),
        "{}",
        metrics.text
    );

    disk.empty();
    taken(&server, round).await;
    let events = server.api.events(&[event(1)]).await.expect("it answers");
    assert_eq!(events.body["accepted"], 1, "{}", events.text);
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_cap_the_log_refuses_rather_than_drop_until_the_retention_frees_space() {
    let mut site = Site::new();
    site.claim_window = "10m";
    site.keep_little();
    site.log = site.log.replace("retention = \"1s\"", "retention = \"5s\"");
    site.log += "\nsize_max = \"600KiB\"";
    let mut ledger = Ledger::default();
    let server = site.start().await;
    let round = server.api.open_round().await;
    assert!(claim(&server, &mut ledger, round, 0).await);

    // Events with a payload fill the log in a moment, far within the retention.
    let mut number = 0;
    let refusal = until("the log is at its cap", || {
        let api = server.api.clone();
        let events: Vec<String> = (number..number + 20).map(large_event).collect();
        number += 20;
        async move {
            let answer = send(api.lines("/v1/hunts/park/events", events.join("\n"))).await;
            let answer = answer.expect("the server lives");
            assert!([200, 503].contains(&answer.status), "{}", answer.text);
            (answer.status == 503).then_some(answer)
        }
    })
    .await;
    is_typed(&refusal);
    is_typed(&refused(&server, round).await);
    assert!(claim(&server, &mut ledger, round, 0).await, "an old answer");

    // Nobody does anything: what is older than the retention goes, and there is space again.
    taken(&server, round).await;
    assert!(server.stderr().contains("trimmed"), "{}", server.stderr());
    assert!(claim(&server, &mut ledger, round, 0).await, "an old answer");
    assert!(server.stop().await.success());
    let verified = site.run(&["verify"]);
    assert!(
        verified.status.success(),
        "{} {}",
        verified.stdout,
        verified.stderr
    );
}

/// Attempts on one free tile after another, until one is refused.
async fn refused(server: &Server, round: u64) -> Answer {
    let mut tile = 0;
    until("an attempt is refused", || {
        tile += 1;
        let api = server.api.clone();
        async move {
            let answer = api.claim(&other(round, tile % 60 + 1)).await;
            let answer = answer.expect("the server lives");
            (answer.status == 503).then_some(answer)
        }
    })
    .await
}

/// Attempts on one tile until it is won.
async fn taken(server: &Server, round: u64) {
    until("claims are taken again", || {
        let api = server.api.clone();
        async move {
            let answer = api
                .claim(&other(round, 63))
                .await
                .expect("the server lives");
            (answer.outcome() == "won").then_some(())
        }
    })
    .await;
}

/// A refusal for want of space says so, and when to come again.
fn is_typed(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.outcome(), "storage-full", "{}", answer.text);
    let after = answer.headers.get("retry-after");
    let after = after.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    assert!(
        after.is_some_and(|seconds| seconds > 0),
        "{:?}",
        answer.headers
    );
}

/// Nobody tries the same tile twice.
fn other(round: u64, tile: u32) -> Claim {
    Claim {
        round,
        tile,
        player: "another".to_owned(),
    }
}

fn large_event(number: u32) -> String {
    let event = json!({
        "event_id": format!("large {number}"), "player": "ana", "event_type": "run", "score": 1,
        "payload": { "text": "x".repeat(4_000) },
    });
    event.to_string()
}

/// One attempt by the same player; whether it got a final answer, which the ledger holds against
/// the earlier ones.
async fn claim(server: &Server, ledger: &mut Ledger, round: u64, tile: u32) -> bool {
    let claim = Claim {
        round,
        tile,
        player: "ana".into(),
    };
    let answer = server.api.claim(&claim).await.expect("the server answers");
    ledger.answered(&claim, answer.outcome(), &answer.body)
}

fn event(number: u32) -> Event {
    Event {
        id: format!("e{number}"),
        player: "ana".into(),
        score: 1,
    }
}

/// A mounted tmpfs that lives as long as the process that holds its namespace.
struct SmallDisk {
    holder: Child,
    folder: std::path::PathBuf,
}

impl SmallDisk {
    fn mount(site: &Site) -> Option<Self> {
        let folder = site.folder().join("disk");
        std::fs::create_dir(&folder).expect("a mount point");
        let script = format!(
            "mount -t tmpfs -o size={SIZE_MIB}m tmpfs '{}' && echo mounted && exec cat",
            folder.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let stdout = holder.stdout.as_mut().expect("stdout is piped");
        // An end without a line means that mounting is not allowed here.
        let _ = BufReader::new(stdout).read_line(&mut line);
        let disk = Self { holder, folder };
        (line == "mounted\n").then_some(disk)
    }

    /// What runs a program where the disk is mounted.
    fn run_by(&self) -> Vec<String> {
        let holder = self.holder.id().to_string();
        [
            "nsenter",
            "--target",
            &holder,
            "--user",
            "--mount",
            "--preserve-credentials",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Leaves no space at all.
    fn fill(&self) {
        self.shell(&format!(
            "head -c {SIZE_MIB}M /dev/zero > '{}'",
            self.ballast()
        ));
    }

    /// Leaves so many MiB.
    fn leave(&self, mib: u32) {
        self.shell(&format!(
            "free=$(df --output=avail -m '{}' | tail -n 1) && head -c $((free - {mib}))M /dev/zero > '{}'",
            self.folder.display(),
            self.ballast()
        ));
    }

    /// Gives the space back.
    fn empty(&self) {
        self.shell(&format!("rm '{}'", self.ballast()));
    }

    fn ballast(&self) -> String {
        self.folder.join("ballast").display().to_string()
    }

    fn shell(&self, script: &str) {
        let run_by = self.run_by();
        let ran = Command::new(&run_by[0])
            .args(&run_by[1..])
            .args(["sh", "-c", script])
            .stderr(Stdio::null())
            .status();
        // Filling ends with an error: that the disk is full.
        ran.expect("nsenter comes with unshare");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The namespace ends with its last process, and the mount with it.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
