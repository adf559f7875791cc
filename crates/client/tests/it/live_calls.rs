//! The live connection: its stream, its attempts, its losses.

use std::time::Duration;

use huntcore_client::{ClientError, LiveEvent};
use huntcore_model::{OutcomeKind, RoundNumber};
use huntcore_wire::{HuntStateName, LiveForm, ServerMessage};

use crate::live_words::{
    attempt, builder, connect, delta, event, outcome, position, receive_claim, receive_subscribe,
    round, snapshot, subscribed,
};
use crate::server::{LiveServer, timely};

#[tokio::test]
async fn the_stream_is_told_and_folded() {
    for form in LiveForm::ALL {
        let server = LiveServer::start_in(form).await;
        let (mut live, mut peer) = connect(&server, builder(&server)).await;
        assert_eq!(peer.request.uri().path(), "/v1/hunts/park/live");
        assert_eq!(
            peer.request.headers()["authorization"],
            "Bearer player-token"
        );
        assert_eq!(
            peer.request.headers()["sec-websocket-protocol"],
            form.protocol()
        );
        assert_eq!(receive_subscribe(&mut peer).await, None);
        let messages = [snapshot("a"), round(1), delta("b", 3)];
        peer.send(&subscribed(false, "a")).await;
        for message in &messages {
            peer.send(message).await;
        }
        peer.send_newer().await;
        peer.send(&delta("c", 2)).await;
        assert!(matches!(event(&mut live).await, LiveEvent::Subscribed(told) if !told.resumed));
        for message in messages {
            assert_eq!(event(&mut live).await, LiveEvent::Message(message));
        }
        assert_eq!(event(&mut live).await, LiveEvent::Message(delta("c", 2)));
        live.with_state(|state| {
            assert_eq!(state.state, Some(HuntStateName::Running));
            assert_eq!(state.rounds[&RoundNumber::new(1)].claims.len(), 2);
            assert_eq!(state.resume, Some(position("c")));
        });
        let (code, ()) = tokio::join!(peer.receive_close(), live.close());
        assert_eq!(code, 1000);
    }
}

#[tokio::test]
async fn outcomes_find_their_attempts_in_any_order() {
    for form in LiveForm::ALL {
        let server = LiveServer::start_in(form).await;
        let (live, mut peer) = connect(&server, builder(&server)).await;
        receive_subscribe(&mut peer).await;
        let (zero, one) = (attempt(0), attempt(1));
        let serve = async {
            let mut claims = vec![
                receive_claim(&mut peer).await,
                receive_claim(&mut peer).await,
            ];
            claims.reverse();
            for claim in claims {
                let kind = if claim.tile.get() == 0 {
                    OutcomeKind::Taken
                } else {
                    OutcomeKind::Expired
                };
                peer.send(&outcome(claim, kind)).await;
            }
        };
        let (zero, one, ()) =
            timely(async { tokio::join!(live.claim(&zero), live.claim(&one), serve) }).await;
        assert_eq!(zero.expect("an outcome").outcome, OutcomeKind::Taken);
        assert_eq!(one.expect("an outcome").outcome, OutcomeKind::Expired);
    }
}

#[tokio::test]
async fn an_overloaded_attempt_is_made_again() {
    let server = LiveServer::start().await;
    let (live, mut peer) = connect(&server, builder(&server)).await;
    receive_subscribe(&mut peer).await;
    let request = attempt(2);
    let serve = async {
        let first = receive_claim(&mut peer).await;
        peer.send(&outcome(first.clone(), OutcomeKind::Overloaded))
            .await;
        let second = receive_claim(&mut peer).await;
        assert_eq!((first.round, first.tile), (second.round, second.tile));
        peer.send(&outcome(second, OutcomeKind::Taken)).await;
    };
    let (item, ()) = timely(async { tokio::join!(live.claim(&request), serve) }).await;
    assert_eq!(item.expect("an outcome").outcome, OutcomeKind::Taken);
}

#[tokio::test]
async fn a_lost_connection_is_resumed_and_its_attempts_are_made_again() {
    for form in LiveForm::ALL {
        let server = LiveServer::start_in(form).await;
        let (mut live, mut peer) = connect(&server, builder(&server)).await;
        receive_subscribe(&mut peer).await;
        peer.send(&subscribed(false, "a")).await;
        peer.send(&snapshot("a")).await;
        peer.send(&delta("b", 0)).await;
        let request = attempt(3);
        let handle = live.handle();
        let asked = tokio::spawn(async move { handle.claim(&request).await });
        let first = receive_claim(&mut peer).await;
        drop(peer);

        let mut peer = server.accept().await;
        assert_eq!(receive_subscribe(&mut peer).await, Some(position("b")));
        let again = receive_claim(&mut peer).await;
        assert_eq!(again, first);
        peer.send(&subscribed(true, "b")).await;
        peer.send(&outcome(again, OutcomeKind::Taken)).await;
        let item = timely(asked).await.expect("no panic").expect("an outcome");
        assert_eq!(item.outcome, OutcomeKind::Taken);
        let mut lost = 0;
        loop {
            match event(&mut live).await {
                LiveEvent::Subscribed(told) if told.resumed => break,
                LiveEvent::Disconnected { .. } => lost += 1,
                _ => {}
            }
        }
        assert_eq!(lost, 1);

        // A server that restarts says so, and is found again.
        peer.close(1001, "restarting").await;
        server.refuse("503 Service Unavailable").await;
        let mut peer = server.accept().await;
        assert_eq!(receive_subscribe(&mut peer).await, Some(position("b")));
        peer.send(&subscribed(true, "b")).await;
        let mut reasons = Vec::new();
        loop {
            match event(&mut live).await {
                LiveEvent::Subscribed(_) => break,
                LiveEvent::Disconnected { reason, .. } => reasons.push(reason),
                other => panic!("unexpected {other:?}"),
            }
        }
        assert_eq!(
            reasons,
            [
                "server closed with 1001 restarting",
                "server not reached: handshake refused with status 503"
            ]
        );
    }
}

