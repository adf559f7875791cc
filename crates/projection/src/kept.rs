//! Computed values, kept while they are likely to be asked for again.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Values of so much weight at most; the one added first goes first. The newest stays,
/// whatever it weighs.
#[derive(Debug)]
pub struct Kept<K, V> {
    max: usize,
    weight: usize,
    values: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, V: Clone> Kept<K, V> {
    /// Keeps values that weigh `max` together.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max,
            weight: 0,
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The value of that key, if it is kept.
    pub fn get(&self, key: &K) -> Option<V> {
        self.values.get(key).map(|(value, _)| value.clone())
    }

    /// All values that are kept, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.values.values().map(|(value, _)| value)
    }

    /// Keeps a value, and lets go of the oldest that there is no room for.
    pub fn insert(&mut self, key: K, value: V, weight: usize) {
        self.weight += weight;
        match self.values.insert(key.clone(), (value, weight)) {
            Some((_, before)) => self.weight -= before,
            None => self.order.push_back(key),
        }
        while self.weight > self.max
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
        {
            let dropped = self.values.remove(&oldest);
            self.weight -= dropped.map_or(0, |(_, weight)| weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_allowed() {
        let mut kept = Kept::new(20);
        for key in [1, 2, 2, 3] {
            kept.insert(key, key * 10, 10);
        }
        assert_eq!(
            (kept.get(&1), kept.get(&2), kept.get(&3)),
            (None, Some(20), Some(30))
        );
        kept.insert(4, 40, 100);
        assert_eq!((kept.get(&3), kept.get(&4)), (None, Some(40)));
        kept.insert(5, 50, 20);
        assert_eq!((kept.get(&4), kept.get(&5)), (None, Some(50)));
        assert_eq!(kept.values().copied().collect::<Vec<_>>(), [50]);
    }
}
