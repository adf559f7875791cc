//! Streams of attempts, against a server in the test's own hands: what goes over the wire when
//! answers are late, connections break and servers refuse.

use huntcore_client::{AnsweredBatch, ClaimStream, ClaimStreamOptions, Client, RetryPolicy};
use huntcore_model::{Outcome, OutcomeKind, RoundNumber, Sequence, ShardId, TileIndex, TimeMicros};
use huntcore_wire::{ClaimReader, ClaimStreamForm, put_outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{DEADLINE, QUICK, timely};

const FORMS: [ClaimStreamForm; 2] = [ClaimStreamForm::Lines, ClaimStreamForm::Protobuf];

/// Speaks as much HTTP as a streaming door does.
struct Door {
    listener: TcpListener,
    form: ClaimStreamForm,
}

/// One connection to the door, its request's head read.
struct Visit {
    stream: TcpStream,
    head: String,
    form: ClaimStreamForm,
    reader: ClaimReader,
    raw: Vec<u8>,
    tiles: Vec<u32>,
    ended: bool,
}

impl Door {
    async fn open(form: ClaimStreamForm) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { listener, form }
    }

    fn stream(&self, retry: RetryPolicy, batches_max: usize) -> ClaimStream {
        let address = self.listener.local_addr().expect("bound");
        let client = Client::builder(format!("http://{address}"))
            .service_key("the-service-key")
            .retry(retry)
            .build()
            .expect("a good URL");
        client.claim_stream(ClaimStreamOptions {
            form: self.form,
            batches_max,
        })
    }

    async fn visit(&self) -> Visit {
        let (mut stream, _) = timely(self.listener.accept()).await.expect("a connection");
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = timely(stream.read_buf(&mut raw)).await.expect("a request");
            assert!(read > 0, "a whole head");
        };
        let head = String::from_utf8(raw.drain(..end).collect()).expect("ASCII");
        Visit {
            stream,
            head,
            form: self.form,
            reader: ClaimReader::new(self.form),
            raw,
            tiles: Vec::new(),
            ended: false,
        }
    }
}

impl Visit {
    /// Reads until so many attempts have come, or the request has ended.
    async fn read(&mut self, count: usize) {
        while self.tiles.len() < count && !self.ended {
            while let Some((chunk, used)) = chunk(&self.raw) {
                self.raw.drain(..used);
                self.ended |= chunk.is_empty();
                let mut rest = chunk.as_slice();
                while let Some(claim) = self.reader.next(&mut rest) {
                    self.tiles.push(claim.expect("an attempt").tile.get());
                }
            }
            if self.tiles.len() < count && !self.ended {
                let read = timely(self.stream.read_buf(&mut self.raw)).await;
                assert!(read.expect("the client writes") > 0, "an orderly end");
            }
        }
    }

    async fn answer_head(&mut self) {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        self.write(head.as_bytes()).await;
    }

    /// Says that these tiles are won, in chunks of so many bytes.
    async fn tell(&mut self, tiles: &[u32], chunk_bytes: usize) {
        let mut bytes = Vec::new();
        for &tile in tiles {
            let outcome = Outcome::Won {
                shard: ShardId::new(0),
                sequence: Sequence::new(u64::from(tile)),
                points: tile,
            };
            put_outcome(&mut bytes, self.form, &outcome, TimeMicros::ZERO);
        }
        for part in bytes.chunks(chunk_bytes) {
            let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
            chunk.extend(part);
            chunk.extend(b"\r\n");
            self.write(&chunk).await;
        }
    }

    async fn end(&mut self) {
        self.write(b"0\r\n\r\n").await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        timely(self.stream.write_all(bytes))
            .await
            .expect("the client reads");
    }
}

/// The first whole chunk of a chunked body, and how many bytes it takes there.
fn chunk(raw: &[u8]) -> Option<(Vec<u8>, usize)> {
    let line = raw.windows(2).position(|two| two == b"\r\n")?;
    let length = std::str::from_utf8(&raw[..line]).expect("a length");
    let length = usize::from_str_radix(length, 16).expect("hex");
    let (start, end) = (line + 2, line + 2 + length);
    let body = raw.get(start..end + 2)?;
    Some((body[..length].to_vec(), end + 2))
}

async fn send(stream: &mut ClaimStream, tiles: std::ops::Range<u32>) {
    let tag = u64::from(tiles.start);
    let mut batch = stream.batch();
    for tile in tiles {
        batch.push("park", RoundNumber::new(9), TileIndex::new(tile), "ada");
    }
    timely(stream.send(batch, tag)).await.expect("room");
}

async fn take(stream: &mut ClaimStream) -> AnsweredBatch {
    timely(stream.answered())
        .await
        .expect("no error")
        .expect("something is out")
}

fn points(batch: &AnsweredBatch) -> Vec<u32> {
    batch
        .items()
        .map(|item| item.expect("an outcome").points.expect("won"))
        .collect()
}

#[tokio::test]
async fn outcomes_come_back_while_attempts_are_still_being_sent() {
    for form in FORMS {
        let door = Door::open(form).await;
        let mut stream = door.stream(QUICK, 4);
        send(&mut stream, 0..3).await;
        let mut visit = door.visit().await;
        assert!(visit.head.starts_with("POST /v1/claims HTTP/1.1\r\n"));
        assert!(
            visit
                .head
                .contains("authorization: Bearer the-service-key\r\n")
        );
        visit.read(3).await;
        visit.answer_head().await;
        visit.tell(&[0, 1, 2], 5).await;
        let first = take(&mut stream).await;
        assert_eq!((first.tag, points(&first)), (0, vec![0, 1, 2]), "{form:?}");

        // The same request goes on.
        send(&mut stream, 3..5).await;
        send(&mut stream, 5..6).await;
        visit.read(6).await;
        visit.tell(&[3, 4, 5], usize::MAX).await;
        assert_eq!(points(&take(&mut stream).await), [3, 4]);
        assert_eq!(points(&take(&mut stream).await), [5]);
        assert!(timely(stream.answered()).await.expect("idle").is_none());
        stream.finish();
        visit.read(usize::MAX).await;
        assert!(visit.ended);
        visit.end().await;
    }
}

