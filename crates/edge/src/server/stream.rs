//! A TCP connection as hyper sees it: slow readers are cut off, and what hyper says on its
//! own to an unreadable request becomes a problem document like every other error.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::canned;

/// hyper's own answers are head only and shorter than this.
const OWN_ANSWER_BYTES_MAX: usize = 512;

/// See the module.
pub(crate) struct EdgeStream {
    tcp: TcpStream,
    write_timeout: Duration,
    /// Runs while the kernel takes nothing; boxed, so that an idle connection holds no timer.
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
    pub(super) const fn new(tcp: TcpStream, write_timeout: Duration) -> Self {
        Self {
            tcp,
            write_timeout,
            stalled: None,
            replacing: None,
        }
    }

    pub(crate) fn into_tcp(self) -> TcpStream {
        self.tcp
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
            let verdict = Pin::new(&mut self.tcp).poll_write(context, &replacing.rest);
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
        Pin::new(&mut self.tcp).poll_read(context, buffer)
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
        let verdict = Pin::new(&mut self.tcp).poll_write(context, bytes);
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
        let verdict = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.watch(context, verdict)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
