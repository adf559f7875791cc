//! What tiles are worth: a hunt's table of values and the draw from it.

use huntcore_model::{Hash32, ValueWeight};

use crate::draw::Draw;

/// The most rows that a table of values may have.
pub const VALUES_MAX: usize = 64;
/// The most points that a tile may be worth.
pub const POINTS_MAX: u32 = 1_000_000;
/// The largest sum of a table's weights.
pub const WEIGHT_TOTAL_MAX: u32 = 1 << 31;

/// What a tile may be worth and how often; keeps its limits by construction.
///
/// The rows' order counts: it decides which draw gives which row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueTable {
    rows: Vec<ValueWeight>,
    weight_total: u32,
}

/// Why rows are not a table of values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueTableError {
    /// None, or more than [`VALUES_MAX`].
    #[error("the table of values has {rows} rows, expected 1 to {VALUES_MAX}")]
    RowsOutOfRange {
        /// How many.
        rows: usize,
    },
    /// More than [`POINTS_MAX`].
    #[error("row {row} of the table of values has {points} points, expected at most {POINTS_MAX}")]
    PointsOutOfRange {
        /// Which row, from 0.
        row: usize,
        /// Its points.
        points: u32,
    },
    /// A row that would never be drawn.
    #[error("row {row} of the table of values has weight 0, expected at least 1")]
    WeightZero {
        /// Which row, from 0.
        row: usize,
    },
    /// More than [`WEIGHT_TOTAL_MAX`].
    #[error(
        "the weights of the table of values add up to {total}, expected at most {WEIGHT_TOTAL_MAX}"
    )]
    WeightsTooLarge {
        /// Their sum.
        total: u64,
    },
}

impl ValueTable {
    /// Takes `rows` if they keep the limits.
    pub fn new(rows: Vec<ValueWeight>) -> Result<Self, ValueTableError> {
        if rows.is_empty() || rows.len() > VALUES_MAX {
            return Err(ValueTableError::RowsOutOfRange { rows: rows.len() });
        }
        for (row, value) in rows.iter().enumerate() {
            if value.points > POINTS_MAX {
                return Err(ValueTableError::PointsOutOfRange {
                    row,
                    points: value.points,
                });
            }
            if value.weight == 0 {
                return Err(ValueTableError::WeightZero { row });
            }
        }
        let total: u64 = rows.iter().map(|value| u64::from(value.weight)).sum();
        match u32::try_from(total) {
            Ok(weight_total) if weight_total <= WEIGHT_TOTAL_MAX => Ok(Self { rows, weight_total }),
            _ => Err(ValueTableError::WeightsTooLarge { total }),
        }
    }

    /// The rows, in order.
    #[must_use]
    pub fn rows(&self) -> &[ValueWeight] {
        &self.rows
    }

    /// How hard the values of `tiles` tiles are to guess together, in bits.
    ///
    /// While values are hidden, a map's name is public: whoever can try all likely values
    /// knows them from it. A hunt that hides values needs enough tiles or a flat enough
    /// table (see `docs/fairness.md`).
    #[must_use]
    pub fn guess_bits(&self, tiles: u32) -> f64 {
        let mut by_points = std::collections::BTreeMap::<u32, u64>::new();
        for row in &self.rows {
            *by_points.entry(row.points).or_default() += u64::from(row.weight);
        }
        let likeliest = by_points.into_values().max().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a sum of weights is below 2^53")]
        let bits_each = (f64::from(self.weight_total) / likeliest as f64).log2();
        bits_each * f64::from(tiles)
    }

    /// The points of the first `tiles` tiles, in order.
    pub(crate) fn draw(&self, key: Hash32, tiles: usize) -> impl Iterator<Item = u32> {
        let mut draw = Draw::new(&key);
        (0..tiles).map(move |_| self.points_at(draw.below(self.weight_total)))
    }

    /// The points of the row in whose share of the total weight `number` falls.
    fn points_at(&self, number: u32) -> u32 {
        let mut left = number;
        for row in &self.rows {
            if left < row.weight {
                return row.points;
            }
            left -= row.weight;
        }
        unreachable!(
            "number {number} is below the total weight {}",
            self.weight_total
        )
    }
}

/// Mostly 1 point, rarely 100.
impl Default for ValueTable {
    fn default() -> Self {
        let rows = [(1, 70), (5, 20), (25, 9), (100, 1)];
        let rows = rows.map(|(points, weight)| ValueWeight { points, weight });
        Self::new(rows.to_vec()).expect("keeps the limits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(u32, u32)]) -> Result<ValueTable, ValueTableError> {
        let row = |&(points, weight): &(u32, u32)| ValueWeight { points, weight };
        ValueTable::new(rows.iter().map(row).collect())
    }

    #[test]
    fn values_come_as_often_as_their_weights_say() {
        let table = ValueTable::default();
        let draws = 100_000_u32;
        let mut chi_square = 0.0;
        let drawn: Vec<u32> = table.draw(Hash32::new([5; 32]), draws as usize).collect();
        for row in table.rows() {
            let count = drawn.iter().filter(|&&points| points == row.points).count();
            let count = f64::from(u32::try_from(count).expect("small"));
            let expected = f64::from(draws) * f64::from(row.weight) / 100.0;
            chi_square += (count - expected).powi(2) / expected;
        }
        // 3 degrees of freedom: above 17.7 in one of 2,000 fair draws, and the key is fixed.
        assert!(chi_square < 17.7, "{chi_square}");
    }

    #[test]
    fn shares_of_the_total_weight_follow_the_rows() {
        let table = table(&[(7, 2), (3, 1), (7, 1)]).expect("good");
        let points: Vec<u32> = (0..4).map(|number| table.points_at(number)).collect();
        assert_eq!(points, [7, 7, 3, 7]);
    }

    #[test]
    fn bad_tables_are_refused() {
        use ValueTableError as Error;
        assert_eq!(table(&[]), Err(Error::RowsOutOfRange { rows: 0 }));
        assert_eq!(
            table(&[(1, 1); 65]),
            Err(Error::RowsOutOfRange { rows: 65 })
        );
        assert!(table(&[(1, 1); 64]).is_ok());
        assert_eq!(
            table(&[(1, 1), (1_000_001, 1)]),
            Err(Error::PointsOutOfRange {
                row: 1,
                points: 1_000_001
            })
        );
        assert_eq!(table(&[(0, 1), (1, 0)]), Err(Error::WeightZero { row: 1 }));
        assert!(table(&[(0, WEIGHT_TOTAL_MAX)]).is_ok());
        assert_eq!(
            table(&[(1, u32::MAX), (2, u32::MAX)]),
            Err(Error::WeightsTooLarge {
                total: 2 * u64::from(u32::MAX)
            })
        );
    }

    #[test]
    fn guessing_gets_harder_with_tiles_and_flatter_tables() {
        assert!((table(&[(1, 1), (2, 1)]).expect("good").guess_bits(128) - 128.0).abs() < 1e-9);
        assert!(table(&[(1, 1), (1, 1)]).expect("good").guess_bits(128) < 1e-9);
        let default = ValueTable::default();
        assert!((0.51..0.52).contains(&default.guess_bits(1)));
    }
}
