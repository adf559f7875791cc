//! PostgreSQL's binary COPY format, as far as the sink needs it.
//!
//! ```text
//! "PGCOPY\n\377\r\n\0", flags (i32 0), length of an extension (i32 0)
//! each row:   number of fields (i16), each field: length (i32, -1 for NULL), bytes
//! at the end: -1 (i16); all numbers big-endian
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};
use huntcore_model::TimeMicros;

use crate::names::shown;
use crate::pg_time::PgTime;

/// Rows are handed on in pieces of about this many bytes.
const PIECE_BYTES: usize = 128 << 10;
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Rows on their way into a table.
#[derive(Debug)]
pub(crate) struct CopyRows {
    bytes: BytesMut,
    fields: i16,
    rows: u64,
}

impl CopyRows {
    /// No rows yet; each will have so many fields.
    pub(crate) fn new(fields: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(PIECE_BYTES + (8 << 10));
        bytes.put_slice(HEAD);
        Self {
            bytes,
            fields: i16::try_from(fields).expect("a table has few columns"),
            rows: 0,
        }
    }

    /// Begins a row; as many fields follow as were announced.
    pub(crate) fn begin(&mut self) {
        self.bytes.put_i16(self.fields);
        self.rows += 1;
    }

    pub(crate) fn null(&mut self) {
        self.bytes.put_i32(-1);
    }

    pub(crate) fn int(&mut self, value: i32) {
        self.bytes.put_i32(4);
        self.bytes.put_i32(value);
    }

    pub(crate) fn bigint(&mut self, value: i64) {
        self.bytes.put_i32(8);
        self.bytes.put_i64(value);
    }

    /// A count or place; what passes PostgreSQL's range, which no log reaches, stays at its end.
    pub(crate) fn count(&mut self, value: u64) {
        self.bigint(i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(crate) fn time(&mut self, time: TimeMicros) {
        self.bigint(PgTime(time).micros());
    }

    pub(crate) fn text(&mut self, text: &str) {
        let text = shown(text);
        // Ids and payloads have limits far below.
        self.bytes
            .put_i32(i32::try_from(text.len()).expect("a few KiB"));
        self.bytes.put_slice(text.as_bytes());
    }

    pub(crate) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// How many rows were begun.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// A piece to be sent, once there is enough for one.
    pub(crate) fn piece(&mut self) -> Option<Bytes> {
        (self.bytes.len() >= PIECE_BYTES).then(|| self.bytes.split().freeze())
    }

    /// The last piece.
    pub(crate) fn finish(mut self) -> Bytes {
        self.bytes.put_i16(-1);
        self.bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_field_by_field() {
        let mut rows = CopyRows::new(3);
        rows.begin();
        rows.text("a\0b");
        rows.null();
        rows.int(7);
        assert_eq!((rows.rows(), rows.piece()), (1, None));
        let bytes = rows.finish();
        let expected = [
            HEAD,
            &[0, 3],
            &[0, 0, 0, 5],
            "a\u{2400}b".as_bytes(),
            &[255; 4],
            &[0, 0, 0, 4, 0, 0, 0, 7],
            &[255, 255],
        ];
        assert_eq!(bytes, expected.concat());
    }
}
