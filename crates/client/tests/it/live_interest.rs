//! What of a hunt is heard, and how that changes.

use huntcore_client::{LiveConnection, LiveEvent};
use huntcore_model::{BoardName, PlayerId};
use huntcore_wire::{
    CellText, ErrorMessage, Interest, LiveForm, OutcomeMessage, ProblemKind, RankMessage,
    ServerMessage, SubscribedMessage, Timestamp,
};

use crate::live_words::{
    attempt, builder, connect, delta, event, position, receive_claim, receive_subscription, round,
    snapshot, subscribed,
};
use crate::server::{LiveServer, Peer, timely};

fn cells(index: u64) -> Interest {
    Interest::cells([CellText::new(0x0087_1fb4_6740_0000 + index)]).expect("one cell")
}

fn agreed(interest: &Interest, own_rank: Option<BoardName>, resumed: bool) -> ServerMessage {
    let ServerMessage::Subscribed(told) = subscribed(resumed, "s") else {
        panic!("made as one");
    };
    ServerMessage::Subscribed(SubscribedMessage {
        interest: interest.clone(),
        own_rank,
        ..told
    })
}

fn refused(kind: ProblemKind) -> ServerMessage {
    ServerMessage::Error(ErrorMessage {
        server_time: Timestamp::default(),
        id: None,
        code: kind.name().to_owned(),
        detail: "no".to_owned(),
    })
}

/// Returns once the client has taken in all that was sent: an outcome comes behind it.
async fn settle(live: &LiveConnection, peer: &mut Peer) {
    let request = attempt(0);
    let answer = async {
        let claim = receive_claim(peer).await;
        let kind = huntcore_model::OutcomeKind::Taken;
        let told = OutcomeMessage::refused(claim, kind, huntcore_model::TimeMicros::ZERO);
        peer.send(&ServerMessage::Outcome(told)).await;
    };
    let (item, ()) = timely(async { tokio::join!(live.claim(&request), answer) }).await;
    item.expect("an outcome");
}

#[tokio::test]
async fn an_interest_is_asked_for_and_may_change_on_the_way() {
    for form in LiveForm::ALL {
        let server = LiveServer::start_in(form).await;
        let wish = builder(&server)
            .interest(cells(1))
            .own_rank(BoardName::TOTAL);
        let (live, mut peer) = connect(&server, wish).await;
        let first = receive_subscription(&mut peer).await;
        assert_eq!(
            (first.interest, first.own_rank),
            (cells(1), Some(BoardName::TOTAL))
        );
        // Before the answer: the second of them replaces the first.
        live.set_interest(cells(2));
        live.set_interest(cells(3));
        peer.send(&agreed(&cells(1), Some(BoardName::TOTAL), false))
            .await;
        let second = receive_subscription(&mut peer).await;
        assert_eq!((second.interest, second.resume), (cells(3), None));
        assert_eq!(second.own_rank, Some(BoardName::TOTAL));
        peer.send(&agreed(&cells(3), Some(BoardName::TOTAL), false))
            .await;
        peer.send(&snapshot("b")).await;
        let rank = RankMessage {
            server_time: Timestamp::default(),
            board: BoardName::TOTAL,
            player: PlayerId::new("ada").expect("valid"),
            rank: Some(2),
            score: Some(50),
            players: 9,
            position: position("b"),
        };
        peer.send(&ServerMessage::Rank(rank.clone())).await;
        settle(&live, &mut peer).await;
        live.with_state(|state| {
            assert_eq!(state.interest, cells(3));
            assert_eq!(state.rank, Some(rank));
        });
        live.set_own_rank(None);
        let third = receive_subscription(&mut peer).await;
        assert_eq!((third.interest, third.own_rank), (cells(3), None));
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_new_interests_snapshot_starts_with_one() {
    let server = LiveServer::start().await;
    let (live, mut peer) = connect(&server, builder(&server)).await;
    assert_eq!(receive_subscription(&mut peer).await.resume, None);
    peer.send(&subscribed(false, "a")).await;
    peer.send(&snapshot("a")).await;
    peer.send(&round(1)).await;
    peer.send(&delta("b", 0)).await;
    settle(&live, &mut peer).await;
    live.set_interest(cells(1));
    assert_eq!(receive_subscription(&mut peer).await.interest, cells(1));
    peer.send(&agreed(&cells(1), None, false)).await;
    settle(&live, &mut peer).await;
    drop(peer);
    let mut peer = server.accept().await;
    let again = receive_subscription(&mut peer).await;
    assert_eq!((again.interest, again.resume), (cells(1), None));
    // With the snapshot there is something to resume from.
    peer.send(&agreed(&cells(1), None, false)).await;
    peer.send(&snapshot("c")).await;
    settle(&live, &mut peer).await;
    drop(peer);
    let mut peer = server.accept().await;
    let again = receive_subscription(&mut peer).await;
    assert_eq!(
        (again.interest, again.resume),
        (cells(1), Some(position("c")))
    );
}

#[tokio::test]
async fn an_interest_refused_on_the_way_leaves_the_old_one() {
    let server = LiveServer::start().await;
    let (mut live, mut peer) = connect(&server, builder(&server)).await;
    receive_subscription(&mut peer).await;
    peer.send(&subscribed(false, "a")).await;
    peer.send(&snapshot("a")).await;
    live.set_interest(cells(7));
    assert_eq!(receive_subscription(&mut peer).await.interest, cells(7));
    peer.send(&refused(ProblemKind::UnknownCell)).await;
    peer.send(&delta("b", 0)).await;
    let told = loop {
        if let LiveEvent::Message(ServerMessage::Error(error)) = event(&mut live).await {
            break error;
        }
    };
    assert_eq!(told.code, "unknown-cell");
    settle(&live, &mut peer).await;
    live.with_state(|state| assert_eq!(state.interest, Interest::Everything));
    drop(peer);
    let mut peer = server.accept().await;
    let again = receive_subscription(&mut peer).await;
    assert_eq!(
        (again.interest, again.resume),
        (Interest::Everything, Some(position("b")))
    );
}

#[tokio::test]
async fn the_first_interest_refused_for_good_ends_the_connection() {
    let server = LiveServer::start().await;
    let (mut live, mut peer) = connect(&server, builder(&server).interest(cells(7))).await;
    receive_subscription(&mut peer).await;
    peer.send(&refused(ProblemKind::TooManyInterests)).await;
    let mut peer = server.accept().await;
    assert_eq!(receive_subscription(&mut peer).await.interest, cells(7));
    peer.send(&refused(ProblemKind::UnknownCell)).await;
    let end = loop {
        if let LiveEvent::Closed { reason, .. } = event(&mut live).await {
            break reason;
        }
    };
    assert_eq!(end, "server refused to subscribe with unknown-cell: no");
}

#[tokio::test]
async fn a_frame_of_the_other_form_is_not_taken() {
    for (form, other) in [
        (LiveForm::Json, LiveForm::Proto),
        (LiveForm::Proto, LiveForm::Json),
    ] {
        let server = LiveServer::start_in(form).await;
        let (mut live, mut peer) = connect(&server, builder(&server)).await;
        receive_subscription(&mut peer).await;
        peer.form = other;
        peer.send(&subscribed(false, "a")).await;
        assert!(matches!(
            event(&mut live).await,
            LiveEvent::Disconnected { reason, .. }
                if reason == format!("server sent a frame of {}", other.protocol())
        ));
    }
}
