//! What a board keeps beside its ranking: those who are not ranked, and sums too high to be
//! shown. Mostly there is neither.

use std::collections::BTreeMap;

use huntcore_model::SCORE_MAGNITUDE_MAX;

use crate::key::Key;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Players who are set aside, with what they have.
    pub(crate) aside: BTreeMap<u32, Option<Key>>,
    /// By how much sums are past what is shown. With it they are exact, so that it does not
    /// matter which part of a sum came first.
    pub(crate) excess: BTreeMap<u32, i128>,
}

impl Beside {
    pub(crate) const fn new() -> Self {
        Self {
            aside: BTreeMap::new(),
            excess: BTreeMap::new(),
        }
    }

    /// Counts what did not fit a number.
    #[cold]
    pub(crate) fn carry(&mut self, player: u32, score: i64) {
        *self.excess.entry(player).or_default() += i128::from(score);
    }

    /// What is shown of a player's sum, of which all but the excess is given.
    #[inline]
    pub(crate) fn shown(&mut self, player: u32, sum: i64) -> i64 {
        let is_shown = sum.unsigned_abs() <= SCORE_MAGNITUDE_MAX.unsigned_abs();
        if is_shown && self.excess.is_empty() {
            return sum;
        }
        self.cut(player, sum)
    }

    #[cold]
    fn cut(&mut self, player: u32, sum: i64) -> i64 {
        let exact = i128::from(sum) + self.excess.remove(&player).unwrap_or(0);
        let most = i128::from(SCORE_MAGNITUDE_MAX);
        let shown = exact.clamp(-most, most);
        if exact != shown {
            self.excess.insert(player, exact - shown);
        }
        i64::try_from(shown).expect("just cut to less")
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.aside.len() * size_of::<(u32, Option<Key>)>()
            + self.excess.len() * size_of::<(u32, i128)>()
    }
}
