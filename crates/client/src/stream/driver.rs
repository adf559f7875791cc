//! The connection behind a stream: keeps it full, and makes another when it is lost.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::Stream;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use huntcore_wire::ClaimStreamForm;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::batch::{AnsweredBatch, first_item};
use crate::http::{Asker, refused};
use crate::{Client, ClientError};

/// A stream has no end of its own; a server that goes silent is noticed by its silence.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);
/// An outcome is far shorter.
const ITEM_BYTES_MAX: usize = 64 << 10;

/// A batch on its way.
#[derive(Debug)]
pub(super) struct SentBatch {
    pub(super) tag: u64,
    pub(super) bytes: Bytes,
    pub(super) len: usize,
}

pub(super) struct Driver {
    client: Client,
    form: ClaimStreamForm,
    sent: mpsc::Receiver<SentBatch>,
    answered: mpsc::Sender<Result<AnsweredBatch, ClientError>>,
    /// In order; the first may have some of its outcomes.
    out: VecDeque<Outstanding>,
    /// The caller has sent its last.
    ending: bool,
    /// Outcomes that have come in.
    replied: u64,
}

struct Outstanding {
    batch: SentBatch,
    replies: Vec<u8>,
    replied: usize,
}

/// One connection: where attempts go in, and where outcomes come from.
struct Connection {
    /// Gone once the request has ended.
    attempts: Option<mpsc::UnboundedSender<Bytes>>,
    outcomes: Outcomes,
    /// The beginning of an outcome whose end has not come yet.
    carried: Vec<u8>,
}

type Outcomes = Pin<Box<dyn Stream<Item = Result<Bytes, ClientError>> + Send>>;

/// Why one connection's work is over.
enum Over {
    /// Everything sent is answered, and nothing more will be.
    Done,
    /// Nobody takes answers any more.
    Abandoned,
    /// The server closed it when there was nothing to do; by now there is.
    Idle,
    Failed(ClientError),
}

impl Driver {
    pub(super) const fn new(
        client: Client,
        form: ClaimStreamForm,
        sent: mpsc::Receiver<SentBatch>,
        answered: mpsc::Sender<Result<AnsweredBatch, ClientError>>,
    ) -> Self {
        Self {
            client,
            form,
            sent,
            answered,
            out: VecDeque::new(),
            ending: false,
            replied: 0,
        }
    }

    pub(super) async fn run(mut self) {
        // Nothing connects before there is something to send.
        match self.sent.recv().await {
            Some(first) => self.out.push_back(Outstanding::new(first)),
            None => return,
        }
        let mut retries = self.client.shared.retry.start();
        loop {
            let before = self.replied;
            let error = match self.serve().await {
                Over::Done | Over::Abandoned => return,
                Over::Idle => continue,
                Over::Failed(error) => error,
            };
            if self.replied != before {
                retries.reset();
            }
            let delay = error
                .is_retryable()
                .then(|| retries.next_delay(error.retry_after()))
                .flatten();
            let Some(delay) = delay else {
                // Gone only if the caller is.
                drop(self.answered.send(Err(error)).await);
                return;
            };
            tracing::debug!("stream of attempts lost, trying again in {delay:?}: {error}");
            tokio::time::sleep(delay).await;
        }
    }

    /// Works on one connection until it is over.
    async fn serve(&mut self) -> Over {
        let mut connection = match self.connect() {
            Ok(connection) => connection,
            Err(error) => return Over::Failed(error),
        };
        for outstanding in &self.out {
            match outstanding.unanswered(self.form) {
                Ok(bytes) => connection.send(bytes),
                Err(error) => return Over::Failed(error),
            }
        }
        let patience = self.client.shared.request_timeout;
        let mut deadline = Instant::now() + patience;
        loop {
            if self.ending {
                if self.out.is_empty() {
                    return Over::Done;
                }
                connection.attempts = None;
            }
            tokio::select! {
                biased;
                chunk = connection.outcomes.next() => {
                    deadline = Instant::now() + patience;
                    let taken = match chunk {
                        Some(Ok(chunk)) => self.take(&mut connection, &chunk).await,
                        Some(Err(error)) => Err(Over::Failed(error)),
                        None if self.out.is_empty() => {
                            // Closed while idle; the next batch makes another.
                            match self.sent.recv().await {
                                Some(batch) => self.out.push_back(Outstanding::new(batch)),
                                None => return Over::Done,
                            }
                            Err(Over::Idle)
                        }
                        None => Err(Over::Failed(ClientError::lost(
                            "closed with attempts unanswered",
                        ))),
                    };
                    if let Err(over) = taken {
                        return over;
                    }
                }
                batch = self.sent.recv(), if !self.ending => match batch {
                    Some(batch) => {
                        if self.out.is_empty() {
                            deadline = Instant::now() + patience;
                        }
                        connection.send(batch.bytes.clone());
                        self.out.push_back(Outstanding::new(batch));
                    }
                    None => self.ending = true,
                },
                () = tokio::time::sleep_until(deadline), if !self.out.is_empty() => {
                    let reason = format!("no outcome for {patience:?}");
                    return Over::Failed(ClientError::lost(reason));
                }
            }
        }
    }

