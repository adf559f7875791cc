//! The log's times as PostgreSQL's.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use huntcore_model::TimeMicros;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// From the Unix epoch to PostgreSQL's, the year 2000.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Beyond this PostgreSQL has no time but "infinity".
const MICROS_MAX: i64 = 9_223_371_331_199_999_999;

/// A `timestamptz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PgTime(pub(crate) TimeMicros);

impl PgTime {
    /// Microseconds as PostgreSQL counts them; its infinity for what it has no time for.
    pub(crate) fn micros(self) -> i64 {
        let micros = i128::from(self.0.get()) - i128::from(EPOCH_MICROS);
        let micros = i64::try_from(micros).ok();
        micros
            .filter(|&micros| micros <= MICROS_MAX)
            .unwrap_or(i64::MAX)
    }

    fn of_micros(micros: i64) -> Self {
        let micros = i128::from(micros) + i128::from(EPOCH_MICROS);
        Self(TimeMicros::new(u64::try_from(micros).unwrap_or(0)))
    }
}

impl<'a> FromSql<'a> for PgTime {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::of_micros(i64::from_be_bytes(raw.try_into()?)))
    }

    accepts!(TIMESTAMPTZ);
}

impl ToSql for PgTime {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.micros());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_and_what_postgresql_cannot_tell_becomes_infinity() {
        for micros in [0, 1, 946_684_800_000_000, 1_795_000_000_123_456] {
            let time = PgTime(TimeMicros::new(micros));
            assert_eq!(PgTime::of_micros(time.micros()), time);
        }
        assert_eq!(PgTime(TimeMicros::MAX).micros(), i64::MAX);
    }
}
