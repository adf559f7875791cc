//! Facts that are only ever added, in chunks that snapshots share instead of copying.

use std::sync::Arc;

/// Items of a full chunk.
pub(crate) const CHUNK_ITEMS: usize = 4_096;

/// A value that is written in place until it has been shown to somebody; the next write
/// after that goes to a copy of its own.
#[derive(Debug)]
pub(crate) enum Last<C> {
    /// Nobody else sees it.
    Own(C),
    /// A snapshot sees it, or did.
    Shown(Arc<C>),
}

impl<C: Clone + Default> Last<C> {
    #[inline]
    pub(crate) fn get(&self) -> &C {
        match self {
            Self::Own(value) => value,
            Self::Shown(value) => value,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut C {
        if let Self::Shown(shown) = self {
            let own = Arc::unwrap_or_clone(std::mem::take(shown));
            *self = Self::Own(own);
        }
        match self {
            Self::Own(value) => value,
            Self::Shown(_) => unreachable!("it has just been taken back"),
        }
    }

    pub(crate) fn show(&mut self) -> Arc<C> {
        let shown = match self {
            Self::Shown(shown) => return shown.clone(),
            Self::Own(value) => Arc::new(std::mem::take(value)),
        };
        *self = Self::Shown(shown.clone());
        shown
    }
}

impl<C: Default> Default for Last<C> {
    fn default() -> Self {
        Self::Own(C::default())
    }
}

/// A list that grows without ever moving more than a chunk.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    full: Vec<Arc<[T]>>,
    // Fewer than a full chunk's.
    last: Last<Vec<T>>,
}

/// A list as it was when it was shown.
#[derive(Clone, Debug)]
pub(crate) struct ShownChunks<T> {
    full: Vec<Arc<[T]>>,
    last: Arc<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            full: Vec::new(),
            last: Last::default(),
        }
    }
}

impl<T: Copy> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        self.full.len() * CHUNK_ITEMS + self.last.get().len()
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        match self.full.get(index / CHUNK_ITEMS) {
            Some(chunk) => chunk.get(index % CHUNK_ITEMS),
            None => self.last.get().get(index - self.full.len() * CHUNK_ITEMS),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        let last = self.last.get_mut();
        last.push(item);
        if last.len() == CHUNK_ITEMS {
            self.full.push(Arc::from(last.as_slice()));
            last.clear();
        }
    }

    /// Adds as many items as there are, at once.
    pub(crate) fn extend(&mut self, items: impl ExactSizeIterator<Item = T>) {
        if items.len() == CHUNK_ITEMS && self.last.get().is_empty() {
            self.full.push(items.collect());
        } else {
            items.for_each(|item| self.push(item));
        }
    }

    /// What is there now, for as long as somebody wants it.
    pub(crate) fn show(&mut self) -> ShownChunks<T> {
        ShownChunks {
            full: self.full.clone(),
            last: self.last.show(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let full = self.full.iter().flat_map(|chunk| chunk.iter());
        full.chain(self.last.get())
    }

    /// The same items, never to change, without room for more.
    pub(crate) fn sealed(mut self) -> Box<[Arc<[T]>]> {
        let last = self.last.get();
        if !last.is_empty() {
            self.full.push(Arc::from(last.as_slice()));
        }
        self.full.into_boxed_slice()
    }
}

impl<T> ShownChunks<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks().flatten()
    }

    /// All items in order, in full chunks but for the last.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[T]> {
        let full = self.full.iter().map(AsRef::as_ref);
        full.chain([self.last.as_slice()])
    }

    pub(crate) fn len(&self) -> usize {
        self.full.len() * CHUNK_ITEMS + self.last.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_stays_as_it_was() {
        let mut chunks = Chunks::default();
        let mut shown = Vec::new();
        for item in 0..3 * CHUNK_ITEMS + 5 {
            if item % 1_000 == 0 || item % CHUNK_ITEMS < 2 {
                shown.push((item, chunks.show()));
                // Twice, to show what has already been shown.
                shown.push((item, chunks.show()));
            }
            chunks.push(item);
            assert_eq!(chunks.get(item), Some(&item));
        }
        assert_eq!(chunks.get(chunks.len()), None);
        for (length, shown) in shown {
            assert_eq!(shown.len(), length);
            assert!(shown.iter().copied().eq(0..length));
        }
        assert!(chunks.iter().copied().eq(0..chunks.len()));
        let mut again = Chunks::default();
        again.push(0);
        // In one go where a chunk begins, and item by item elsewhere.
        for (from, to) in [(1, CHUNK_ITEMS), (CHUNK_ITEMS, 2 * CHUNK_ITEMS), (0, 0)] {
            again.extend(from..to);
        }
        again.extend(2 * CHUNK_ITEMS..chunks.len());
        assert!(again.iter().eq(chunks.iter()));
        let (length, sealed) = (chunks.len(), chunks.sealed());
        assert!(
            sealed
                .iter()
                .flat_map(|chunk| chunk.iter().copied())
                .eq(0..length)
        );
    }

    #[test]
    fn nothing_is_copied_once_nobody_looks_any_more() {
        let mut chunks = Chunks::default();
        chunks.push(1_u32);
        let place = |chunks: &Chunks<u32>| chunks.last.get().as_ptr();
        let before = place(&chunks);
        drop(chunks.show());
        chunks.push(2);
        assert_eq!(place(&chunks), before);
    }
}
