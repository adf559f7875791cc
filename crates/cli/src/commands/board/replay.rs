//! `huntcore board replay`: a board as it was, folded from the log again.
//!
//! Nothing is changed and no lock is taken, so it works on the directory of a server that runs,
//! of one that has stopped, and on a copy.

use std::sync::Arc;

use clap::Args;
use huntcore_board::{BoardLimits, Boards, BoardsVersion};
use huntcore_checkpoint::Checkpoint;
use huntcore_disk::{Disk, RealDisk};
use huntcore_log::stream_name;
use huntcore_model::{
    BoardName, Catalog, HuntId, PlayerId, Record, Sequence, ShardId, ShardMap, TimeMicros,
};
use huntcore_projection::read_catalog;
use huntcore_verify::by_time;
use huntcore_wire::{BoardEntry, BoardWindow, Timestamp};
use serde_json::{Value, json};

use super::shown::{entries, title};
use crate::commands::data::{DataPlace, OpenedData, oldest};
use crate::output::{Failed, Output};
use crate::progress::Progress;
use crate::show;

/// The parts of a checkpoint that hold what is needed here.
const BOARDS_PART: &str = "boards";
const CATALOG_PART: &str = "catalog";

/// Show a board as it was at some time, from a data directory: what the log held by then,
/// counted again.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// When.
    #[arg(long, value_name = "TIME")]
    at: Timestamp,
    #[command(flatten)]
    place: DataPlace,
    /// The hunt.
    hunt: HuntId,
    /// Which of its boards.
    #[arg(default_value = "total")]
    board: BoardName,
    /// How many entries; with --player, how many neighbours on each side.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// This player's place.
    #[arg(long, value_name = "PLAYER")]
    player: Option<PlayerId>,
    /// Of a board with windows: the one that starts then; the newest that anybody is in if
    /// left out, of second the newest final one.
    #[arg(long, value_name = "TIME")]
    window: Option<Timestamp>,
}

/// Where a fold begins.
struct Base {
    boards: Boards,
    catalog: Catalog,
    /// The checkpoint's number, if it is one.
    checkpoint: Option<u64>,
}

/// The board, as it was.
struct Replayed {
    window: BoardWindow,
    position: String,
    players: u64,
    entries: Vec<BoardEntry>,
    checkpoint: Option<u64>,
    /// Up to where the log had got, by its own time.
    time: TimeMicros,
}

impl Replay {
    pub(super) fn run(self, output: Output) -> Result<(), Failed> {
        let data = self.place.open()?;
        let at = self.at.micros();
        let Base {
            mut boards,
            mut catalog,
            checkpoint,
        } = base(&data, at)?;
        fold(&data, at, &mut boards, &mut catalog, output)?;
        let number = catalog
            .hunt(&self.hunt)
            .ok_or_else(|| Failed::new(format!("there was no hunt {} at {}", self.hunt, self.at)))?
            .number;
        let version = boards.publish();
        let replayed = self.read(&version, number, checkpoint)?;
        output.line(|| self.text(&replayed), || self.json(&replayed));
        Ok(())
    }

    fn read(
        &self,
        version: &BoardsVersion,
        hunt: huntcore_model::HuntNumber,
        checkpoint: Option<u64>,
    ) -> Result<Replayed, Failed> {
        let view = match self.window {
            Some(start) => version.window(hunt, self.board, start.micros())?,
            None => version.board(hunt, self.board).ok_or_else(|| {
                let (hunt, board, at) = (&self.hunt, self.board, self.at);
                Failed::new(format!("hunt {hunt} had no board {board} to show at {at}"))
            })?,
        };
        let window = view.window();
        let found = match &self.player {
            None => view.top(self.limit.unwrap_or(20)),
            Some(player) => view
                .around(player, self.limit.unwrap_or(5))
                .ok_or_else(|| Failed::new(format!("{player} was not on the board")))?,
        };
        let entry = |entry: huntcore_board::Entry<'_>| BoardEntry {
            rank: entry.rank,
            player: entry.player.clone(),
            score: entry.score,
        };
        Ok(Replayed {
            window: BoardWindow {
                start: window.start.map(Timestamp::new),
                end: window.end.map(Timestamp::new),
                is_final: window.is_final,
            },
            position: version.position().to_string(),
            players: view.len() as u64,
            entries: found.into_iter().map(entry).collect(),
            checkpoint,
            time: version.time(),
        })
    }

    fn text(&self, replayed: &Replayed) -> String {
        let title = title(&self.hunt, self.board, &replayed.window);
        let players = show::count(replayed.players);
        let table = entries(&replayed.entries, self.player.as_ref());
        format!("{title} at {}, {players} players\n{table}", self.at)
    }

    fn json(&self, replayed: &Replayed) -> Value {
        json!({
            "hunt": self.hunt,
            "board": self.board,
            "at": self.at,
            "log_time": Timestamp::new(replayed.time),
            "window": replayed.window,
            "position": replayed.position,
            "players": replayed.players,
            "entries": replayed.entries,
            "checkpoint": replayed.checkpoint,
        })
    }
}

