//! More than there is room for, and load in the worst of shapes: every refusal is typed, what is
//! taken is answered soon, and the accounts agree to the last attempt (I8, I10).

use std::thread;
use std::time::Instant;

use huntcore_model::{HuntNumber, ShardId, ShardMap, Slot, TileIndex};
use huntcore_wire::ClaimStreamForm;

use super::in_process::{Offer, hunts_for, race, race_on};
use super::public_face::block_on;
use super::socket::through_one_connection;
use super::world::{World, WorldOptions};
use crate::claims::Run;
use crate::crowd::{Load, Peer, PhaseFigures, Reactor, Speech};
use crate::load::{HUNT_TILES, Source, Winners};
use crate::report::{BenchError, Ratio, Row, resident_bytes};
use crate::server::{OpenRound, PLAYER_KEY, Server};

const UNIT: &str = "attempts/s";
const SHARDS: u16 = 3;
const FORM: ClaimStreamForm = ClaimStreamForm::Protobuf;
/// Connections of the player who floods, and of the others together.
const CONNECTIONS: u32 = 32;
/// What the others ask a second, together: each stays far below the limit.
const OTHERS_RATE: u64 = 500;
/// A player's own limit, and what it may save up.
const PLAYER_RATE: &str = "player_rate = 50\nplayer_burst = 100";

/// Lanes at one, two and five times what a closed loop reached.
pub(crate) fn overload(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let duration = run.duration();
    let hunts = hunts_for(Winners::HALF, Offer::Closed, duration * 5);
    let world = World::open(WorldOptions::new(hunts))?;
    let part = hunts / 5;
    let ground = |index: u32| Source::within(index * part, (index + 1) * part, Winners::HALF);
    let peak = race_on(&world, ground(0), Offer::Closed, duration)?;
    let peak_rate = crate::load::rate(peak.decided, peak.elapsed);
    run.report.rows.push(peak.row(&format!("{case}-peak")));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive rate"
    )]
    let whole = peak_rate as u64;
    for (index, times) in [(1, 1), (2, 2), (3, 5)] {
        let before = resident_bytes("self").unwrap_or_default();
        let raced = race_on(&world, ground(index), Offer::Flood(whole * times), duration)?;
        if raced.decided + raced.refused != raced.sent {
            let (sent, decided, refused) = (raced.sent, raced.decided, raced.refused);
            return Err(BenchError::Promise {
                case: case.to_owned(),
                reason: format!("{sent} sent, {decided} decided, {refused} refused (I10)"),
            });
        }
        let name = format!("{case}-{times}x");
        let row = raced.row(&name);
        let grown = row.rss_bytes.unwrap_or_default().saturating_sub(before) >> 20;
        let offered = crate::load::rate(raced.sent, raced.elapsed) / peak_rate;
        run.report.note(format!(
            "{name}: offered were {offered:.1} times the peak; {} of {} attempts refused as \
             overloaded; memory grew by {grown} MiB for {} decided",
            raced.refused, raced.sent, raced.decided
        ));
        run.report.ratios.push(Ratio {
            case: name,
            against: "peak",
            ratio: row.value / peak_rate,
        });
        run.report.rows.push(row);
    }
    Ok(())
}

/// Every player on one tile.
pub(crate) fn hot_tile(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let streamed = through_one_connection(run, case, FORM, Source::on_tile(0), Offer::Closed)?;
    if streamed.won.tiles() != 1 {
        let reason = format!("{} tiles were won instead of one", streamed.won.tiles());
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason,
        });
    }
    Ok(())
}

