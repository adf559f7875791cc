//! One claim a request, kept-alive connections, driven by wrk; then at half its rate by an open
//! loop, which wrk has not.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::crowd::{Load, Peer, PhaseFigures, Reactor, Speech, half_of, sign_token};
use crate::load::{Crowd, HUNT_TILES, rate};
use crate::report::{BenchError, Row};
use crate::server::{OpenRound, PLAYER_KEY, Server};

const CONNECTIONS: u32 = 64;
/// Players who ask in turn.
const PLAYERS: u32 = 1_000;
const UNIT: &str = "attempts/s";

/// What came of the case.
pub(crate) struct HttpFigures {
    pub(crate) full: Row,
    pub(crate) half: Row,
    pub(crate) sent: u64,
}

/// What the script says at the end.
#[derive(Deserialize)]
struct Summary {
    requests: u64,
    duration_us: u64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    max_us: u64,
    socket_errors: u64,
}

/// Loads two rounds of a server; `Ok(Err)` says that wrk is not installed.
pub(crate) fn run(
    case: &str,
    server: &Server,
    rounds: &[OpenRound],
    duration: Duration,
) -> Result<Result<HttpFigures, String>, BenchError> {
    let [first, second] = rounds else {
        return Err(BenchError::Huntcore("two rounds are needed".to_owned()));
    };
    let summary = match wrk(server, first, duration)? {
        Ok(summary) => summary,
        Err(missing) => return Ok(Err(missing)),
    };
    if summary.socket_errors > 0 {
        let errors = summary.socket_errors;
        return Err(BenchError::Huntcore(format!(
            "wrk had {errors} failed requests"
        )));
    }
    let taken = Duration::from_micros(summary.duration_us);
    let millis = |micros| Some(Duration::from_micros(micros).as_secs_f64() * 1_000.0);
    let mut full = Row::new(case, rate(summary.requests, taken), UNIT);
    full.p50_ms = millis(summary.p50_us);
    full.p99_ms = millis(summary.p99_us);
    full.p999_ms = millis(summary.p999_us);
    full.max_ms = millis(summary.max_us);
    let full = full.holding(server.resident_bytes());

    let address = server.address()?;
    let (hunt, round) = (second.hunt.as_str(), second.round.get());
    let speech = Speech::http(address, hunt, round, 0..CONNECTIONS, PLAYER_KEY)?;
    let mut reactor = Reactor::connect(address, CONNECTIONS, Peer::Plain, speech)?;
    let half = reactor.run(Load::Open(half_of(full.value)), duration)?;
    let sent = summary.requests + half.decided + half.refused;
    let half = PhaseFigures::of(&half).row(&format!("{case}-half"), UNIT);
    Ok(Ok(HttpFigures { full, half, sent }))
}

fn wrk(
    server: &Server,
    round: &OpenRound,
    duration: Duration,
) -> Result<Result<Summary, String>, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let path = folder.path().join("claims.lua");
    std::fs::write(&path, script(server, round)?).map_err(BenchError::io("write a script"))?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--timeout", "10s", "--latency"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", duration.as_secs().max(1))])
        .arg("--script")
        .arg(&path)
        .arg(&server.url)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Err("wrk is not installed: left out".to_owned()));
        }
        Err(error) => return Err(BenchError::io("run wrk")(error)),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| line.starts_with('{'));
    let summary = last.and_then(|line| serde_json::from_str(line).ok());
    summary.map(Ok).ok_or_else(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        BenchError::Huntcore(format!("wrk ended without figures: {stderr}"))
    })
}

/// Half of the attempts are on tiles that nobody has asked for; requests are put together from
/// ready heads, so that wrk's own work stays small.
fn script(server: &Server, round: &OpenRound) -> Result<String, BenchError> {
    let crowd = Crowd::new();
    let mut script = String::from("local tokens = {\n");
    for player in 0..PLAYERS {
        let token = sign_token(crowd.id(player), PLAYER_KEY)?;
        writeln!(script, "\"{token}\",").expect("a String takes all");
    }
    let (hunt, round) = (round.hunt.as_str(), round.round.get());
    let host = server.address()?;
    write!(
        script,
        r#"}}
local before = "POST /v1/hunts/{hunt}/claims HTTP/1.1\r\nHost: {host}\r\n" ..
  "Content-Type: application/json\r\nAuthorization: Bearer "
local fresh = 0
local player = 0
function request()
  local tile
  if fresh == 0 or (fresh < {HUNT_TILES} and math.random(2) == 1) then
    tile = fresh
    fresh = fresh + 1
  else
    tile = math.random(fresh) - 1
  end
  player = player % #tokens + 1
  local body = '{{"round":{round},"tile":' .. tile * 618033 % {HUNT_TILES} .. '}}'
  return before .. tokens[player] .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d,' ..
    '"socket_errors":%d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), latency.max,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"#
    )
    .expect("a String takes all");
    Ok(script)
}