#[tokio::test]
async fn a_server_that_will_not_have_the_client_ends_it() {
    let server = LiveServer::start().await;
    let (mut live, mut peer) = connect(&server, builder(&server)).await;
    receive_subscribe(&mut peer).await;
    let handle = live.handle();
    let asked = tokio::spawn(async move { handle.claim(&attempt(0)).await });
    receive_claim(&mut peer).await;
    peer.close(1008, "token has expired").await;
    assert_eq!(
        event(&mut live).await,
        LiveEvent::Closed {
            code: Some(1008),
            reason: "server closed with 1008 token has expired".to_owned()
        }
    );
    assert_eq!(timely(live.next()).await, None);
    let error = timely(asked).await.expect("no panic").expect_err("ended");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    let error = timely(live.claim(&attempt(1))).await.expect_err("ended");
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_handshake_says_whether_to_come_again() {
    let server = LiveServer::start().await;
    let (result, ()) = tokio::join!(
        builder(&server).connect(),
        server.refuse("401 Unauthorized")
    );
    let error = result.expect_err("refused");
    assert!(
        matches!(error, ClientError::Closed { .. }) && !error.is_retryable(),
        "{error}"
    );
    let (result, ()) = tokio::join!(
        builder(&server).connect(),
        server.refuse("503 Service Unavailable")
    );
    assert!(result.expect_err("refused").is_retryable());
}

#[tokio::test]
async fn who_does_not_read_loses_events_but_not_the_state() {
    let server = LiveServer::start().await;
    let (mut live, mut peer) = connect(&server, builder(&server).events_max(2)).await;
    receive_subscribe(&mut peer).await;
    peer.send(&subscribed(false, "a")).await;
    peer.send(&snapshot("a")).await;
    peer.send(&round(1)).await;
    for tile in 0..4 {
        peer.send(&delta("b", tile)).await;
    }
    // The outcome comes after all of them, so all of them have been taken in.
    let serve = async {
        let claim = receive_claim(&mut peer).await;
        peer.send(&outcome(claim, OutcomeKind::Taken)).await;
        peer
    };
    let request = attempt(0);
    let (item, mut peer) = timely(async { tokio::join!(live.claim(&request), serve) }).await;
    item.expect("an outcome");
    live.with_state(|state| assert_eq!(state.rounds[&RoundNumber::new(1)].claims.len(), 4));
    assert!(matches!(event(&mut live).await, LiveEvent::Subscribed(_)));
    assert!(matches!(
        event(&mut live).await,
        LiveEvent::Message(ServerMessage::Snapshot(_))
    ));
    peer.send(&delta("c", 0)).await;
    assert_eq!(event(&mut live).await, LiveEvent::Lagged { missed: 5 });
    assert_eq!(event(&mut live).await, LiveEvent::Message(delta("c", 0)));
}

#[tokio::test]
async fn who_only_plays_reads_deltas_without_claims() {
    for form in LiveForm::ALL {
        let server = LiveServer::start_in(form).await;
        let (mut live, mut peer) = connect(&server, builder(&server).without_claims()).await;
        receive_subscribe(&mut peer).await;
        peer.send(&delta("b", 0)).await;
        let LiveEvent::Message(ServerMessage::Delta(read)) = event(&mut live).await else {
            panic!("expected a delta");
        };
        assert_eq!((read.claims.len(), read.resume), (0, position("b")));
    }
}

#[tokio::test]
async fn a_silent_server_is_asked_and_then_left() {
    let server = LiveServer::start().await;
    let patience = Duration::from_millis(40);
    let (mut live, mut peer) = connect(&server, builder(&server).idle_timeout(patience)).await;
    receive_subscribe(&mut peer).await;
    // Reading answers the ping; silence begins when the peer is no longer read.
    peer.receive_ping().await;
    let silent = peer;
    let mut next = server.accept().await;
    receive_subscribe(&mut next).await;
    assert!(matches!(
        event(&mut live).await,
        LiveEvent::Disconnected { reason, .. } if reason == "server gives no sign"
    ));
    drop(silent);
}

#[tokio::test]
async fn a_bound_on_attempts_holds_back_the_rest() {
    let server = LiveServer::start().await;
    let (live, mut peer) = connect(&server, builder(&server).claims_max(1)).await;
    receive_subscribe(&mut peer).await;
    let (zero, one) = (attempt(0), attempt(1));
    let serve = async {
        for _ in 0..2 {
            let claim = receive_claim(&mut peer).await;
            peer.send(&outcome(claim, OutcomeKind::Taken)).await;
        }
    };
    let (zero, one, ()) =
        timely(async { tokio::join!(live.claim(&zero), live.claim(&one), serve) }).await;
    assert!(zero.is_ok() && one.is_ok());
}
