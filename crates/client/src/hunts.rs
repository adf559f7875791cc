//! Hunts, rounds, maps, guests and figures.

use http::Method;
use huntcore_model::{Hash32, HuntId, RoundNumber};
use huntcore_wire::{
    GuestAnswer, GuestRequest, HuntChange, HuntList, HuntRequest, HuntView, MapView, RoundView,
    Stats,
};

use crate::http::{Asker, Body};
use crate::{Client, ClientError};

impl Client {
    /// Every hunt, in order of creation.
    pub async fn hunts(&self) -> Result<HuntList, ClientError> {
        self.get(self.url(&["v1", "hunts"])?).await
    }

    /// One hunt.
    pub async fn hunt(&self, hunt: &HuntId) -> Result<HuntView, ClientError> {
        self.get(self.url(&["v1", "hunts", hunt.as_str()])?).await
    }

    /// Creates a hunt (service key).
    pub async fn create_hunt(&self, request: &HuntRequest) -> Result<HuntView, ClientError> {
        let url = self.url(&["v1", "hunts"])?;
        let body = Some(Body::json(request)?);
        let answer = self.send(Method::POST, url, Asker::Service, body).await?;
        answer.json()
    }

    /// Changes a hunt (service key).
    pub async fn change_hunt(
        &self,
        hunt: &HuntId,
        change: &HuntChange,
    ) -> Result<HuntView, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str()])?;
        let body = Some(Body::json(change)?);
        let answer = self.send(Method::PATCH, url, Asker::Service, body).await?;
        answer.json()
    }

    /// Refuses attempts until [`Self::resume_hunt`]; answers once every shard does (service
    /// key).
    pub async fn pause_hunt(&self, hunt: &HuntId) -> Result<HuntView, ClientError> {
        self.command(hunt, "pause").await
    }

    /// Takes attempts again (service key).
    pub async fn resume_hunt(&self, hunt: &HuntId) -> Result<HuntView, ClientError> {
        self.command(hunt, "resume").await
    }

    /// Ends a hunt for ever (service key).
    pub async fn close_hunt(&self, hunt: &HuntId) -> Result<HuntView, ClientError> {
        self.command(hunt, "close").await
    }

    /// The newest open round.
    pub async fn current_round(&self, hunt: &HuntId) -> Result<RoundView, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), "rounds", "current"])?;
        self.get(url).await
    }

    /// A round that has opened.
    pub async fn round(&self, hunt: &HuntId, round: RoundNumber) -> Result<RoundView, ClientError> {
        let number = round.to_string();
        let url = self.url(&["v1", "hunts", hunt.as_str(), "rounds", &number])?;
        self.get(url).await
    }

    /// A map by its name.
    pub async fn map(&self, map: Hash32) -> Result<MapView, ClientError> {
        self.get(self.url(&["v1", "maps", &map.to_string()])?).await
    }

    /// A new guest of a hunt that admits them. [`Self::with_token`] makes the guest's client.
    pub async fn guest(
        &self,
        hunt: &HuntId,
        name: Option<&str>,
    ) -> Result<GuestAnswer, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), "guests"])?;
        let request = GuestRequest {
            name: name.map(str::to_owned),
        };
        let body = Some(Body::json(&request)?);
        let answer = self.send(Method::POST, url, Asker::Anybody, body).await?;
        answer.json()
    }

    /// What the process has done and how it fares.
    pub async fn stats(&self) -> Result<Stats, ClientError> {
        self.get(self.url(&["v1", "stats"])?).await
    }

    /// The process' figures in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let url = self.url(&["metrics"])?;
        let answer = self.send(Method::GET, url, Asker::Anybody, None).await?;
        answer.text()
    }

    /// Whether the server can take requests; an error if it cannot be asked.
    pub async fn is_ready(&self) -> Result<bool, ClientError> {
        let url = self.url(&["readyz"])?;
        match self.send(Method::GET, url, Asker::Anybody, None).await {
            Ok(_) => Ok(true),
            Err(ClientError::Problem(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn command(&self, hunt: &HuntId, command: &str) -> Result<HuntView, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), command])?;
        let answer = self.send(Method::POST, url, Asker::Service, None).await?;
        answer.json()
    }
}
