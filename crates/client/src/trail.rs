//! A hunt's events out of the log.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::Method;
use http::header::AUTHORIZATION;
use huntcore_model::HuntId;
use huntcore_wire::{CloudEvent, EventsQuery, PositionText};
use serde_json::Value;

use crate::http::{Asker, refused};
use crate::{Client, ClientError};

/// No event is longer: a control record of 4 MiB, in base64 and as JSON.
const LINE_BYTES_MAX: usize = 16 << 20;
/// A stream of events may go on for ever; HTTP libraries want a number.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Events as they come in.
///
/// It ends where the server ended it: with what was asked for, or, after an error, in the
/// middle. It is not connected again behind the caller's back: ask anew from
/// [`Self::position`].
pub struct EventStream {
    chunks: futures_util::stream::BoxStream<'static, Result<Bytes, ClientError>>,
    unread: BytesMut,
    /// How much of it was searched for the end of a line.
    searched: usize,
    position: Option<PositionText>,
    is_over: bool,
}

impl Client {
    /// A hunt's events, with the service key.
    pub async fn events(
        &self,
        hunt: &HuntId,
        query: &EventsQuery,
    ) -> Result<EventStream, ClientError> {
        Ok(EventStream {
            chunks: self.event_lines(hunt, query).await?.boxed(),
            unread: BytesMut::new(),
            searched: 0,
            position: query.from.clone(),
            is_over: false,
        })
    }

    /// The same as JSON lines in pieces as they come, for whoever only hands them on.
    pub async fn event_lines(
        &self,
        hunt: &HuntId,
        query: &EventsQuery,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        let mut url = self.url(&["v1", "hunts", hunt.as_str(), "events"])?;
        let parameters = serde_json::to_value(query);
        let parameters = parameters.map_err(|error| ClientError::request(error.to_string()))?;
        for (name, value) in parameters.as_object().into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            url.query_pairs_mut().append_pair(name, &text);
        }
        let mut request = self.shared.http.request(Method::GET, url);
        request = request.timeout(REQUEST_TIME_MAX);
        if let Some(bearer) = self.bearer(Asker::Service)? {
            request = request.header(AUTHORIZATION, bearer);
        }
        let answering = async { refused(request.send().await?).await };
        // The head comes at once, whatever follows.
        let answer = tokio::time::timeout(self.shared.request_timeout, answering).await;
        let answer = answer.map_err(|_| ClientError::lost("no answer in time"))??;
        let chunks = answer.bytes_stream();
        Ok(chunks.map(|chunk| chunk.map_err(ClientError::from)))
    }
}

impl EventStream {
    /// The next event; `None` at the end. After an error there is none.
    pub async fn next(&mut self) -> Option<Result<CloudEvent, ClientError>> {
        while !self.is_over {
            match self.line() {
                Ok(Some(event)) => {
                    if event.position.is_some() {
                        self.position.clone_from(&event.position);
                    }
                    return Some(Ok(event));
                }
                Ok(None) => {}
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
            match self.chunks.next().await {
                Some(Ok(chunk)) => self.unread.extend_from_slice(&chunk),
                Some(Err(error)) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                None => {
                    self.is_over = true;
                    if !self.unread.is_empty() {
                        return Some(Err(ClientError::lost("the last event was cut short")));
                    }
                }
            }
        }
        None
    }

    /// Of the last event that was given; what to ask from, to go on. `None`: from the start.
    #[must_use]
    pub const fn position(&self) -> Option<&PositionText> {
        self.position.as_ref()
    }

    /// The event on the next line, if all of it is there.
    fn line(&mut self) -> Result<Option<CloudEvent>, ClientError> {
        let Some(end) = memchr::memchr(b'\n', &self.unread[self.searched..]) else {
            self.searched = self.unread.len();
            return match self.unread.len() > LINE_BYTES_MAX {
                true => Err(ClientError::protocol(format!(
                    "an event has more than {LINE_BYTES_MAX} bytes"
                ))),
                false => Ok(None),
            };
        };
        let line = self.unread.split_to(self.searched + end);
        self.unread.advance(1);
        self.searched = 0;
        let event = serde_json::from_slice(&line);
        event
            .map(Some)
            .map_err(|error| ClientError::protocol(format!("a line is no event: {error}")))
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EventStream")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
