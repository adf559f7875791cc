//! Attempts over HTTP.

use http::Method;
use huntcore_model::{HuntId, OutcomeKind};
use huntcore_wire::{ClaimAnswer, ClaimFor, ClaimItem, ClaimRequest, Problem};

use crate::http::{Asker, Body};
use crate::{Client, ClientError};

impl Client {
    /// Makes an attempt for the token's player.
    ///
    /// Every outcome is an `Ok`, won or not; errors are those that say nothing about the
    /// attempt. It is repeated while the server is overloaded, limits the rate or does not
    /// know the outcome, and when the connection is lost, as the retry policy says.
    pub async fn claim(
        &self,
        hunt: &HuntId,
        request: &ClaimRequest,
    ) -> Result<ClaimItem, ClientError> {
        let url = self.url(&["v1", "hunts", hunt.as_str(), "claims"])?;
        let body = Body::json(request)?;
        let mut retries = self.shared.retry.start();
        loop {
            let answer = self
                .send(Method::POST, url.clone(), Asker::Player, Some(body.clone()))
                .await
                .and_then(|answer| answer.json::<ClaimAnswer>());
            let result = match answer {
                Ok(won) => return Ok(item_of_answer(won)),
                Err(ClientError::Problem(problem)) => match problem.outcome {
                    Some(outcome) => Ok(item_of_problem(outcome, *problem)),
                    None => Err(ClientError::Problem(problem)),
                },
                Err(error) => Err(error),
            };
            let (again, asked) = match &result {
                Ok(item) => (is_worth_repeating(item.outcome), retry_after(item)),
                Err(error) => (error.is_retryable(), error.retry_after()),
            };
            match again.then(|| retries.next_delay(asked)).flatten() {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return result,
            }
        }
    }

    /// Makes attempts for players with the service key; one item comes back for each, in
    /// order.
    ///
    /// The request is repeated when the connection is lost, or the server refuses it whole
    /// and says that it may fare better later. Single items are not: what to do with an
    /// `overloaded` among them is the caller's choice.
    pub async fn claim_batch(&self, attempts: &[ClaimFor]) -> Result<Vec<ClaimItem>, ClientError> {
        let url = self.url(&["v1", "claims"])?;
        let answer = self
            .send_until_answered(url, Body::json(&attempts)?)
            .await?;
        let items: Vec<ClaimItem> = answer.json()?;
        if items.len() == attempts.len() {
            Ok(items)
        } else {
            Err(ClientError::protocol(format!(
                "{} items came back for {} attempts",
                items.len(),
                attempts.len()
            )))
        }
    }
}

/// Whether the same attempt, made again at once, may have another outcome.
pub(crate) const fn is_worth_repeating(outcome: OutcomeKind) -> bool {
    matches!(
        outcome,
        OutcomeKind::RateLimited
            | OutcomeKind::Overloaded
            | OutcomeKind::StorageFull
            | OutcomeKind::OutcomeUnknown
    )
}

pub(crate) fn retry_after(item: &ClaimItem) -> Option<std::time::Duration> {
    item.retry_after_ms.map(std::time::Duration::from_millis)
}

fn item_of_answer(answer: ClaimAnswer) -> ClaimItem {
    ClaimItem {
        outcome: answer.outcome,
        receipt: Some(answer.receipt),
        points: Some(answer.points),
        winner_position: None,
        retry_after_ms: None,
        error: None,
    }
}

fn item_of_problem(outcome: OutcomeKind, problem: Problem) -> ClaimItem {
    ClaimItem {
        outcome,
        receipt: None,
        points: None,
        winner_position: problem.winner_position,
        retry_after_ms: problem.retry_after_ms,
        error: Some(problem.detail).filter(|detail| !detail.is_empty()),
    }
}