/// Every attempt on tiles of one of three shards.
pub(crate) fn hot_shard(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let hunts = hunts_for(Winners::HALF, Offer::Closed, run.duration());
    let world = World::open(WorldOptions {
        shards: SHARDS,
        ..WorldOptions::new(hunts)
    })?;
    let map = ShardMap::new(SHARDS).map_err(BenchError::huntcore)?;
    let of_first = |&(hunt, round): &(HuntNumber, _)| -> Vec<u32> {
        let is_of_first = |&tile: &u32| {
            let slot = Slot::of_tile(hunt, round, TileIndex::new(tile));
            map.shard_of(slot) == ShardId::new(0)
        };
        (0..HUNT_TILES).filter(is_of_first).collect()
    };
    let tiles = world.places.iter().map(of_first).collect();
    let source = Source::on_tiles(tiles, Winners::HALF);
    let raced = race_on(&world, source, Offer::Closed, run.duration())?;
    run.report.rows.push(raced.row(case));
    let spread = race(&world, Winners::HALF, Offer::Closed, run.duration())?;
    run.report.rows.push(spread.row(&format!("{case}-none")));
    Ok(())
}

/// Every player on one connection, with twice what it was found to carry.
pub(crate) fn one_connection(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let source = || Source::new(hunts_of_connection(run), Winners::HALF);
    let (closed, open) = (source(), source());
    let full = through_one_connection(run, &format!("{case}-peak"), FORM, closed, Offer::Closed)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive rate"
    )]
    let twice = (crate::load::rate(full.decided, full.elapsed) * 2.0) as u64;
    through_one_connection(run, case, FORM, open, Offer::Open(twice)).map(drop)
}

fn hunts_of_connection(run: &Run<'_>) -> u32 {
    hunts_for(Winners::HALF, Offer::Closed, run.duration() / 2)
}

/// One player asks as fast as answers come, others as players do.
pub(crate) fn flood(run: &mut Run<'_>, case: &str) -> Result<(), BenchError> {
    let server = Server::start(&run.bench.program, 1, PLAYER_RATE)?;
    let rounds = block_on(server.open_hunts(1, HUNT_TILES))?;
    let mut flooding = connect(&server, &rounds[0], 1)?;
    let mut others = connect(&server, &rounds[0], CONNECTIONS)?;
    let duration = run.duration();
    let started = Instant::now();
    let (flooded, asked) = thread::scope(|scope| {
        let flooding = scope.spawn(move || flooding.run(Load::Closed, duration));
        let asked = others.run(Load::Open(OTHERS_RATE), duration);
        (flooding.join(), asked)
    });
    let flooded =
        flooded.map_err(|_| BenchError::Huntcore("the flooding thread panicked".to_owned()))??;
    let asked = asked?;
    let counts = block_on(server.counts())?;
    let told = counts.received - counts.unanswered;
    let sent = flooded.decided + flooded.refused + asked.decided + asked.refused;
    let allowed = 100 + 50 * (started.elapsed().as_secs() + 2);
    if !counts.is_reconciled() || told != sent || asked.refused > 0 || flooded.decided > allowed {
        return Err(BenchError::Promise {
            case: case.to_owned(),
            reason: format!(
                "{sent} attempts were answered, the server says {counts:?}; {} of others were \
                 refused; the flooding player had {} decided, expected at most {allowed}",
                asked.refused, flooded.decided
            ),
        });
    }
    let refused = crate::load::rate(flooded.refused, flooded.elapsed);
    run.report
        .rows
        .push(Row::new(format!("{case}-refused"), refused, "refusals/s"));
    let others = PhaseFigures::of(&asked).row(&format!("{case}-others"), UNIT);
    run.report.rows.push(others);
    Ok(())
}

/// Connections of so many players; with one player, all of them are its own.
fn connect(server: &Server, round: &OpenRound, players: u32) -> Result<Reactor, BenchError> {
    let address = server.address()?;
    let first = if players == 1 { 0 } else { 1 };
    let (hunt, round) = (round.hunt.as_str(), round.round.get());
    let players = first..first + players;
    let speech = Speech::http(address, hunt, round, players, PLAYER_KEY)?;
    Reactor::connect(address, CONNECTIONS, Peer::Plain, speech)
}