    fn connect(&self) -> Result<Connection, ClientError> {
        let url = self.client.url(&["v1", "claims"])?;
        // Bounded by the batches that may be out.
        let (attempts, mut chunks) = mpsc::unbounded_channel();
        let body = futures_util::stream::poll_fn(move |context| {
            chunks
                .poll_recv(context)
                .map(|chunk| chunk.map(Ok::<Bytes, std::io::Error>))
        });
        let mut request = self
            .client
            .shared
            .http
            .request(Method::POST, url)
            .timeout(REQUEST_TIME_MAX)
            .header(CONTENT_TYPE, media_type(self.form))
            .body(reqwest::Body::wrap_stream(body));
        if let Some(bearer) = self.client.bearer(Asker::Service)? {
            request = request.header(AUTHORIZATION, bearer);
        }
        let answering = async move {
            let response = refused(request.send().await?).await?;
            Ok::<_, ClientError>(
                response
                    .bytes_stream()
                    .map(|chunk| chunk.map_err(ClientError::from)),
            )
        };
        let outcomes = answering
            .map(|answer| match answer {
                Ok(chunks) => chunks.left_stream(),
                Err(error) => {
                    futures_util::stream::once(std::future::ready(Err(error))).right_stream()
                }
            })
            .flatten_stream();
        Ok(Connection {
            attempts: Some(attempts),
            outcomes: Box::pin(outcomes),
            carried: Vec::new(),
        })
    }

    /// Gives outcomes to the batches that wait for them, in order.
    async fn take(&mut self, connection: &mut Connection, chunk: &[u8]) -> Result<(), Over> {
        let carried = std::mem::take(&mut connection.carried);
        let joined;
        let mut rest = if carried.is_empty() {
            chunk
        } else {
            joined = [carried.as_slice(), chunk].concat();
            joined.as_slice()
        };
        loop {
            let Some(first) = self.out.front_mut() else {
                return match rest.is_empty() {
                    true => Ok(()),
                    false => Err(Over::Failed(ClientError::protocol(
                        "more outcomes came back than attempts were sent",
                    ))),
                };
            };
            let (taken, count) = whole_items(self.form, rest, first.batch.len - first.replied)
                .map_err(Over::Failed)?;
            first.replies.extend_from_slice(&rest[..taken]);
            first.replied += count;
            self.replied += count as u64;
            rest = &rest[taken..];
            if first.replied < first.batch.len {
                if rest.len() > ITEM_BYTES_MAX {
                    return Err(Over::Failed(ClientError::protocol(format!(
                        "an outcome has more than {ITEM_BYTES_MAX} bytes"
                    ))));
                }
                connection.carried = rest.to_vec();
                return Ok(());
            }
            let done = self.out.pop_front().expect("looked at above");
            let answer =
                AnsweredBatch::new(done.batch.tag, self.form, done.replies, done.batch.len);
            if self.answered.send(Ok(answer)).await.is_err() {
                return Err(Over::Abandoned);
            }
        }
    }
}

impl Connection {
    fn send(&self, bytes: Bytes) {
        if let Some(attempts) = &self.attempts {
            // A connection that has gone says so on its other side.
            drop(attempts.send(bytes));
        }
    }
}

impl Outstanding {
    fn new(batch: SentBatch) -> Self {
        Self {
            replies: Vec::with_capacity(batch.len * 32),
            batch,
            replied: 0,
        }
    }

    /// The attempts that have no outcome yet.
    fn unanswered(&self, form: ClaimStreamForm) -> Result<Bytes, ClientError> {
        let (answered, _) = whole_items(form, &self.batch.bytes, self.replied)?;
        Ok(self.batch.bytes.slice(answered..))
    }
}

/// How many bytes whole items take at the start of `bytes`, and how many they are, up to
/// `count_max`.
fn whole_items(
    form: ClaimStreamForm,
    bytes: &[u8],
    count_max: usize,
) -> Result<(usize, usize), ClientError> {
    let mut taken = 0;
    for count in 0..count_max {
        match first_item(form, &bytes[taken..])? {
            Some((_, end)) => taken += end,
            None => return Ok((taken, count)),
        }
    }
    Ok((taken, count_max))
}

const fn media_type(form: ClaimStreamForm) -> &'static str {
    match form {
        ClaimStreamForm::Lines => crate::http::NDJSON,
        ClaimStreamForm::Protobuf => "application/protobuf",
    }
}
