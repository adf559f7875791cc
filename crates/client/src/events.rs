//! Score events, and the sending of what may be sent twice.

use http::Method;
use huntcore_model::HuntId;
use huntcore_wire::{EventRequest, EventsAnswer};
use reqwest::Url;

use crate::http::{Answer, Asker, Body};
use crate::{Client, ClientError};

impl Client {
    /// Sends score events with the service key; the answer says what came of them, and all
    /// that it counts is durable.
    ///
    /// The request is repeated when the connection is lost, or the server refuses it whole
    /// and says that it may fare better later: an event's id and player keep it from being
    /// counted twice.
    pub async fn send_events(
        &self,
        hunt: &HuntId,
        events: &[EventRequest],
    ) -> Result<EventsAnswer, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), "events"])?;
        let body = match events {
            [event] => Body::json(event)?,
            events => Body::lines(events)?,
        };
        self.send_until_answered(url, body).await?.json()
    }

    /// Sends a service request that may be repeated.
    pub(crate) async fn send_until_answered(
        &self,
        url: Url,
        body: Body,
    ) -> Result<Answer, ClientError> {
        let mut retries = self.shared.retry.start();
        loop {
            let sent = self.send(
                Method::POST,
                url.clone(),
                Asker::Service,
                Some(body.clone()),
            );
            let error = match sent.await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            match retries.next_delay(error.retry_after()) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error),
            }
        }
    }
}
