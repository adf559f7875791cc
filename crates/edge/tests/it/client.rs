//! A client of a live socket in either form.

use futures_util::SinkExt;
use huntcore_model::{BoardName, OutcomeKind, RoundNumber, TileIndex};
use huntcore_wire::{
    ClaimMessage, ClientMessage, Interest, LiveForm, LiveState, RankMessage, ServerMessage,
    SubscribeMessage, SubscribedMessage,
};
use tokio_websockets::Message;

use crate::world::{Socket, World, hear, token, within};

/// A socket and what it has made of all that it heard.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) form: LiveForm,
    pub(crate) state: LiveState,
    /// Whether a snapshot belongs to the last answer to `subscribe`.
    pub(crate) told_anew: bool,
}

impl Client {
    pub(crate) async fn new(world: &World, form: LiveForm, player: Option<&str>) -> Self {
        Self::of(world, "park", form, player).await
    }

    pub(crate) async fn of(
        world: &World,
        hunt: &str,
        form: LiveForm,
        player: Option<&str>,
    ) -> Self {
        let bearer = player.map(|player| format!("Bearer {}", token(player)));
        Self {
            socket: world.live_in(hunt, form, bearer.as_deref()).await,
            form,
            state: LiveState::new(),
            told_anew: false,
        }
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        let bytes = message.encode(self.form);
        let frame = match self.form {
            LiveForm::Json => Message::text(String::from_utf8(bytes.to_vec()).expect("UTF-8")),
            LiveForm::Proto => Message::binary(bytes),
        };
        within(self.socket.send(frame)).await.expect("it reads");
    }

    pub(crate) async fn subscribe(&mut self, interest: Interest) {
        self.ask(interest, None).await;
    }

    pub(crate) async fn ask(&mut self, interest: Interest, own_rank: Option<BoardName>) {
        let subscribe = SubscribeMessage {
            resume: None,
            interest,
            own_rank,
        };
        self.say(&ClientMessage::Subscribe(subscribe)).await;
    }

    pub(crate) async fn hear(&mut self) -> ServerMessage {
        let message = hear(&mut self.socket).await;
        if let ServerMessage::Subscribed(subscribed) = &message {
            self.told_anew = !subscribed.resumed;
        }
        self.state.apply(&message);
        message
    }

    pub(crate) async fn subscribed(&mut self) -> SubscribedMessage {
        loop {
            if let ServerMessage::Subscribed(subscribed) = self.hear().await {
                return subscribed;
            }
        }
    }

    /// The code of the next error.
    pub(crate) async fn error(&mut self) -> String {
        loop {
            if let ServerMessage::Error(error) = self.hear().await {
                return error.code;
            }
        }
    }

    pub(crate) async fn rank(&mut self) -> RankMessage {
        loop {
            if let ServerMessage::Rank(rank) = self.hear().await {
                return rank;
            }
        }
    }

    pub(crate) async fn until(&mut self, done: impl Fn(&LiveState) -> bool) {
        while !done(&self.state) {
            self.hear().await;
        }
    }

    pub(crate) async fn claim(&mut self, round: u64, tile: u32) -> OutcomeKind {
        let id = format!("{round}-{tile}");
        let claim = ClaimMessage {
            id: id.clone(),
            round: RoundNumber::new(round),
            tile: TileIndex::new(tile),
            answer: None,
        };
        self.say(&ClientMessage::Claim(claim)).await;
        loop {
            match self.hear().await {
                ServerMessage::Outcome(outcome) if outcome.id == id => return outcome.outcome,
                _ => {}
            }
        }
    }

    pub(crate) fn tiles(&self, round: u64) -> Vec<u32> {
        let round = self.state.rounds.get(&RoundNumber::new(round));
        let tiles = round.into_iter().flat_map(|round| round.claims.keys());
        let mut tiles: Vec<u32> = tiles.map(|tile| tile.get()).collect();
        tiles.sort_unstable();
        tiles
    }
}
