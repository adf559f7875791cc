//! Requests and answers, whatever they are about.

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use huntcore_wire::Problem;
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

/// No answer is longer: far above a map of the most tiles.
const ANSWER_BYTES_MAX: usize = 256 << 20;

pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Anybody; with a token or key if there is one, for hunts that are private.
    Anybody,
    Player,
    Service,
}

/// A request's body, to be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    content_type: &'static str,
    bytes: Bytes,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Body {
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, ClientError> {
        Ok(Self {
            content_type: JSON,
            bytes: to_json(value)?.into(),
        })
    }

    pub(crate) fn lines<T: Serialize>(values: &[T]) -> Result<Self, ClientError> {
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend(to_json(value)?);
            bytes.push(b'\n');
        }
        Ok(Self {
            content_type: NDJSON,
            bytes: bytes.into(),
        })
    }
}

impl Answer {
    /// Reads an answer to its end.
    async fn read(mut response: reqwest::Response) -> Result<Self, ClientError> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut bytes = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(ClientError::protocol(format!(
                    "answer has more than {ANSWER_BYTES_MAX} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Self {
            status,
            headers,
            bytes: bytes.freeze(),
        })
    }

    pub(crate) fn text(&self) -> Result<String, ClientError> {
        String::from_utf8(self.bytes.to_vec())
            .map_err(|error| ClientError::protocol(format!("answer is no text: {error}")))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| ClientError::protocol(format!("answer is not as expected: {error}")))
    }
}

impl Client {
    /// The URL of `segments` below the server's.
    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, ClientError> {
        let mut url = self.shared.base.clone();
        let mut path = url
            .path_segments_mut()
            .map_err(|()| ClientError::request("the server's URL takes no path"))?;
        path.pop_if_empty();
        for segment in segments {
            // URLs resolve these away, however they are escaped.
            if matches!(*segment, "." | "..") {
                return Err(ClientError::request(format!(
                    "{segment:?} cannot stand in a path"
                )));
            }
            path.push(segment);
        }
        drop(path);
        Ok(url)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        let answer = self.send(Method::GET, url, Asker::Anybody, None).await?;
        answer.json()
    }

    /// Sends a request once; every status but a success is an error.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        asker: Asker,
        body: Option<Body>,
    ) -> Result<Answer, ClientError> {
        self.send_with(method, url, asker, body, HeaderMap::new())
            .await
    }

    pub(crate) async fn send_with(
        &self,
        method: Method,
        url: Url,
        asker: Asker,
        body: Option<Body>,
        headers: HeaderMap,
    ) -> Result<Answer, ClientError> {
        let mut request = self.shared.http.request(method, url).headers(headers);
        if let Some(bearer) = self.bearer(asker)? {
            request = request.header(AUTHORIZATION, bearer);
        }
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, body.content_type)
                .body(body.bytes);
        }
        let answer = Answer::read(request.send().await?).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED {
            Ok(answer)
        } else {
            Err(refusal(&answer))
        }
    }

    /// What goes into `Authorization`.
    pub(crate) fn bearer(&self, asker: Asker) -> Result<Option<HeaderValue>, ClientError> {
        let token = self.token.as_deref();
        let key = self.shared.service_key.as_deref();
        let secret = match asker {
            Asker::Anybody => token.or(key),
            Asker::Player => token,
            Asker::Service => key,
        };
        let Some(secret) = secret else {
            return Ok(None);
        };
        let mut value = HeaderValue::try_from(format!("Bearer {secret}"))
            .map_err(|_| ClientError::request("the token or key has characters no header takes"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The response if it is a success, its body unread; otherwise what it says.
pub(crate) async fn refused(response: reqwest::Response) -> Result<reqwest::Response, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    Err(refusal(&Answer::read(response).await?))
}

/// What an answer that is no success says.
fn refusal(answer: &Answer) -> ClientError {
    let status = answer.status;
    match serde_json::from_slice::<Problem>(&answer.bytes) {
        Ok(mut problem) => {
            problem.retry_after_ms = problem.retry_after_ms.or_else(|| retry_after_ms(answer));
            ClientError::Problem(Box::new(problem))
        }
        // Something between here and the server has answered in its place.
        Err(_) if status.is_server_error() => ClientError::lost(format!("status {status}")),
        Err(_) => ClientError::protocol(format!("status {status} without a problem")),
    }
}

fn retry_after_ms(answer: &Answer) -> Option<u64> {
    let seconds: u64 = answer
        .headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    seconds.checked_mul(1_000)
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(value).map_err(|error| ClientError::request(error.to_string()))
}
