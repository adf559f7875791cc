//! `huntcore verify boards`: whether a running server's boards blink (I6), as any client sees it.

use std::time::Duration;

use clap::Args;
use huntcore_bench::{Watched, WatchedBoard, watch_boards};
use huntcore_model::HuntId;
use huntcore_verify::BoardPromise;
use huntcore_wire::BoardSummary;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::commands::serve::stop_signal;
use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};
use crate::show;

/// Between two looks at a board; the socket tells by itself.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Watch all boards of a hunt on a running server, over HTTP and on the live socket, and fail if
/// one blinks: if somebody vanishes or the whole board does, a score that can only get better gets
/// worse, or a position goes back; or if one is not shown at all, as one with windows before
/// anybody is in one. Restarts of the server are waited for. Boards that the hunt is given meanwhile are not watched.
#[derive(Debug, Args)]
pub(super) struct Boards {
    #[command(flatten)]
    server: ServerPlace,
    /// The hunt.
    #[arg(long, value_name = "HUNT")]
    hunt: HuntId,
    /// How long.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

impl Boards {
    pub(super) fn run(self, output: Output) -> Result<(), Failed> {
        let (watched, empty) = block_on(async {
            let client = self.server.client()?;
            let known = client.boards(&self.hunt).await;
            let known = known.map_err(|error| self.server.explain(error))?;
            let boards = known.boards.iter();
            let boards: Vec<_> = boards.map(|board| watched(&self.hunt, board)).collect();
            let is_empty = |board: &&BoardSummary| board.players == 0;
            let empty = known.boards.iter().filter(is_empty);
            let empty: Vec<_> = empty
                .map(|board| board.definition.name.to_string())
                .collect();
            let stop = CancellationToken::new();
            let watching = watch_boards(client.base(), &boards, stop.clone());
            let ending = async {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(self.seconds)) => {}
                    () = stop_signal() => {}
                }
                stop.cancel();
            };
            let (watched, ()) = tokio::join!(watching, ending);
            Ok((watched?, empty))
        })?;
        output.line(|| text(&watched), || object(&watched, &empty));
        match watched.iter().map(|board| board.report.blinks_total).sum() {
            0 => {}
            1_u64 => return Err(Failed::new("a board blinked")),
            blinks => return Err(Failed::new(format!("boards blinked {blinks} times"))),
        }
        let unseen: Vec<String> = unseen(&watched, &empty)
            .map(|board| format!("{} ({})", board.board, board.by))
            .collect();
        match unseen.is_empty() {
            true => Ok(()),
            false => Err(Failed::new(format!(
                "nothing was shown, so that nothing is known: {}",
                unseen.join(", ")
            ))),
        }
    }
}

/// How a board is watched, and what may be expected of it by what it counts.
fn watched(hunt: &HuntId, board: &BoardSummary) -> WatchedBoard {
    let counts = &board.definition;
    WatchedBoard {
        promise: BoardPromise {
            generation: Some(board.generation),
            ..BoardPromise::of(
                counts.from.into(),
                counts.operator.into(),
                counts.order.into(),
            )
        },
        every: LOOK_EVERY,
        ..WatchedBoard::built_in(hunt.clone(), counts.name)
    }
}

/// Readers who saw nothing at all.
/// The readers that were shown nothing. Sockets are not told of a board that nobody is on.
fn unseen<'a>(watched: &'a [Watched], empty: &[String]) -> impl Iterator<Item = &'a Watched> {
    let is_told = |board: &Watched| board.by != "live" || !empty.contains(&board.board);
    let unseen = watched.iter().filter(|board| board.report.pages == 0);
    unseen.filter(move |board| is_told(board))
}

fn text(watched: &[Watched]) -> String {
    let rows = watched.iter().map(|board| {
        let seen = &board.report;
        [
            board.board.clone(),
            board.by.to_owned(),
            show::count(seen.pages),
            show::count(seen.versions),
            show::count(seen.windows),
            show::count(seen.corrections),
            show::count(board.losses),
            show::count(seen.blinks_total),
        ]
    });
    let header = [
        "board",
        "read by",
        "pages",
        "versions",
        "windows",
        "corrections",
        "losses",
        "blinks",
    ];
    let mut text = show::table(header, |column| column > 1, rows);
    for board in watched {
        for blink in &board.report.blinks {
            let line = format!("{} ({}): {blink}", board.board, board.by);
            text += &format!("\n{}", show::foreign(&line));
        }
    }
    text
}

fn object(watched: &[Watched], empty: &[String]) -> Value {
    let boards = watched.iter().map(|board| {
        let mut object = json!(board);
        let messages = board.report.blinks.iter().map(ToString::to_string);
        object["messages"] = messages.collect::<Vec<_>>().into();
        object
    });
    let ok = watched.iter().all(|board| board.report.blinks_total == 0);
    let ok = ok && unseen(watched, empty).next().is_none();
    json!({"ok": ok, "boards": boards.collect::<Vec<_>>()})
}
