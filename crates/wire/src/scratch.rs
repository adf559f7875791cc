//! A small buffer on the stack: a short message is put together there and appended at once,
//! instead of a growing buffer's room being looked at for every byte of it.

/// See the module. To write more than `N` bytes is a bug, and panics.
pub(crate) struct Scratch<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Scratch<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Appends the first `count` of `bytes`. There has to be room for all of them: to copy as many
    /// every time is quicker than to ask how many.
    #[inline]
    pub(crate) fn put_first<const M: usize>(&mut self, bytes: &[u8; M], count: usize) {
        let place = self.bytes[self.length..].first_chunk_mut();
        *place.expect("room for all of them") = *bytes;
        self.length += count;
    }

    /// Appends bytes of a number that is known beforehand.
    #[inline]
    pub(crate) fn put_all<const M: usize>(&mut self, bytes: &[u8; M]) {
        self.put_first(bytes, M);
    }

    /// Overwrites the first byte.
    pub(crate) const fn set_first(&mut self, byte: u8) {
        self.bytes[0] = byte;
    }

    /// Appends the number in decimal.
    #[inline]
    pub(crate) fn put_decimal(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            // The remainder is a digit.
            digits[start] = b'0' + (number % 10).to_le_bytes()[0];
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.put(&digits[start..]);
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
