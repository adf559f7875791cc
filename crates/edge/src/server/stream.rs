//! A connection as hyper sees it: slow readers are cut off, and what hyper says on its
//! own to an unreadable request becomes a problem document like every other error.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::canned;
use super::reads::ReadMode;
use super::transport::Transport;

/// hyper's own answers are head only and shorter than this.
const OWN_ANSWER_BYTES_MAX: usize = 512;

/// Bytes read at once where reads are not wide. hyper's buffer grows to about twice what it
/// is given, and there is one for each connection.
const NARROW_READ_BYTES: u64 = 16 << 10;
/// How long what a peer still sends is read and forgotten before its connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct EdgeStream {
    transport: Transport,
    reads: Arc<ReadMode>,
    /// Runs from the end of an answer whose request was not read to its end.
    lingering: Option<Pin<Box<Sleep>>>,
    write_timeout: Duration,
    /// Runs while the kernel takes nothing; boxed, so that an idle connection holds no timer.
    /// One that has something taken every now and then gains little: the kernel asks for more
    /// only when a third of its buffer is free again.
    stalled: Option<Pin<Box<Sleep>>>,
    replacing: Option<Replacing>,
}

/// An answer of hyper's that is being replaced.
struct Replacing {
    /// What is left to be written in its place.
    rest: Bytes,
    /// How long the replaced answer is; reported as written once `rest` is empty.
    length: usize,
}

impl EdgeStream {
    pub(super) const fn new(
        transport: Transport,
        reads: Arc<ReadMode>,
        write_timeout: Duration,
    ) -> Self {
        Self {
            transport,
            reads,
            lingering: None,
            write_timeout,
            stalled: None,
            replacing: None,
        }
    }

    pub(crate) fn into_transport(self) -> Transport {
        self.transport
    }

    /// Gives the kernel's verdict, unless it is "wait" and has been so for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        verdict: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if verdict.is_ready() {
            self.stalled = None;
            return verdict;
        }
        let timeout = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_replacing(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(replacing) = &mut self.replacing {
            if replacing.rest.is_empty() {
                let length = replacing.length;
                self.replacing = None;
                return Poll::Ready(Ok(length));
            }
            let verdict = Pin::new(&mut self.transport).poll_write(context, &replacing.rest);
            let written = ready!(self.watch(context, verdict))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(replacing) = &mut self.replacing {
                replacing.rest.advance(written);
            }
        }
        Poll::Ready(Ok(0))
    }

    /// Reads and forgets what the peer still sends, until it hears that nobody listens.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if lingering.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut sink = [0; 16 << 10];
        loop {
            let mut sink = ReadBuf::new(&mut sink);
            match ready!(Pin::new(&mut self.transport).poll_read(context, &mut sink)) {
                Ok(()) if !sink.filled().is_empty() => {}
                // The end, or a connection that is no more.
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Notices an answer that hyper gives on its own: short, without a body, and without
    /// the header that all of ours have.
    fn replace(&mut self, head: &[u8]) -> bool {
        if self.replacing.is_some() {
            return true;
        }
        let own = head.len() <= OWN_ANSWER_BYTES_MAX
            && head.starts_with(b"HTTP/1.1 4")
            && head.ends_with(b"\r\n\r\n")
            && !contains(head, canned::MARK_OF_OURS);
        if own {
            self.replacing = canned::unreadable_request(&head[9..12]).map(|rest| Replacing {
                rest,
                length: head.len(),
            });
        }
        self.replacing.is_some()
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window.eq_ignore_ascii_case(needle))
}

impl AsyncRead for EdgeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.reads.is_wide() {
            let before = buffer.filled().len();
            let read = Pin::new(&mut this.transport).poll_read(context, buffer);
            if matches!(read, Poll::Ready(Err(_))) {
                this.reads.broke();
            }
            let ended = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
            // Nothing wakes anybody then, and nothing has to: it is asked again with the answer's
            // next part, and at its end.
            return match ended && this.reads.end_is_hidden() {
                true => Poll::Pending,
                false => read,
            };
        }
        let mut narrow = (&mut this.transport).take(NARROW_READ_BYTES);
        Pin::new(&mut narrow).poll_read(context, buffer)
    }
}

impl AsyncWrite for EdgeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replace(bytes) {
            return self.poll_replacing(context);
        }
        let verdict = Pin::new(&mut self.transport).poll_write(context, bytes);
        self.watch(context, verdict)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if first.is_some_and(|first| self.replace(first)) {
            return self.poll_replacing(context);
        }
        let verdict = Pin::new(&mut self.transport).poll_write_vectored(context, slices);
        self.watch(context, verdict)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.transport).poll_shutdown(context))?;
        if !self.reads.has_unread() {
            return Poll::Ready(Ok(()));
        }
        self.poll_linger(context).map(Ok)
    }
}
