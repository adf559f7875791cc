//! Cases through the public face of a server of their own: batches, single requests, sockets.

use std::time::Duration;

use huntcore_model::OutcomeKind;
use huntcore_wire::ClaimStreamForm;

use super::in_process::{Offer, hunts_for};
use super::socket::{BATCHES_OUT, StreamLoad, through_one_connection};
use crate::claims::{Peers, Run};
use crate::crowd::{EchoServer, SocketsTask, drive_sockets};
use crate::load::{HUNT_TILES, Source, Winners};
use crate::peers::redis::{ONE_BY_ONE, PIPELINED};
use crate::report::{BenchError, Row, resident_bytes};
use crate::server::{NO_PLAYER_RATE, PLAYER_KEY, Server};

const MEMORY_HUNTS: u32 = 10;
/// For the claims of the case `memory`.
const MEMORY_MAX: Duration = Duration::from_secs(60);
const SOCKETS: u32 = 10_000;
const ECHO: &str = "echo";
const UNIT: &str = "attempts/s";

/// Protobuf batches over one connection.
pub(crate) fn socket_protobuf(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    socket(run, case, ClaimStreamForm::Protobuf)
}

/// Lines of JSON over one connection.
pub(crate) fn socket_ndjson(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    socket(run, case, ClaimStreamForm::Lines)
}

fn socket(run: &mut Run<'_>, case: &str, form: ClaimStreamForm) -> Result<(), BenchError> {
    let offer = Offer::Closed;
    // A socket carries less than half of what a lane does.
    let hunts = hunts_for(Winners::HALF, offer, run.duration() / 2);
    through_one_connection(run, case, form, Source::new(hunts, Winners::HALF), offer)?;
    run.against_redis(case, Winners::HALF, PIPELINED)?;
    run.against_postgres(case)
}

/// Memory of a server that holds ten million claims of open rounds.
pub(crate) fn memory(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let server = Server::start(&run.bench.program, 1, NO_PLAYER_RATE)?;
    let streamed = block_on(async {
        let rounds = server.open_hunts(MEMORY_HUNTS, HUNT_TILES).await?;
        let load = StreamLoad {
            server: &server,
            rounds: &rounds,
            form: ClaimStreamForm::Protobuf,
            source: Source::new(MEMORY_HUNTS, Winners::ALL),
            offer: Offer::Closed,
            duration: MEMORY_MAX,
            batches_max: BATCHES_OUT,
        };
        load.run().await
    })?;
    let claims = streamed.won.tiles();
    if claims < u64::from(MEMORY_HUNTS) * u64::from(HUNT_TILES) {
        let note = format!("{case}: only {claims} claims in {MEMORY_MAX:?}");
        run.report.note(note);
    }
    let held = server.resident_bytes();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = held.unwrap_or_default() as f64;
    let row = Row::new(case, bytes / 1e6, "MB with 10 million live claims");
    run.report.rows.push(row.holding(held));
    Ok(())
}

/// One claim a request.
pub(crate) fn http_single(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let server = Server::start(&run.bench.program, 1, NO_PLAYER_RATE)?;
    let rounds = block_on(server.open_hunts(2, HUNT_TILES))?;
    let figures = match super::http::run(case, &server, &rounds, run.duration())? {
        Ok(figures) => figures,
        Err(missing) => {
            run.report.note(missing);
            return Ok(());
        }
    };
    let counts = block_on(server.counts())?;
    let decided = counts.told(OutcomeKind::Won) + counts.told(OutcomeKind::Taken);
    // wrk leaves with requests under way; those are not in its own count.
    if !counts.is_reconciled() || decided < figures.sent {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!(
                "{} attempts were answered, the server says {counts:?}",
                figures.sent
            ),
        });
    }
    run.report.rows.extend([figures.full, figures.half]);
    drop(server);
    run.against_redis(case, Winners::HALF, ONE_BY_ONE)
}

/// One claim a message over many sockets, and a bare echo over as many.
pub(crate) fn websocket(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let half_case = format!("{case}-half");
    let server = Server::start(&run.bench.program, 1, NO_PLAYER_RATE)?;
    let rounds = block_on(server.open_hunts(1, HUNT_TILES))?;
    let task = SocketsTask {
        address: server.address()?,
        sockets: SOCKETS,
        hunt: Some((rounds[0].hunt.to_string(), PLAYER_KEY.to_owned())),
        round: rounds[0].round.get(),
        seconds: run.bench.seconds,
    };
    let [full, half] = drive_sockets(&run.bench.program, task.clone())?;
    let counts = block_on(server.counts())?;
    let decided = counts.told(OutcomeKind::Won) + counts.told(OutcomeKind::Taken);
    if !counts.is_reconciled() || decided != full.decided + half.decided {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!("the crowd heard {full:?} and {half:?}, the server says {counts:?}"),
        });
    }
    let held = server.resident_bytes();
    run.report.rows.push(full.row(case, UNIT).holding(held));
    run.report.rows.push(half.row(&half_case, UNIT));
    drop(server);
    if !run.wants(Peers::Echo) {
        return Ok(());
    }
    let echo = EchoServer::start(&run.bench.program)?;
    let task = SocketsTask {
        address: echo.address,
        hunt: None,
        ..task
    };
    let [full, half] = drive_sockets(&run.bench.program, task)?;
    let held = resident_bytes(&echo.pid().to_string());
    let full = full.row(case, UNIT).by(ECHO).holding(held);
    run.report.compare(case, full);
    let half = half.row(&half_case, UNIT).by(ECHO);
    run.report.rows.push(half);
    Ok(())
}

/// Runs a client's work on this thread.
pub(crate) fn block_on<T>(
    work: impl Future<Output = Result<T, BenchError>>,
) -> Result<T, BenchError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?
        .block_on(work)
}
