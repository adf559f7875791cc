//! What `/metrics` says, and whether it adds up.

use std::collections::BTreeMap;

use super::Api;

/// Numbers by their name and labels, as they stand in the text.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(BTreeMap<String, u64>);

impl Metrics {
    pub(crate) async fn of(api: &Api) -> Self {
        let answer = api.get("/metrics").await.expect("the server answers");
        let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
        let numbers = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(numbers.collect())
    }

    /// # Panics
    /// If there is no such number.
    pub(crate) fn get(&self, name: &str) -> u64 {
        let found = self.0.get(name).copied();
        found.unwrap_or_else(|| panic!("no whole number {name} in {:#?}", self.0))
    }

    /// How often an outcome was told.
    pub(crate) fn told(&self, outcome: &str) -> u64 {
        self.get(&format!("huntcore_outcomes_total{{outcome=\"{outcome}\"}}"))
    }

    pub(crate) fn attempts(&self) -> u64 {
        self.get("huntcore_attempts_total")
    }

    /// Attempts that never got an outcome.
    pub(crate) fn unanswered(&self) -> u64 {
        self.sum("huntcore_unanswered_total{")
    }

    /// I10: whether every attempt received is accounted for.
    pub(crate) fn is_reconciled(&self) -> bool {
        self.attempts() == self.sum("huntcore_outcomes_total{") + self.unanswered()
    }

    fn sum(&self, family: &str) -> u64 {
        let of_family = self.0.iter().filter(|(name, _)| name.starts_with(family));
        of_family.map(|(_, value)| value).sum()
    }
}
