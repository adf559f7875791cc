//! What one record, or several together, give a player: the operators of boards.
//!
//! Joining is commutative and associative for each of them, also with negative scores, so
//! the result of many records does not depend on the order in which streams bring them.

use huntcore_model::{BoardOperator, SCORE_MAGNITUDE_MAX};

use crate::key::Place;

/// A score and where it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(crate) struct Contribution {
    pub(crate) score: i64,
    pub(crate) place: Place,
}

impl Contribution {
    /// What a record with this score gives on a board of this operator.
    ///
    /// A score past what JSON readers take as exact is cut to that.
    #[inline]
    pub(crate) fn of(operator: BoardOperator, score: i64, place: Place) -> Self {
        let score = score.clamp(-SCORE_MAGNITUDE_MAX, SCORE_MAGNITUDE_MAX);
        match operator {
            BoardOperator::Count => Self { score: 1, place },
            // Worth nothing, it moves nobody, though it puts its player on the board.
            BoardOperator::Sum if score == 0 => Self {
                score,
                place: place.idle(),
            },
            _ => Self { score, place },
        }
    }

    /// What takes away a record with this score that was counted; `None` if the operator
    /// keeps too little of a record to do without it.
    ///
    /// The score that is left counts as reached where the higher one was.
    pub(crate) fn taking_away(operator: BoardOperator, score: i64) -> Option<Self> {
        let counted = match operator {
            BoardOperator::Sum | BoardOperator::Count => {
                Self::of(operator, score, Place::NOWHERE).score
            }
            BoardOperator::Max | BoardOperator::Min | BoardOperator::Last => return None,
        };
        Some(Self {
            score: -counted,
            place: Place::NOWHERE,
        })
    }

    /// Joins another one to this. Sums and counts add up, reached as [`Place::reached`] says;
    /// of highest, lowest and last scores the earliest of equal ones counts.
    ///
    /// Returns what is to be counted elsewhere, if a number does not hold it all.
    #[inline]
    pub(crate) fn join(&mut self, operator: BoardOperator, other: Self) -> Option<i64> {
        let is_other = match operator {
            BoardOperator::Sum | BoardOperator::Count => {
                self.place = { self.place }.reached(other.place);
                let sum = { self.score }.checked_add(other.score);
                let carry = sum.is_none().then_some(self.score);
                self.score = sum.unwrap_or(other.score);
                return carry;
            }
            BoardOperator::Max => other.by_score() > self.by_score(),
            BoardOperator::Min => other.by_negated() > self.by_negated(),
            BoardOperator::Last => (other.place, { other.score }) > (self.place, { self.score }),
        };
        if is_other {
            *self = other;
        }
        None
    }

    const fn by_score(self) -> (i64, std::cmp::Reverse<Place>) {
        (self.score, std::cmp::Reverse(self.place))
    }

    const fn by_negated(self) -> (i64, std::cmp::Reverse<Place>) {
        (!self.score, std::cmp::Reverse(self.place))
    }
}