#[tokio::test]
async fn attempts_without_an_outcome_are_sent_again_when_the_connection_is_lost() {
    for form in FORMS {
        let door = Door::open(form).await;
        let mut stream = door.stream(QUICK, 4);
        send(&mut stream, 0..4).await;
        send(&mut stream, 4..6).await;
        let mut visit = door.visit().await;
        visit.read(6).await;
        visit.answer_head().await;
        visit.tell(&[0, 1], 3).await;
        drop(visit);

        let mut visit = door.visit().await;
        visit.answer_head().await;
        visit.read(4).await;
        // What was lost with the connection may be any of the six, but never part of one.
        let first = visit.tiles[0];
        assert!(first <= 2, "{form:?}: {first}");
        visit.read(6 - first as usize).await;
        let again: Vec<u32> = (first..6).collect();
        assert_eq!(visit.tiles, again);
        visit.tell(&again, usize::MAX).await;
        assert_eq!(points(&take(&mut stream).await), [0, 1, 2, 3]);
        assert_eq!(points(&take(&mut stream).await), [4, 5]);
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let refusal = |status: &str, name: &str| {
        let body = format!(
            r#"{{"type":"https://huntcore.dev/problems/{name}","title":"no","status":503,"detail":"","outcome":null}}"#
        );
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let door = Door::open(ClaimStreamForm::Protobuf).await;
    let mut stream = door.stream(QUICK, 4);
    send(&mut stream, 0..2).await;
    let mut visit = door.visit().await;
    visit
        .write(refusal("503 Service Unavailable", "overloaded").as_bytes())
        .await;
    drop(visit);
    let mut visit = door.visit().await;
    visit.read(2).await;
    visit
        .write(refusal("401 Unauthorized", "unauthorized").as_bytes())
        .await;
    drop(visit);
    let error = timely(stream.answered()).await.expect_err("refused");
    assert!(!error.is_retryable(), "{error}");
    let batch = {
        let mut batch = stream.batch();
        batch.push("park", RoundNumber::new(9), TileIndex::new(0), "ada");
        batch
    };
    assert!(timely(stream.send(batch, 0)).await.is_err());
}

#[tokio::test]
async fn no_more_batches_go_out_than_allowed() {
    let door = Door::open(ClaimStreamForm::Lines).await;
    let mut stream = door.stream(QUICK, 2);
    send(&mut stream, 0..1).await;
    send(&mut stream, 1..2).await;
    assert!(stream.is_full());
    let mut visit = door.visit().await;
    visit.read(2).await;
    let third = tokio::spawn(async move {
        send(&mut stream, 2..3).await;
        stream
    });
    visit.answer_head().await;
    // The third can only be read once the first is answered.
    visit.tell(&[0], usize::MAX).await;
    visit.read(3).await;
    assert_eq!(visit.tiles, [0, 1, 2]);
    visit.tell(&[1, 2], usize::MAX).await;
    let mut stream = timely(third).await.expect("sent");
    for tile in 0..3 {
        assert_eq!(points(&take(&mut stream).await), [tile]);
    }
}

#[tokio::test]
async fn more_outcomes_than_attempts_end_the_stream() {
    let door = Door::open(ClaimStreamForm::Protobuf).await;
    let mut stream = door.stream(QUICK, 2);
    send(&mut stream, 0..1).await;
    let mut visit = door.visit().await;
    visit.read(1).await;
    visit.answer_head().await;
    visit.tell(&[0, 1], usize::MAX).await;
    let first = take(&mut stream).await;
    let kinds: Vec<OutcomeKind> = first.kinds().map(|kind| kind.expect("known")).collect();
    assert_eq!(kinds, [OutcomeKind::Won]);
    let batch = {
        let mut batch = stream.batch();
        batch.push("park", RoundNumber::new(9), TileIndex::new(7), "ada");
        batch
    };
    let gone = async {
        // Either sending or taking says it, whichever comes first.
        stream.send(batch, 0).await?;
        stream.answered().await.map(drop)
    };
    let error = timely(gone).await.expect_err("too many outcomes");
    assert!(!error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_left_for_a_new_connection() {
    let door = Door::open(ClaimStreamForm::Lines).await;
    let address = door.listener.local_addr().expect("bound");
    let client = Client::builder(format!("http://{address}"))
        .service_key("k")
        .request_timeout(std::time::Duration::from_secs(1))
        .retry(RetryPolicy {
            give_up_after: DEADLINE,
            ..QUICK
        })
        .build()
        .expect("a good URL");
    let mut stream = client.claim_stream(ClaimStreamOptions {
        form: ClaimStreamForm::Lines,
        batches_max: 1,
    });
    send(&mut stream, 0..1).await;
    let mut silent = door.visit().await;
    silent.answer_head().await;
    let mut visit = door.visit().await;
    visit.answer_head().await;
    visit.read(1).await;
    visit.tell(&[0], usize::MAX).await;
    assert_eq!(points(&take(&mut stream).await), [0]);
}
