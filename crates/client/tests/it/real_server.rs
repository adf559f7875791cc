//! A stream of attempts against a whole server: node, edge and an in-memory log.

use std::sync::Arc;
use std::time::Duration;

use huntcore_client::{AnsweredBatch, ClaimStream, ClaimStreamOptions, Client};
use huntcore_edge::{AuthConfig, AuthSettings, Edge, EdgeConfig, PlayerKey, Secret};
use huntcore_log::{MemoryLog, MemoryOptions};
use huntcore_map::FairnessKey;
use huntcore_model::{OutcomeKind, RoundNumber, ShardMap, TileIndex};
use huntcore_node::{Node, NodeConfig, SystemClock};
use huntcore_wire::{ClaimItem, ClaimStreamForm, HuntRequest};
use serde_json::json;
use tokio::sync::oneshot;

use crate::server::{hunt, timely};

pub(crate) const TILES: u32 = 64;

/// A node and its edge.
pub(crate) struct RealServer {
    pub(crate) client: Client,
    pub(crate) round: RoundNumber,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
    node: Arc<Node>,
}

impl RealServer {
    /// With the hunt `park`, whose first round is open. Guests are admitted.
    pub(crate) async fn start(shards: u16) -> Self {
        let mut config = NodeConfig::new(FairnessKey::new([7; 32]));
        config.shards = ShardMap::new(shards).expect("few");
        let log = Arc::new(MemoryLog::new(MemoryOptions::default()));
        let clock = Arc::new(SystemClock::default());
        let node = Node::start(config, log, clock).expect("an empty log");
        let settings = AuthSettings {
            player_key: PlayerKey::Hs256(Secret::new("a player key of thirty-two bytes")),
            service_key: Some(Secret::new("a service key of thirty-two byte")),
            issuer: None,
            audience: None,
            guests: Some(Duration::from_secs(3_600)),
        };
        let mut config = EdgeConfig::new(AuthConfig::On(settings));
        config.listen.set_port(0);
        let edge = Edge::bind(config, node.clone()).expect("a free port");
        let url = format!("http://{}", edge.local_addr());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async move { drop(stopped.await) };
            edge.serve(stopped).await;
        });
        let client = Client::builder(url).service_key("a service key of thirty-two byte");
        let client = client.build().expect("a good URL");
        timely(client.create_hunt(&park())).await.expect("created");
        let opening = async {
            loop {
                if let Ok(round) = client.current_round(&hunt()).await {
                    return round.round;
                }
                tokio::task::yield_now().await;
            }
        };
        let round = timely(opening).await;
        Self {
            client,
            round,
            stop,
            serving,
            node,
        }
    }

    pub(crate) async fn end(self) {
        drop(self.stop);
        timely(self.serving).await.expect("it ends");
        let stopping = tokio::task::spawn_blocking(move || self.node.stop());
        timely(stopping).await.expect("the node ends");
    }
}

fn park() -> HuntRequest {
    let corners = [
        [0.0, 0.0],
        [0.01, 0.0],
        [0.01, 0.01],
        [0.0, 0.01],
        [0.0, 0.0],
    ];
    let request = json!({
        "id": "park",
        "area": {"type": "Polygon", "coordinates": [corners]},
        "resolution": 10,
        "round": "1h",
        "claim_window": "1h",
        "tiles": TILES,
    });
    serde_json::from_value(request).expect("a valid request")
}

/// Every tile asked for by both players in turn, in batches of 7, and one tile that is not there.
async fn race(server: &RealServer, form: ClaimStreamForm) -> Vec<ClaimItem> {
    let mut stream = server.client.claim_stream(ClaimStreamOptions {
        form,
        batches_max: 3,
    });
    let mut asked: Vec<(u32, &str)> = Vec::new();
    for player in ["ada", "Ünï \"B\""] {
        asked.extend((0..TILES).map(|tile| (tile, player)));
    }
    asked.push((TILES, "ada"));
    let mut items = Vec::new();
    for (tag, part) in (0..).zip(asked.chunks(7)) {
        while stream.is_full() {
            items.extend(take(&mut stream).await);
        }
        let mut batch = stream.batch();
        for &(tile, player) in part {
            batch.push("park", server.round, TileIndex::new(tile), player);
        }
        timely(stream.send(batch, tag)).await.expect("room");
    }
    stream.finish();
    while stream.in_flight() > 0 {
        items.extend(take(&mut stream).await);
    }
    assert_eq!(items.len(), asked.len(), "one outcome for each attempt");
    items
}

async fn take(stream: &mut ClaimStream) -> Vec<ClaimItem> {
    let answered: AnsweredBatch = timely(stream.answered())
        .await
        .expect("no error")
        .expect("something is out");
    let items = answered.items().collect::<Result<_, _>>();
    items.expect("outcomes")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_gets_its_one_outcome_and_the_same_again() {
    for shards in [1, 3] {
        let server = RealServer::start(shards).await;
        let first = race(&server, ClaimStreamForm::Protobuf).await;
        let kinds: Vec<OutcomeKind> = first.iter().map(|item| item.outcome).collect();
        let tiles = TILES as usize;
        assert!(kinds[..tiles].iter().all(|&kind| kind == OutcomeKind::Won));
        let second = &kinds[tiles..2 * tiles];
        assert!(second.iter().all(|&kind| kind == OutcomeKind::Taken));
        assert_eq!(kinds[2 * tiles], OutcomeKind::UnknownTile);
        for (won, taken) in first[..tiles].iter().zip(&first[tiles..]) {
            let receipt = won.receipt.as_ref().expect("of the winner");
            assert_eq!(taken.winner_position.as_ref(), Some(&receipt.position));
        }
        // The other form, a connection of its own: what is final stays as it is (I3).
        assert_eq!(race(&server, ClaimStreamForm::Lines).await, first);
        server.end().await;
    }
}
