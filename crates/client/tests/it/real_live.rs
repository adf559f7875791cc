//! Live connections against a whole server, in both forms.

use std::collections::BTreeSet;

use huntcore_client::{Client, LiveConnection, LiveEvent};
use huntcore_model::{BoardName, OutcomeKind, TileIndex};
use huntcore_wire::{CellText, ClaimRequest, Interest, LiveForm, LiveState, ServerMessage};

use crate::real_server::{RealServer, TILES};
use crate::server::{hunt, timely};

/// The client of a new guest.
async fn guest(server: &RealServer) -> Client {
    let guest = timely(server.client.guest(&hunt(), None)).await;
    server.client.with_token(&guest.expect("admitted").token)
}

/// Reads events until the state is as it should be.
async fn until(live: &mut LiveConnection, done: impl Fn(&LiveState) -> bool) {
    timely(async {
        while !live.with_state(&done) {
            match live.next().await {
                Some(LiveEvent::Disconnected { reason, .. } | LiveEvent::Closed { reason, .. }) => {
                    panic!("connection lost: {reason}");
                }
                Some(_) => {}
                None => panic!("the end"),
            }
        }
    })
    .await;
}

/// The cell one step coarser.
fn parent(cell: CellText) -> CellText {
    let resolution = u64::from(cell.resolution());
    let index = cell.get() & !(0xf << 52) | (resolution - 1) << 52 | 7 << (3 * (15 - resolution));
    CellText::new(index)
}

fn shown(server: &RealServer, state: &LiveState) -> BTreeSet<TileIndex> {
    let round = state.rounds.get(&server.round);
    round
        .into_iter()
        .flat_map(|round| round.claims.keys().copied())
        .collect()
}

/// Claims every tile; gives the points won.
async fn claim_all(server: &RealServer, live: &LiveConnection) -> i64 {
    let mut points = 0;
    for tile in 0..TILES {
        let request = ClaimRequest {
            round: server.round,
            tile: TileIndex::new(tile),
            answer: None,
        };
        let item = timely(live.claim(&request)).await.expect("an outcome");
        assert_eq!(item.outcome, OutcomeKind::Won);
        points += i64::from(item.points.expect("of the winner"));
    }
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hears_what_it_wants_to_in_either_form() {
    for (form, shards) in [
        (LiveForm::Json, 3),
        (LiveForm::Proto, 1),
        (LiveForm::Proto, 3),
    ] {
        let server = RealServer::start(shards).await;
        let ada = guest(&server).await;
        let round = timely(ada.current_round(&hunt()))
            .await
            .expect("it is open");
        let places = timely(ada.tiles(&round)).await.expect("its cells");
        let places: Vec<CellText> = places
            .iter()
            .map(|cell| CellText::new(cell.get()))
            .collect();
        let viewport = parent(places[0]);
        let in_viewport: BTreeSet<TileIndex> = (0..TILES)
            .filter(|&tile| viewport.contains(places[tile as usize]))
            .map(TileIndex::new)
            .collect();
        assert!((1..TILES as usize).contains(&in_viewport.len()));

        let wish = ada
            .live(&hunt())
            .form(form)
            .interest(Interest::cells([viewport]).expect("one"))
            .own_rank(BoardName::TOTAL);
        let mut live = timely(wish.connect()).await.expect("accepted");
        let mut watcher = timely(server.client.live(&hunt()).form(form).connect())
            .await
            .expect("accepted");
        let points = claim_all(&server, &live).await;
        let all: BTreeSet<TileIndex> = (0..TILES).map(TileIndex::new).collect();
        until(&mut watcher, |state| shown(&server, state) == all).await;
        let won_all = |state: &LiveState| {
            let rank = state.rank.as_ref();
            rank.is_some_and(|rank| (rank.rank, rank.score) == (Some(1), Some(points)))
        };
        until(&mut live, |state| {
            won_all(state) && shown(&server, state) == in_viewport
        })
        .await;

        // The whole map, then no map at all, then a cell that the hunt cannot have.
        live.set_interest(Interest::Everything);
        until(&mut live, |state| shown(&server, state) == all).await;
        let states = [&live, &watcher].map(|live| live.with_state(|state| state.rounds.clone()));
        assert_eq!(states[0], states[1]);
        let board = Interest::boards([BoardName::TOTAL]).expect("one");
        live.set_interest(board.clone());
        live.set_own_rank(None);
        until(&mut live, |state| {
            let has_board = state.boards.contains_key(&BoardName::TOTAL);
            state.interest == board && state.rounds.is_empty() && has_board && state.rank.is_none()
        })
        .await;
        let centre = places[0].get() & !(0xf << 52) & !(7 << 12) | 11 << 52;
        live.set_interest(Interest::cells([CellText::new(centre)]).expect("one"));
        let refused = timely(async {
            loop {
                if let Some(LiveEvent::Message(ServerMessage::Error(error))) = live.next().await {
                    break error;
                }
            }
        });
        assert_eq!(refused.await.code, "unknown-cell");
        live.with_state(|state| assert_eq!(state.interest, board));

        // The other form goes on where this one stands.
        let resume = watcher
            .with_state(|state| state.resume.clone())
            .expect("it has one");
        let other = LiveForm::ALL
            .into_iter()
            .find(|&other| other != form)
            .expect("two forms");
        let heir = server.client.live(&hunt()).form(other).resume(resume);
        let mut heir = timely(heir.connect()).await.expect("accepted");
        let first = timely(heir.next()).await;
        assert!(matches!(first, Some(LiveEvent::Subscribed(told)) if told.resumed));
        for connection in [live, watcher, heir] {
            timely(connection.close()).await;
        }
        server.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_cannot_ask_for_a_rank() {
    let server = RealServer::start(1).await;
    let wish = server.client.live(&hunt()).own_rank(BoardName::TOTAL);
    let mut live = timely(wish.connect()).await.expect("accepted");
    let end = timely(async {
        loop {
            if let Some(LiveEvent::Closed { reason, .. }) = live.next().await {
                break reason;
            }
        }
    });
    let reason = end.await;
    assert!(reason.contains("unauthorized"), "{reason}");
    server.end().await;
}
