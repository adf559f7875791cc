//! Where tiles are, for those who hear only of some cells: drawn ahead of each round's opening,
//! and never on a reactor's thread.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use huntcore_broadcast::{FeedVersion, Layouts, RoundLayout};
use huntcore_map::{Cell, CellList, draw_tiles};
use huntcore_model::{HuntEntry, HuntNumber, RoundNumber, RoundOpened};
use tokio::sync::watch;

use super::classes::Classes;
use super::making::Done;
use crate::backend::Backend;

/// After a layout that could not be drawn, before trying again.
const PAUSE: Duration = Duration::from_secs(1);

/// Draws layouts as rounds are announced, for the hunts that some class needs them of. Runs
/// until it is dropped.
pub(super) async fn tend(
    backend: Arc<dyn Backend>,
    mut views: watch::Receiver<u64>,
    classes: Arc<Classes>,
    done: Arc<Done>,
) {
    loop {
        let mut failed = false;
        for (hunt, layouts) in classes.needing_layouts() {
            failed |= !draw_missing(&*backend, hunt, &layouts, &done).await;
        }
        if failed {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        tokio::select! {
            () = classes.wanted.notified() => {}
            changed = views.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

/// `false` if some could not be drawn.
async fn draw_missing(
    backend: &dyn Backend,
    hunt: HuntNumber,
    layouts: &ArcSwap<Layouts>,
    done: &Done,
) -> bool {
    let view = backend.view();
    let (Some(feed), Some(entry)) = (view.feeds.get(&hunt), view.catalog.by_number(hunt)) else {
        return true;
    };
    let known = layouts.load_full();
    let mut is_whole = true;
    for opened in missing(feed, entry, &known) {
        let Some(layout) = draw(backend, &opened).await else {
            is_whole = false;
            continue;
        };
        let mut more = Layouts::clone(&layouts.load());
        // A reactor may be some views behind, and show what the newest does not.
        more.forget_before(known_oldest(feed));
        more.insert(opened.round, layout);
        layouts.store(Arc::new(more));
        done.tell();
    }
    is_whole
}

fn known_oldest(feed: &FeedVersion) -> RoundNumber {
    const SLACK_ROUNDS: u64 = 2;
    RoundNumber::new(feed.oldest().get().saturating_sub(SLACK_ROUNDS))
}

/// The rounds that are shown or soon will be, and whose layouts are not known.
fn missing(feed: &FeedVersion, entry: &HuntEntry, known: &Layouts) -> Vec<RoundOpened> {
    let ahead = entry.rounds().rev().map(|round| &round.opened);
    let ahead = ahead.take_while(|opened| opened.round >= feed.oldest());
    let mut missing: Vec<RoundOpened> = feed
        .rounds()
        .chain(ahead)
        .filter(|opened| !known.contains(opened.round))
        .cloned()
        .collect();
    missing.sort_by_key(|opened| opened.round);
    missing.dedup_by_key(|opened| opened.round);
    missing
}

async fn draw(backend: &dyn Backend, opened: &RoundOpened) -> Option<RoundLayout> {
    let (hunt, round) = (opened.hunt.get(), opened.round.get());
    let cells = backend.cells(opened.hunt, opened.config_version).await;
    let Some(cells) = cells else {
        tracing::warn!(
            hunt,
            round,
            "cells are not there yet: sockets that hear only of some of them wait"
        );
        return None;
    };
    let (layout, tiles) = (opened.layout, opened.tiles);
    let drawn = tokio::task::spawn_blocking(move || {
        let drawn = draw_tiles(CellList::as_slice(&cells), &layout, tiles)?;
        Ok::<RoundLayout, huntcore_map::LayoutError>(drawn.into_iter().map(Cell::get).collect())
    });
    match drawn.await {
        Ok(Ok(layout)) => Some(layout),
        Ok(Err(error)) => {
            tracing::error!(hunt, round, %error, "a logged round's tiles cannot be drawn");
            None
        }
        Err(error) => {
            tracing::error!(hunt, round, %error, "drawing a round's tiles ended early");
            None
        }
    }
}
