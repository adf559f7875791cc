//! What a connection hears: what its owner wants, what was asked for, what the server has agreed
//! to.
//!
//! The newest wish counts. While the server has not answered one, later ones wait and replace
//! each other, so that a viewport on the move costs one question per round trip.

use huntcore_model::BoardName;
use huntcore_wire::{ErrorMessage, Interest, PositionText, ProblemKind, SubscribeMessage};
use tokio::sync::watch;

/// What to hear of a hunt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) interest: Interest,
    pub(super) own_rank: Option<BoardName>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Subscriber {
    wanted: watch::Receiver<Subscription>,
    /// Not answered yet.
    asked: Option<Subscription>,
    agreed: Option<Subscription>,
    refused: Option<Subscription>,
}

/// The server will not have a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: String,
    /// Whether there is nothing else to ask for, and asking again is in vain.
    pub(super) is_final: bool,
}

impl Subscriber {
    pub(super) const fn new(wanted: watch::Receiver<Subscription>) -> Self {
        Self {
            wanted,
            asked: None,
            agreed: None,
            refused: None,
        }
    }

    /// What a new connection asks for: the wish, or what was agreed to if that was refused.
    pub(super) fn begin(&mut self) -> &Subscription {
        let wanted = self.wanted.borrow_and_update().clone();
        let agreed = self.agreed.clone();
        let is_refused = self.refused.as_ref() == Some(&wanted);
        let chosen = agreed.filter(|_| is_refused).unwrap_or(wanted);
        self.asked.insert(chosen)
    }

    /// Waits for a wish that has not been asked for, once everything asked for is answered; for
    /// ever if there will be none.
    pub(super) async fn changed(&mut self) {
        if self.asked.is_some() || self.wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The message that asks for the newest wish, if it is not what was agreed to.
    pub(super) fn ask(&mut self) -> Option<SubscribeMessage> {
        let wanted = self.wanted.borrow_and_update().clone();
        if self.agreed.as_ref() == Some(&wanted) {
            return None;
        }
        Some(self.asked.insert(wanted).message(None))
    }

    /// The server has agreed.
    pub(super) fn agree(&mut self) {
        self.agreed = self.asked.take().or(self.agreed.take());
    }

    /// The server has found something wrong: with what was asked for, if the message names nothing
    /// else.
    pub(super) fn refuse(&mut self, error: &ErrorMessage) -> Option<Refused> {
        if error.id.is_some() {
            return None;
        }
        let asked = self.asked.take()?;
        let may_change = ProblemKind::from_name(&error.code).is_none_or(ProblemKind::is_retryable);
        let is_all = self.agreed.as_ref().is_none_or(|agreed| *agreed == asked);
        self.refused = Some(asked);
        Some(Refused {
            reason: format!(
                "server refused to subscribe with {}: {}",
                error.code, error.detail
            ),
            is_final: is_all && !may_change,
        })
    }
}

impl Subscription {
    pub(super) fn message(&self, resume: Option<PositionText>) -> SubscribeMessage {
        SubscribeMessage {
            resume,
            interest: self.interest.clone(),
            own_rank: self.own_rank,
        }
    }
}

#[cfg(test)]
mod tests {
    use huntcore_wire::Timestamp;

    use super::*;

    fn boards(board: BoardName) -> Subscription {
        Subscription {
            interest: Interest::boards([board]).expect("one"),
            own_rank: None,
        }
    }

    fn error(id: Option<&str>, code: ProblemKind) -> ErrorMessage {
        ErrorMessage {
            server_time: Timestamp::default(),
            id: id.map(str::to_owned),
            code: code.name().to_owned(),
            detail: String::new(),
        }
    }

    #[tokio::test]
    async fn wishes_that_come_before_an_answer_become_one_question() {
        let (wish, wanted) = watch::channel(Subscription::default());
        let mut subscriber = Subscriber::new(wanted);
        assert_eq!(*subscriber.begin(), Subscription::default());
        for board in BoardName::BUILT_IN {
            wish.send_replace(boards(board));
        }
        subscriber.agree();
        subscriber.changed().await;
        let asked = subscriber.ask().expect("another wish");
        assert_eq!(asked.interest, boards(BoardName::SECOND).interest);
        subscriber.agree();
        wish.send_replace(boards(BoardName::SECOND));
        subscriber.changed().await;
        assert_eq!(subscriber.ask(), None, "agreed to already");
    }

    #[test]
    fn after_a_refusal_a_new_connection_asks_for_what_was_agreed_to() {
        let (wish, wanted) = watch::channel(Subscription::default());
        let mut subscriber = Subscriber::new(wanted);
        subscriber.begin();
        subscriber.agree();
        wish.send_replace(boards(BoardName::BEST));
        subscriber.ask().expect("another wish");
        assert_eq!(
            subscriber.refuse(&error(Some("c1"), ProblemKind::Invalid)),
            None
        );
        let refused = subscriber.refuse(&error(None, ProblemKind::UnknownCell));
        assert!(!refused.expect("it was asked for").is_final);
        assert_eq!(*subscriber.begin(), Subscription::default());
        wish.send_replace(boards(BoardName::TOTAL));
        assert_eq!(*subscriber.begin(), boards(BoardName::TOTAL));
    }

    #[test]
    fn the_only_subscription_refused_for_good_is_the_end() {
        for (code, is_final) in [
            (ProblemKind::UnknownCell, true),
            (ProblemKind::TooManyInterests, false),
        ] {
            let (_wish, wanted) = watch::channel(boards(BoardName::BEST));
            let mut subscriber = Subscriber::new(wanted);
            subscriber.begin();
            let refused = subscriber
                .refuse(&error(None, code))
                .expect("it was asked for");
            assert_eq!(refused.is_final, is_final, "{}", refused.reason);
            assert_eq!(*subscriber.begin(), boards(BoardName::BEST));
        }
    }
}
