//! Crowds of live sockets: what each of them costs, and that none is forgotten.
//!
//! What a process holds can only be told where nothing else happens, so these run in
//! processes of their own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::frames::{FIN, TEXT, frame};
use crate::limits::edge_with_few_files;
use crate::world::{PATIENCE, World, within};

/// DESIGN's bound on what an idle connection holds in user memory.
const IDLE_BYTES_MAX: u64 = 512;

/// Runs an ignored test of this module in a process of its own.
fn alone(test: &str) {
    let this = std::env::current_exe().expect("a test binary");
    let name = format!("crowds::{test}");
    let output = Command::new(this)
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains("1 passed"), "{said}");
}

fn handshake() -> Vec<u8> {
    let key = STANDARD.encode([7; 16]);
    format!(
        "GET /v1/hunts/park/live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    )
    .into_bytes()
}

/// A socket that watches and has been sent all there is to know.
fn watcher(address: SocketAddr) -> TcpStream {
    let mut bytes = handshake();
    bytes.extend(frame(FIN | TEXT, br#"{"type":"subscribe"}"#));
    let mut tcp = TcpStream::connect(address).expect("it listens");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    tcp.write_all(&bytes).expect("it reads");
    read_until(&mut tcp, br#""type":"snapshot""#);
    tcp
}

fn read_until(tcp: &mut TcpStream, wanted: &[u8]) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4_096];
    while !seen.windows(wanted.len()).any(|window| window == wanted) {
        let count = tcp.read(&mut buffer).expect("it answers");
        assert!(count > 0, "it closed: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
}

/// So many watchers, kept in a vector that has its room already.
async fn crowd(world: &World, count: usize, mut into: Vec<TcpStream>) -> Vec<TcpStream> {
    let address = world.address;
    let filled = tokio::task::spawn_blocking(move || {
        into.extend((0..count).map(|_| watcher(address)));
        into
    });
    filled.await.expect("it does not panic")
}

async fn until_nobody_is_left(world: &World) {
    within(async {
        while world.counts.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Bytes of memory that this process holds.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kilobytes
        .expect("a number")
        .parse::<u64>()
        .expect("a number")
        << 10
}

#[test]
fn an_idle_connection_holds_512_bytes_at_most() {
    alone("idle_connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "an_idle_connection_holds_512_bytes_at_most starts it, in a process of its own"]
async fn idle_connections() {
    const COUNT: usize = 4_000;
    let world = World::new().await;
    let room = Vec::with_capacity(COUNT);
    // What is made once is made now: threads, tables, and buffers that are used in turn.
    let mut room = crowd(&world, 100, room).await;
    room.clear();
    until_nobody_is_left(&world).await;
    let before = resident_bytes();
    let crowd = crowd(&world, COUNT, room).await;
    assert_eq!(world.counts.sockets(), COUNT);
    let each = resident_bytes().saturating_sub(before) / COUNT as u64;
    writeln!(std::io::stdout(), "{each} bytes for each idle connection").expect("a parent");
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes");
    drop(crowd);
}

#[test]
fn memory_stays_flat_as_thousands_come_and_go() {
    alone("churn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "memory_stays_flat_as_thousands_come_and_go starts it, in a process of its own"]
async fn churn() {
    const COUNT: usize = 2_000;
    let world = World::new().await;
    let mut room = Vec::with_capacity(COUNT);
    let mut after_rounds = Vec::new();
    for round in 0..6 {
        let mut crowd = crowd(&world, COUNT, room).await;
        // Something is on its way to all of them when they leave.
        world.claim(&format!("player {round}"), 1, round).await.ok();
        crowd.clear();
        room = crowd;
        until_nobody_is_left(&world).await;
        after_rounds.push(resident_bytes());
    }
    writeln!(std::io::stdout(), "{after_rounds:?}").expect("a parent");
    let (first, last) = (after_rounds[1], after_rounds[5]);
    // 8,000 sockets came and went between: a leak of 200 bytes for each would show.
    assert!(last <= first + (1_600 << 10), "{after_rounds:?}");
}

#[test]
fn a_full_file_table_leaves_those_who_are_in_served() {
    let (mut child, address) = edge_with_few_files();
    let address: SocketAddr = address.parse().expect("an address");
    let mut inside = watcher(address);
    let handshake = handshake();
    let mut pushing: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut tcp = TcpStream::connect(address).expect("a backlog");
            tcp.write_all(&handshake).expect("sent");
            tcp
        })
        .collect();
    // Some get in; the table is full when they have.
    read_until(&mut pushing[0], b"\r\n\r\n");
    inside
        .write_all(&frame(FIN | 0x9, b"still there?"))
        .expect("it reads");
    read_until(&mut inside, b"\x8a\x0cstill there?");
    drop(pushing);
    drop(watcher(address));
    drop(child.stdin.take());
    child.wait().expect("it ends");
}
