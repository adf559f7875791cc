//! One stream's players by their number in it: a dense table in shared chunks.
//!
//! Numbers are given in turn, so a table needs no keys and a look-up is two loads. A clone
//! shares all chunks; the first number added after it copies one.

use std::sync::Arc;

const CHUNK_NUMBERS: usize = 1_024;

/// Stands for a player whose id is not in the log any more.
pub(crate) const ERASED: u32 = u32::MAX;
/// Stands where no player was taken up, as the limit was reached then.
pub(crate) const LEFT_OUT: u32 = u32::MAX - 1;

#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    // None for chunks that nobody is in: a limit was raised long after it was reached.
    chunks: Vec<Option<Arc<[u32; CHUNK_NUMBERS]>>>,
    len: usize,
}

impl Numbers {
    /// How many numbers stand for somebody, erased or not.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The player's index, [`ERASED`] or [`LEFT_OUT`].
    #[inline]
    pub(crate) fn get(&self, number: u32) -> u32 {
        let number = number as usize;
        match self.chunks.get(number / CHUNK_NUMBERS) {
            Some(Some(chunk)) => chunk[number % CHUNK_NUMBERS],
            _ => LEFT_OUT,
        }
    }

    /// Sets who a number that is not there stands for.
    pub(crate) fn insert(&mut self, number: u32, player: u32) {
        debug_assert!(self.get(number) == LEFT_OUT && player != LEFT_OUT);
        let number = number as usize;
        let at = number / CHUNK_NUMBERS;
        if at >= self.chunks.len() {
            self.chunks.resize(at + 1, None);
        }
        let chunk = self.chunks[at].get_or_insert_with(|| Arc::new([LEFT_OUT; CHUNK_NUMBERS]));
        Arc::make_mut(chunk)[number % CHUNK_NUMBERS] = player;
        self.len += 1;
    }

    /// Every number that stands for somebody, in order, with the player's index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        let chunks = (0_u32..).step_by(CHUNK_NUMBERS).zip(&self.chunks);
        chunks.flat_map(|(first, chunk)| {
            let players = chunk.iter().flat_map(|chunk| chunk.iter());
            (first..)
                .zip(players.copied())
                .filter(|&(_, player)| player != LEFT_OUT)
        })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<usize>()
            + self.chunks.iter().flatten().count() * size_of::<[u32; CHUNK_NUMBERS]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_what_was_put_in_and_a_clone_what_it_had() {
        let mut numbers = Numbers::default();
        for number in 0..1_500 {
            numbers.insert(number, number * 2);
        }
        let clone = numbers.clone();
        numbers.insert(1_500, ERASED);
        numbers.insert(9_000, 7);
        assert_eq!((clone.len(), numbers.len()), (1_500, 1_502));
        assert_eq!(clone.get(1_500), LEFT_OUT);
        assert_eq!(numbers.get(1_499), 2_998);
        assert_eq!(
            [1_500, 1_501, 5_000, 9_000].map(|n| numbers.get(n)),
            [ERASED, LEFT_OUT, LEFT_OUT, 7]
        );
        assert_eq!(numbers.get(u32::MAX), LEFT_OUT);
        let tail: Vec<_> = numbers.iter().skip(1_499).collect();
        assert_eq!(tail, [(1_499, 2_998), (1_500, ERASED), (9_000, 7)]);
    }
}
