//! A persistent map from dense or sparse `u32` indexes to values.
//!
//! A radix tree, 64-ary unless told otherwise, whose nodes hold only what is there. Cloning it is cloning one
//! `Arc`; a write copies the nodes on its way that a clone still shares, and no others.

use std::sync::Arc;

/// Of the indexes, each level of nodes parts by `BITS`, 6 at most.
#[derive(Clone, Debug)]
pub(crate) struct Radix<T, const BITS: u32 = 6> {
    root: Option<Arc<Node<T>>>,
    // Levels of branches above the leaves; grows with the highest index.
    height: u32,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node<T> {
    Leaf(Slots<T>),
    Branch(Slots<Arc<Node<T>>>),
}

/// Up to 64 slots; only the occupied ones take space.
#[derive(Clone, Debug)]
struct Slots<V> {
    present: u64,
    values: Vec<V>,
}

impl<T, const BITS: u32> Default for Radix<T, BITS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const BITS: u32> Radix<T, BITS> {
    pub(crate) const fn new() -> Self {
        Self {
            root: None,
            height: 0,
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let mut node = self.root.as_deref()?;
        if !fits::<BITS>(index, self.height) {
            return None;
        }
        let mut level = self.height;
        loop {
            match node {
                Node::Leaf(slots) => return slots.get(digit::<BITS>(index, 0)),
                Node::Branch(slots) => {
                    node = slots.get(digit::<BITS>(index, level))?;
                    level -= 1;
                }
            }
        }
    }

    /// Every index that is there, in ascending order, with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let mut stack = Vec::new();
        stack.extend(self.root.as_deref().map(|root| (root, 0_u32, 0_u64)));
        std::iter::from_fn(move || {
            loop {
                let (node, prefix, done) = stack.pop()?;
                match node {
                    Node::Leaf(slots) => {
                        if let Some(slot) = slots.next_after(done) {
                            stack.push((node, prefix, done | through(slot)));
                            let value = slots.get(slot).expect("slot is present");
                            return Some(((prefix << BITS) | slot, value));
                        }
                    }
                    Node::Branch(slots) => {
                        if let Some(slot) = slots.next_after(done) {
                            stack.push((node, prefix, done | through(slot)));
                            let child = slots.get(slot).expect("slot is present");
                            stack.push((child, (prefix << BITS) | slot, 0));
                        }
                    }
                }
            }
        })
    }

    /// What the tree takes on the heap, counted from its capacities.
    pub(crate) fn heap_bytes(&self) -> usize {
        fn node_bytes<T>(node: &Node<T>) -> usize {
            let inner = match node {
                Node::Leaf(slots) => slots.values.capacity() * size_of::<T>(),
                Node::Branch(slots) => {
                    let children: usize = slots.values.iter().map(|child| node_bytes(child)).sum();
                    children + slots.values.capacity() * size_of::<usize>()
                }
            };
            inner + size_of::<Node<T>>() + 2 * size_of::<usize>()
        }
        self.root.as_deref().map_or(0, node_bytes)
    }
}

impl<T: Clone, const BITS: u32> Radix<T, BITS> {
    /// Sets the value at `index` and returns the one before.
    pub(crate) fn insert(&mut self, index: u32, value: T) -> Option<T> {
        let old = self.leaf_mut(index).insert(digit::<BITS>(index, 0), value);
        self.len += usize::from(old.is_none());
        old
    }

    /// Sets many values, their indexes ascending, and tells of each what it was before.
    pub(crate) fn insert_all(
        &mut self,
        values: impl Iterator<Item = (u32, T)>,
        mut replaced: impl FnMut(u32, Option<T>),
    ) {
        self.change_all(values, |index, old, value| {
            replaced(index, old.cloned());
            value
        });
    }

    /// Makes new values of what is there and of `changes`, whose indexes are ascending.
    ///
    /// Goes down the tree once for neighbours, which is most of what setting costs.
    pub(crate) fn change_all<C>(
        &mut self,
        changes: impl Iterator<Item = (u32, C)>,
        mut changed: impl FnMut(u32, Option<&T>, C) -> T,
    ) {
        let mut changes = changes.peekable();
        while let Some(&(first, _)) = changes.peek() {
            let mut added = 0;
            let leaf = self.leaf_mut(first);
            while let Some((index, change)) =
                changes.next_if(|(index, _)| index >> BITS == first >> BITS)
            {
                let slot = digit::<BITS>(index, 0);
                let value = changed(index, leaf.get(slot), change);
                added += usize::from(leaf.insert(slot, value).is_none());
            }
            self.len += added;
        }
    }

    /// Takes out the value at `index`.
    ///
    /// Its node stays, if need be empty: what is taken out mostly comes back.
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        self.get(index)?;
        self.len -= 1;
        self.leaf_mut(index).remove(digit::<BITS>(index, 0))
    }

    /// The leaf that `index` belongs to, made if it is not there.
    fn leaf_mut(&mut self, index: u32) -> &mut Slots<T> {
        while !fits::<BITS>(index, self.height) {
            if let Some(root) = self.root.take() {
                self.root = Some(Arc::new(Node::Branch(Slots::one(0, root))));
            }
            self.height += 1;
        }
        let height = self.height;
        let root = self
            .root
            .get_or_insert_with(|| Arc::new(Node::empty(height)));
        Node::leaf_mut::<BITS>(root, height, index)
    }
}

