//! What a test's server says on the live socket, and hears.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huntcore_client::{LiveBuilder, LiveConnection, LiveEvent};
use huntcore_model::{
    Hash32, OutcomeKind, PlayerId, RoundNumber, RoundOpened, RoundSchedule, TileIndex, TimeMicros,
};
use huntcore_wire::{
    ClaimMessage, ClaimRequest, ClientMessage, DeltaMessage, HuntStateName, Interest, LiveClaim,
    OutcomeMessage, PositionText, RoundMessage, ServerMessage, SnapshotMessage, SubscribeMessage,
    SubscribedMessage, Timestamp,
};

use crate::server::{LiveServer, Peer, QUICK, hunt, timely};

pub(crate) fn position(name: &str) -> PositionText {
    PositionText::new(URL_SAFE_NO_PAD.encode(name))
}

pub(crate) fn subscribed(resumed: bool, resume: &str) -> ServerMessage {
    ServerMessage::Subscribed(SubscribedMessage {
        server_time: Timestamp::default(),
        hunt: hunt(),
        player: Some(PlayerId::new("ada").expect("valid")),
        resumed,
        tick: 1,
        resume: position(resume),
        tick_ms: 100,
        interest: Interest::Everything,
        own_rank: None,
    })
}

pub(crate) fn snapshot(resume: &str) -> ServerMessage {
    ServerMessage::Snapshot(SnapshotMessage {
        server_time: Timestamp::default(),
        tick: 1,
        resume: position(resume),
        hunt: hunt(),
        state: HuntStateName::Running,
        oldest: RoundNumber::FIRST,
        rounds: Vec::new(),
        board: None,
        corrections: Vec::new(),
        boards: None,
    })
}

pub(crate) fn round(number: u64) -> ServerMessage {
    let opened = RoundOpened {
        hunt: huntcore_model::HuntNumber::new(0),
        round: RoundNumber::new(number),
        config_version: 1,
        map: Hash32::ZERO,
        commitment: Hash32::ZERO,
        layout: Hash32::ZERO,
        tiles: 4,
        schedule: RoundSchedule {
            opens_at: TimeMicros::ZERO,
            closes_at: TimeMicros::ZERO,
        },
    };
    ServerMessage::Round(RoundMessage::new(&hunt(), &opened, TimeMicros::ZERO))
}

pub(crate) fn delta(resume: &str, tile: u32) -> ServerMessage {
    ServerMessage::Delta(DeltaMessage {
        server_time: Timestamp::default(),
        tick: 2,
        from_tick: None,
        resume: position(resume),
        oldest: RoundNumber::FIRST,
        claims: vec![LiveClaim {
            round: RoundNumber::new(1),
            tile: TileIndex::new(tile),
            player: None,
            points: 1,
            voided: false,
        }],
        closed: Vec::new(),
        seeds: Vec::new(),
        state: None,
        corrections: Vec::new(),
        boards: None,
    })
}

pub(crate) fn outcome(claim: ClaimMessage, kind: OutcomeKind) -> ServerMessage {
    ServerMessage::Outcome(OutcomeMessage::refused(claim, kind, TimeMicros::ZERO))
}

pub(crate) fn attempt(tile: u32) -> ClaimRequest {
    ClaimRequest {
        round: RoundNumber::new(1),
        tile: TileIndex::new(tile),
        answer: None,
    }
}

pub(crate) fn builder(server: &LiveServer) -> LiveBuilder {
    server
        .client()
        .live(&hunt())
        .form(server.form)
        .reconnect(QUICK)
}

pub(crate) async fn connect(server: &LiveServer, builder: LiveBuilder) -> (LiveConnection, Peer) {
    let (live, peer) = tokio::join!(builder.connect(), server.accept());
    (live.expect("accepted"), peer)
}

pub(crate) async fn receive_claim(peer: &mut Peer) -> ClaimMessage {
    match peer.receive().await {
        ClientMessage::Claim(claim) => claim,
        ClientMessage::Subscribe(subscribe) => panic!("unexpected {subscribe:?}"),
    }
}

/// The `resume` of the next message, which subscribes.
pub(crate) async fn receive_subscribe(peer: &mut Peer) -> Option<PositionText> {
    receive_subscription(peer).await.resume
}

pub(crate) async fn receive_subscription(peer: &mut Peer) -> SubscribeMessage {
    match peer.receive().await {
        ClientMessage::Subscribe(subscribe) => subscribe,
        ClientMessage::Claim(claim) => panic!("unexpected {claim:?}"),
    }
}

pub(crate) async fn event(live: &mut LiveConnection) -> LiveEvent {
    timely(live.next()).await.expect("not the end")
}
