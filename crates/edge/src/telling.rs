//! A ready response body that tells the outcomes of attempts.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::counts::{Tally, Unanswered};

/// See the module. They count as told when the connection takes the body.
pub(crate) struct Telling {
    body: Option<Bytes>,
    unanswered: Unanswered,
    tally: Tally,
}

impl Telling {
    pub(crate) fn body(body: Bytes, unanswered: Unanswered, tally: Tally) -> Body {
        Body::new(Self {
            body: Some(body),
            unanswered,
            tally,
        })
    }
}

impl HttpBody for Telling {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        this.unanswered.tell_all(&mut this.tally);
        Poll::Ready(this.body.take().map(|body| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.body.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(length as u64)
    }
}

#[cfg(test)]
mod tests {
    use huntcore_model::OutcomeKind;

    use super::*;
    use crate::counts::Counts;

    #[test]
    fn a_response_that_is_never_taken_tells_nothing() {
        let counts = Counts::default();
        let body = Telling::body(
            Bytes::from_static(b"{}"),
            counts.receive(1),
            Tally::of(OutcomeKind::Won),
        );
        drop(body);
        let attempts = counts.attempts();
        assert_eq!((attempts.told(OutcomeKind::Won), attempts.lost), (0, 1));
    }
}
