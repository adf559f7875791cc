//! Leaderboards.

use huntcore_model::{BoardName, HuntId, PlayerId};
use huntcore_wire::{
    BoardList, BoardQuery, BoardView, LateList, LateQuery, PositionText, ScoreRankQuery,
    ScoreRankView, StandingQuery, StandingView, Timestamp, WindowList, WindowQuery,
};
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

    /// A hunt's boards, by name.
    pub async fn boards(&self, hunt: &HuntId) -> Result<BoardList, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), "boards"])?;
        self.get(url).await
    }

    /// A board's windows, newest first.
    pub async fn windows(
        &self,
        hunt: &HuntId,
        board: BoardName,
        query: &WindowQuery,
    ) -> Result<WindowList, ClientError> {
        let mut url = self.board_url(hunt, board, "windows")?;
        add(&mut url, "limit", query.limit);
        add(&mut url, "cursor", query.cursor.as_deref());
        self.get(url).await
    }

    /// What came too late for a board.
    pub async fn late_events(
        &self,
        hunt: &HuntId,
        board: BoardName,
        query: &LateQuery,
    ) -> Result<LateList, ClientError> {
        let mut url = self.board_url(hunt, board, "late")?;
        add(&mut url, "limit", query.limit);
        self.get(url).await
    }

    /// Where a score would stand on a board.
    pub async fn rank_at(
        &self,
        hunt: &HuntId,
        board: BoardName,
        query: &ScoreRankQuery,
    ) -> Result<ScoreRankView, ClientError> {
        let mut url = self.board_url(hunt, board, "rank")?;
        add(&mut url, "score", Some(query.score));
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

    fn board_url(&self, hunt: &HuntId, board: BoardName, what: &str) -> Result<Url, ClientError> {
        self.url(&["v1", "hunts", hunt.as_str(), "boards", board.as_str(), what])
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