/// The newest checkpoint from before `at` that can be used, or nothing at all where the log goes
/// back to its beginning.
fn base(data: &OpenedData, at: TimeMicros) -> Result<Base, Failed> {
    let shards = data.shard_map()?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let listing = huntcore_checkpoint::list(&disk, &data.checkpoints())?;
    for checkpoint in &listing.good {
        if !is_before(checkpoint, at) {
            continue;
        }
        match restore(checkpoint, shards) {
            Ok(base) => return Ok(base),
            Err(reason) => {
                tracing::warn!("checkpoint {} is passed over: {reason}", checkpoint.id());
            }
        }
    }
    for &shard in data.inspection.shards() {
        let begin = oldest(&data.inspection, shard)?;
        if begin > Sequence::ZERO {
            return Err(Failed::new(format!(
                "{} begins with record {begin}{}: earlier ones were trimmed, and no checkpoint \
                 from before {} is there to begin with; ask for a later time, or look into an \
                 older backup",
                stream_name(shard),
                since(data, shard, begin),
                Timestamp::new(at),
            )));
        }
    }
    Ok(Base {
        boards: Boards::new(shards, limits()),
        catalog: Catalog::default(),
        checkpoint: None,
    })
}

/// Whether nothing in a checkpoint happened after `at`.
fn is_before(checkpoint: &Checkpoint, at: TimeMicros) -> bool {
    let parts = [BOARDS_PART, CATALOG_PART].map(|name| checkpoint.part(name));
    let [Some(boards), Some(catalog)] = parts else {
        return false;
    };
    let mut tails = boards.stand.tails.iter().chain(&catalog.stand.tails);
    tails.all(|(_, tail)| tail.time <= at)
}

fn restore(checkpoint: &Checkpoint, shards: ShardMap) -> Result<Base, Failed> {
    let missing = |name: &str| Failed::new(format!("it has no part {name}"));
    let part = checkpoint
        .part(BOARDS_PART)
        .ok_or_else(|| missing(BOARDS_PART))?;
    let mut input = checkpoint.read(part)?;
    let boards = Boards::restore(shards, limits(), &mut input)?;
    input.finish()?;
    let part = checkpoint
        .part(CATALOG_PART)
        .ok_or_else(|| missing(CATALOG_PART))?;
    let mut input = checkpoint.read(part)?;
    let catalog = read_catalog(&mut input)?;
    input.finish()?;
    Ok(Base {
        boards,
        catalog,
        checkpoint: Some(checkpoint.id()),
    })
}

/// One stream is read no further ahead of another than its time, so windows fill in turn.
fn limits() -> BoardLimits {
    BoardLimits {
        players_max: u32::MAX,
        ..BoardLimits::default()
    }
}

/// Folds what the log holds up to `at`.
fn fold(
    data: &OpenedData,
    at: TimeMicros,
    boards: &mut Boards,
    catalog: &mut Catalog,
    output: Output,
) -> Result<(), Failed> {
    let position = boards.position();
    let mut streams = Vec::new();
    for &shard in data.inspection.shards() {
        let from = match shard.is_control() {
            true => position.next(shard).min(catalog.next()),
            false => position.next(shard),
        };
        streams.push(data.inspection.read(shard, from)?);
    }
    let progress = Progress::new(output, "records", 0);
    for batch in by_time(streams) {
        let batch = batch?;
        let header = batch.header();
        if header.time > at {
            // They come by time, so all that is left is later.
            break;
        }
        progress.advance(u64::from(header.count));
        if header.shard.is_control() {
            for item in batch.records() {
                if let (sequence, Record::Control { record, .. }) = item?
                    && sequence >= catalog.next()
                {
                    catalog.apply(sequence, &record)?;
                }
            }
        }
        boards.apply(&batch)?;
    }
    progress.finish();
    Ok(())
}

fn since(data: &OpenedData, shard: ShardId, begin: Sequence) -> String {
    let mut batches = data.inspection.read(shard, begin).into_iter().flatten();
    match batches.next() {
        Some(Ok(batch)) => format!(" of {}", Timestamp::new(batch.header().time)),
        _ => String::new(),
    }
}
