//! A client of the HTTP API that knows as little as a stranger with the documentation would.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::until;

pub(crate) const SERVICE_KEY: &str = "service-key-of-the-tests-from-outside-0123456789";
pub(crate) const PLAYER_KEY: &str = "player-key-of-the-tests-from-outside-0123456789";

/// Talks to one server.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    url: String,
}

/// A status and a body; `Null` when the body is not JSON.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) text: String,
    pub(crate) headers: reqwest::header::HeaderMap,
}

/// An attempt, as a service sends it for a player.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) round: u64,
    pub(crate) tile: u32,
    pub(crate) player: String,
}

/// A score event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) player: String,
    pub(crate) score: i64,
}

impl Api {
    pub(crate) fn new(url: &str) -> Self {
        // A proxy of the surroundings has no business between a test and its server.
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            http,
            url: url.to_owned(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        send(self.request(Method::GET, path)).await
    }

    /// A request as the service.
    pub(crate) async fn service(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.request(method, path).bearer_auth(SERVICE_KEY);
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// One attempt by the player's own token.
    pub(crate) async fn claim(&self, claim: &Claim) -> Result<Answer, reqwest::Error> {
        let request = self
            .request(Method::POST, "/v1/hunts/park/claims")
            .bearer_auth(player_token(&claim.player))
            .json(&json!({ "round": claim.round, "tile": claim.tile }));
        send(request).await
    }

    /// Many attempts by the service key; one answer for each, in order.
    pub(crate) async fn claims(&self, claims: &[Claim]) -> Result<Vec<Value>, reqwest::Error> {
        let mut lines = String::new();
        for claim in claims {
            let item = json!({
                "hunt": "park", "round": claim.round, "tile": claim.tile, "player": claim.player,
            });
            lines.push_str(&item.to_string());
            lines.push('\n');
        }
        let answer = send(self.lines("/v1/claims", lines)).await?;
        assert_eq!(answer.status, 200, "POST /v1/claims: {}", answer.text);
        let items: Vec<Value> = answer
            .text
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        assert_eq!(items.len(), claims.len(), "one answer for each item");
        Ok(items)
    }

    /// Score events, one a line.
    pub(crate) async fn events(&self, events: &[Event]) -> Result<Answer, reqwest::Error> {
        let mut lines = String::new();
        for event in events {
            let item = json!({
                "event_id": event.id, "player": event.player, "event_type": "run",
                "score": event.score,
            });
            lines.push_str(&item.to_string());
            lines.push('\n');
        }
        send(self.lines("/v1/hunts/park/events", lines)).await
    }

    /// The newest open round.
    pub(crate) async fn round(&self) -> Result<u64, reqwest::Error> {
        let answer = self.get("/v1/hunts/park/rounds/current").await?;
        Ok(answer.body["round"].as_u64().unwrap_or(0))
    }

    /// Waits until a round is open, and names it.
    pub(crate) async fn open_round(&self) -> u64 {
        self.round_after(0).await
    }

    /// Waits until a round later than `round` is open, and names it.
    pub(crate) async fn round_after(&self, round: u64) -> u64 {
        until("a round opens", || async {
            let current = self.round().await.expect("the server answers");
            (current > round).then_some(current)
        })
        .await
    }

    /// A whole board, page by page, not older than `at_least` if that is given.
    pub(crate) async fn board(&self, board: &str, at_least: Option<&str>) -> Vec<(String, i64)> {
        let path = format!("/v1/hunts/park/boards/{board}?limit=100");
        let mut more = at_least
            .map(|position| format!("&at_least={position}"))
            .unwrap_or_default();
        let mut all = Vec::new();
        loop {
            let page = until("the board is as new as asked for", || async {
                let answer = self
                    .get(&format!("{path}{more}"))
                    .await
                    .expect("the server answers");
                // 503 projection-behind: the wait is bounded, asking again is the client's part.
                assert!(
                    [200, 503].contains(&answer.status),
                    "{path}{more}: {}",
                    answer.text
                );
                (answer.status == 200).then_some(answer.body)
            })
            .await;
            for entry in page["entries"].as_array().expect("entries") {
                assert_eq!(entry["rank"], all.len() + 1, "ranks count up without a gap");
                let player = entry["player"].as_str().expect("a player").to_owned();
                all.push((player, entry["score"].as_i64().expect("a score")));
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => more = format!("&cursor={cursor}"),
                None => return all,
            }
        }
    }

    /// A request as the service, one item a line.
    pub(crate) fn lines(&self, path: &str, lines: String) -> RequestBuilder {
        self.request(Method::POST, path)
            .bearer_auth(SERVICE_KEY)
            .header("content-type", "application/x-ndjson")
            .body(lines)
    }
}

impl Answer {
    /// The name of the outcome: of a problem its type's last part.
    pub(crate) fn outcome(&self) -> &str {
        let named = self.body["outcome"].as_str().or_else(|| {
            self.body["type"]
                .as_str()
                .and_then(|kind| kind.rsplit('/').next())
        });
        named.unwrap_or_default()
    }
}

/// Sends a request and reads the answer whole.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer {
        status,
        body,
        text,
        headers,
    })
}

/// A good token for `player`.
pub(crate) fn player_token(player: &str) -> String {
    signed(
        &json!({ "sub": player, "exp": seconds_from_now(3_600) }),
        PLAYER_KEY,
    )
}

/// A token that says `claims`, signed with `key`.
pub(crate) fn signed(claims: &Value, key: &str) -> String {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("it can be signed")
}

/// A time as tokens state it.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    i64::try_from(now).expect("before the year 292277026596") + seconds
}
