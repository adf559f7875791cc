//! The numbers-and-bytes encoding of cursors: LEB128, signed ones zigzag.

/// Where reading failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: usize,
    pub(crate) field: &'static str,
}

pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

pub(crate) fn write_signed(out: &mut Vec<u8>, number: i64) {
    write_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Reads fields in order; knows where it is, so that a fault can say so.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(crate) const fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    pub(crate) const fn fault(&self, field: &'static str) -> Fault {
        Fault {
            offset: self.offset,
            field,
        }
    }

    pub(crate) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Fault> {
        let (taken, _) = self.bytes[self.offset..]
            .split_at_checked(count)
            .ok_or(self.fault(field))?;
        self.offset += count;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, Fault> {
        Ok(self.take(1, field)?[0])
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, Fault> {
        let start = self.fault(field);
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte(field)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(start)
    }

    pub(crate) fn number_u32(&mut self, field: &'static str) -> Result<u32, Fault> {
        let start = self.fault(field);
        u32::try_from(self.number(field)?).map_err(|_| start)
    }

    pub(crate) fn signed(&mut self, field: &'static str) -> Result<i64, Fault> {
        let number = self.number(field)?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.fault("end"))
        }
    }
}
