//! Leaderboards.

use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{BoardQuery, BoardView, PositionText, StandingQuery, StandingView, Timestamp};
use reqwest::Url;

use crate::{Client, ClientError};

impl Client {
    /// A page of a board. With `at_least`, the server waits a bounded time until the board
    /// covers that position, and says `projection-behind` if it does not.
    pub async fn board(
        &self,
        hunt: &HuntId,
        board: BoardName,
        query: &BoardQuery,
    ) -> Result<BoardView, ClientError> {
        let mut url = self.url(&["v1", "hunts", hunt.as_str(), "boards", board.as_str()])?;
        add(&mut url, "limit", query.limit);
        add(&mut url, "cursor", query.cursor.as_deref());
        add(&mut url, "window", query.window.map(window));
        let at_least = query.at_least.as_ref().map(PositionText::as_str);
        add(&mut url, "at_least", at_least);
        self.get(url).await
    }

    /// One player's place on a board.
    pub async fn standing(
        &self,
        hunt: &HuntId,
        board: BoardName,
        player: &PlayerId,
        query: &StandingQuery,
    ) -> Result<StandingView, ClientError> {
        let mut url = self.url(&[
            "v1",
            "hunts",
            hunt.as_str(),
            "boards",
            board.as_str(),
            "players",
            player.as_str(),
        ])?;
        add(&mut url, "around", query.around);
        add(&mut url, "window", query.window.map(window));
        let at_least = query.at_least.as_ref().map(PositionText::as_str);
        add(&mut url, "at_least", at_least);
        self.get(url).await
    }
}

fn add(url: &mut Url, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        url.query_pairs_mut().append_pair(name, &value.to_string());
    }
}

fn window(start: Timestamp) -> String {
    start.to_string()
}