impl<T: Clone> Node<T> {
    const fn empty(level: u32) -> Self {
        match level {
            0 => Self::Leaf(Slots::new()),
            _ => Self::Branch(Slots::new()),
        }
    }

    fn leaf_mut<const BITS: u32>(this: &mut Arc<Self>, level: u32, index: u32) -> &mut Slots<T> {
        match Arc::make_mut(this) {
            Self::Leaf(slots) => slots,
            Self::Branch(slots) => {
                let digit = digit::<BITS>(index, level);
                if !slots.holds(digit) {
                    slots.insert(digit, Arc::new(Self::empty(level - 1)));
                }
                let child = slots.get_mut(digit).expect("inserted if it was not there");
                Self::leaf_mut::<BITS>(child, level - 1, index)
            }
        }
    }
}

impl<V> Slots<V> {
    const fn new() -> Self {
        Self {
            present: 0,
            values: Vec::new(),
        }
    }

    fn one(slot: u32, value: V) -> Self {
        Self {
            present: 1 << slot,
            values: vec![value],
        }
    }

    fn rank(&self, slot: u32) -> usize {
        (self.present & ((1 << slot) - 1)).count_ones() as usize
    }

    fn holds(&self, slot: u32) -> bool {
        self.present & (1 << slot) != 0
    }

    fn get(&self, slot: u32) -> Option<&V> {
        self.holds(slot).then(|| &self.values[self.rank(slot)])
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        let rank = self.rank(slot);
        self.holds(slot).then(|| &mut self.values[rank])
    }

    fn insert(&mut self, slot: u32, value: V) -> Option<V> {
        let rank = self.rank(slot);
        if self.holds(slot) {
            return Some(std::mem::replace(&mut self.values[rank], value));
        }
        if self.values.len() == self.values.capacity() {
            // By halves and never past 64: slots are many, and most nodes stay small.
            let more = (self.values.len() / 2).clamp(1, 64 - self.values.len());
            self.values.reserve_exact(more);
        }
        self.values.insert(rank, value);
        self.present |= 1 << slot;
        None
    }

    fn remove(&mut self, slot: u32) -> Option<V> {
        let rank = self.rank(slot);
        self.holds(slot).then(|| {
            self.present &= !(1 << slot);
            self.values.remove(rank)
        })
    }

    /// The first occupied slot that is not among the `done` ones.
    fn next_after(&self, done: u64) -> Option<u32> {
        let left = self.present & !done;
        (left != 0).then(|| left.trailing_zeros())
    }
}

/// The bits of all slots up to and with `slot`.
const fn through(slot: u32) -> u64 {
    u64::MAX >> (63 - slot)
}

const fn digit<const BITS: u32>(index: u32, level: u32) -> u32 {
    (index >> (BITS * level)) & ((1 << BITS) - 1)
}

const fn fits<const BITS: u32>(index: u32, height: u32) -> bool {
    let bits = BITS * (height + 1);
    bits >= u32::BITS || index >> bits == 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn indexes() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..200, 0_u32..100_000, any::<u32>(), Just(u32::MAX)]
    }

    proptest! {
        #[test]
        fn a_radix_tree_is_a_map(writes in proptest::collection::vec((indexes(), any::<u16>()), 0..400)) {
            let mut radix = Radix::<_, 4>::new();
            let mut model = BTreeMap::new();
            for (index, value) in writes {
                prop_assert_eq!(radix.insert(index, value), model.insert(index, value));
                prop_assert_eq!(radix.len(), model.len());
            }
            for &index in model.keys() {
                prop_assert_eq!(radix.get(index), model.get(&index));
                let next = index.wrapping_add(1);
                prop_assert_eq!(radix.get(next), model.get(&next));
            }
            let found: Vec<_> = radix.iter().collect();
            let expected: Vec<_> = model.iter().map(|(&index, value)| (index, value)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn many_at_once_are_as_one_by_one(before in proptest::collection::btree_map(indexes(), any::<u16>(), 0..200), more in proptest::collection::btree_map(indexes(), any::<u16>(), 0..200)) {
            let mut radix = Radix::<_, 6>::new();
            let mut model = before;
            radix.insert_all(model.iter().map(|(&index, &value)| (index, value)), |_, old| assert_eq!(old, None));
            let mut told = Vec::new();
            radix.insert_all(more.iter().map(|(&index, &value)| (index, value)), |index, old| told.push((index, old)));
            let expected: Vec<_> = more.into_iter().map(|(index, value)| (index, model.insert(index, value))).collect();
            prop_assert_eq!(told, expected);
            prop_assert_eq!(radix.len(), model.len());
            prop_assert!(radix.iter().eq(model.iter().map(|(&index, value)| (index, value))));
        }

        #[test]
        fn a_clone_keeps_what_it_had(before in proptest::collection::vec(indexes(), 0..200), after in proptest::collection::vec(indexes(), 0..200)) {
            let mut radix = Radix::<_, 6>::new();
            for &index in &before {
                radix.insert(index, false);
            }
            let clone = radix.clone();
            for &index in &after {
                radix.insert(index, true);
            }
            prop_assert!(clone.iter().all(|(_, &late)| !late));
            prop_assert!(clone.iter().all(|(index, _)| before.contains(&index)));
            prop_assert!(before.iter().all(|&index| clone.get(index) == Some(&false)));
            prop_assert!(after.iter().all(|&index| radix.get(index) == Some(&true)));
        }
    }
}
