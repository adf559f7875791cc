//! A persistent sorted sequence that knows every entry's rank.
//!
//! A B+ tree whose branches count what is below them. Cloning it is cloning one `Arc`; a
//! write copies the nodes on its way that a clone still shares, and no others. Rank,
//! selection, insertion and removal take O(log n); leaves are long, so that reading on
//! from a rank is reading arrays. It holds no entry twice and does not know about players'
//! earlier keys: that is the ranking's business.

use std::sync::Arc;

use crate::key::Ranked;

#[cfg(not(test))]
const LEAF_MAX: usize = 256;
#[cfg(not(test))]
const BRANCH_MAX: usize = 64;
// Small in tests, so that small cases have several levels.
#[cfg(test)]
const LEAF_MAX: usize = 8;
#[cfg(test)]
const BRANCH_MAX: usize = 4;

#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    root: Option<Arc<Node>>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Ranked>),
    Branch(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    // At or below the child's first entry, and above all entries of the child before.
    bound: Ranked,
    count: u32,
    node: Arc<Node>,
}

impl Order {
    pub(crate) const fn new() -> Self {
        Self { root: None, len: 0 }
    }

    /// Takes entries that are in ascending order.
    pub(crate) fn from_sorted(entries: &[Ranked]) -> Self {
        debug_assert!(entries.is_sorted_by(|left, right| left < right));
        let mut level: Vec<Child> = even_chunks(entries, LEAF_MAX * 3 / 4)
            .map(|chunk| Child::of(Node::Leaf(chunk.to_vec())))
            .collect();
        while level.len() > 1 {
            level = even_chunks(&level, BRANCH_MAX * 3 / 4)
                .map(|chunk| Child::of(Node::Branch(chunk.to_vec())))
                .collect();
        }
        Self {
            root: level.pop().map(|child| child.node),
            len: entries.len(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How many entries are less than `probe`.
    pub(crate) fn rank(&self, probe: &Ranked) -> usize {
        let Some(mut node) = self.root.as_deref() else {
            return 0;
        };
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return before + entries.partition_point(|entry| entry < probe);
                }
                Node::Branch(children) => {
                    let place = child_for(children, probe);
                    before += count(&children[..place]);
                    node = &children[place].node;
                }
            }
        }
    }

    /// The entries from `rank` on that lie together in memory; none only at the end.
    pub(crate) fn run_from(&self, rank: usize) -> &[Ranked] {
        let Some(mut node) = self.root.as_deref() else {
            return &[];
        };
        let mut rank = rank;
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(rank..).unwrap_or(&[]),
                Node::Branch(children) => {
                    let place = children.iter().position(|child| {
                        let here = rank < child.count as usize;
                        if !here {
                            rank -= child.count as usize;
                        }
                        here
                    });
                    match place {
                        Some(place) => node = &children[place].node,
                        None => return &[],
                    }
                }
            }
        }
    }

    /// Adds an entry that is not there.
    pub(crate) fn insert(&mut self, entry: Ranked) {
        self.len += 1;
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node::Leaf(vec![entry])));
            return;
        };
        if let Some(right) = Arc::make_mut(root).insert(entry) {
            let left = Child {
                bound: root.bound(),
                count: u32_count(root.count()),
                node: Arc::clone(root),
            };
            *root = Arc::new(Node::Branch(vec![left, right]));
        }
    }

    /// Takes out an entry that is there.
    pub(crate) fn remove(&mut self, entry: &Ranked) {
        let root = self.root.as_mut().expect("only what is there is removed");
        Arc::make_mut(root).remove(entry);
        self.len -= 1;
        while let Node::Branch(children) = &**root
            && let [only] = &children[..]
        {
            *root = Arc::clone(&only.node);
        }
        if self.len == 0 {
            self.root = None;
        }
    }

    /// What the tree takes on the heap, counted from its capacities.
    pub(crate) fn heap_bytes(&self) -> usize {
        fn node_bytes(node: &Node) -> usize {
            let inner = match node {
                Node::Leaf(entries) => entries.capacity() * size_of::<Ranked>(),
                Node::Branch(children) => {
                    let below: usize = children.iter().map(|child| node_bytes(&child.node)).sum();
                    below + children.capacity() * size_of::<Child>()
                }
            };
            inner + size_of::<Node>() + 2 * size_of::<usize>()
        }
        self.root.as_deref().map_or(0, node_bytes)
    }
}

impl Node {
    fn insert(&mut self, entry: Ranked) -> Option<Child> {
        match self {
            Self::Leaf(entries) => {
                let place = entries.partition_point(|other| *other < entry);
                debug_assert!(entries.get(place) != Some(&entry), "an entry twice");
                make_room(entries);
                entries.insert(place, entry);
                split(entries, LEAF_MAX).map(|right| Child::of(Self::Leaf(right)))
            }
            Self::Branch(children) => {
                let place = child_for(children, &entry);
                let child = &mut children[place];
                child.bound = child.bound.min(entry);
                child.count += 1;
                let right = Arc::make_mut(&mut child.node).insert(entry)?;
                child.count -= right.count;
                make_room(children);
                children.insert(place + 1, right);
                split(children, BRANCH_MAX).map(|right| Child::of(Self::Branch(right)))
            }
        }
    }

    fn remove(&mut self, entry: &Ranked) {
        match self {
            Self::Leaf(entries) => {
                let place = entries.binary_search(entry);
                entries.remove(place.expect("only what is there is removed"));
            }
            Self::Branch(children) => {
                let place = child_for(children, entry);
                let child = &mut children[place];
                child.count -= 1;
                Arc::make_mut(&mut child.node).remove(entry);
                if child.node.is_sparse() {
                    mend(children, place);
                }
            }
        }
    }

    fn fill(&self) -> (usize, usize) {
        match self {
            Self::Leaf(entries) => (entries.len(), LEAF_MAX),
            Self::Branch(children) => (children.len(), BRANCH_MAX),
        }
    }

    fn is_sparse(&self) -> bool {
        let (len, max) = self.fill();
        len < max / 4
    }

    fn count(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch(children) => count(children),
        }
    }

    fn bound(&self) -> Ranked {
        match self {
            Self::Leaf(entries) => entries[0],
            Self::Branch(children) => children[0].bound,
        }
    }

    /// Moves everything of the node after this one into it.
    fn absorb(&mut self, right: &Self) {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => left.extend_from_slice(right),
            (Self::Branch(left), Self::Branch(right)) => left.extend_from_slice(right),
            _ => unreachable!("neighbours are of one level"),
        }
    }
}

impl Child {
    fn of(node: Node) -> Self {
        Self {
            bound: node.bound(),
            count: u32_count(node.count()),
            node: Arc::new(node),
        }
    }
}

/// Joins a sparse child with a neighbour if both fit into one node with room to spare.
/// Where they do not, the child may stay sparse, but never empty.
fn mend(children: &mut Vec<Child>, place: usize) {
    if children[place].count == 0 {
        children.remove(place);
        return;
    }
    let left = place.saturating_sub(1);
    for left in [left, place] {
        let Some([one, other]) = children.get_mut(left..left + 2) else {
            continue;
        };
        let (len, max) = one.node.fill();
        if len + other.node.fill().0 <= max * 3 / 4 {
            Arc::make_mut(&mut one.node).absorb(&other.node);
            one.count += other.count;
            children.remove(left + 1);
            return;
        }
    }
}

/// The child in whose range `probe` lies.
fn child_for(children: &[Child], probe: &Ranked) -> usize {
    children
        .partition_point(|child| child.bound <= *probe)
        .saturating_sub(1)
}

fn count(children: &[Child]) -> usize {
    children.iter().map(|child| child.count as usize).sum()
}

fn u32_count(count: usize) -> u32 {
    u32::try_from(count).expect("player indexes are u32, and each is there once at most")
}

/// Grows by a sixteenth: with doubling, a quarter of all memory would stand empty.
fn make_room<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact((items.len() / 16).max(1));
    }
}

fn split<T>(items: &mut Vec<T>, max: usize) -> Option<Vec<T>> {
    if items.len() <= max {
        return None;
    }
    let right = items.split_off(items.len() / 2);
    items.shrink_to_fit();
    Some(right)
}

/// Chunks of at most `max` items whose lengths differ by one at most.
fn even_chunks<T>(items: &[T], max: usize) -> impl Iterator<Item = &[T]> {
    let chunks = items.len().div_ceil(max);
    (0..chunks).map(move |chunk| {
        let start = items.len() * chunk / chunks;
        let end = items.len() * (chunk + 1) / chunks;
        &items[start..end]
    })
}

#[cfg(test)]
impl Order {
    fn check(&self) {
        fn check_node(node: &Node, bound: Option<Ranked>, end: Option<Ranked>) -> usize {
            match node {
                Node::Leaf(entries) => {
                    assert!(!entries.is_empty() && entries.len() <= LEAF_MAX);
                    assert!(entries.is_sorted_by(|left, right| left < right));
                    assert!(bound.is_none_or(|bound| bound <= entries[0]));
                    assert!(end.is_none_or(|end| *entries.last().expect("not empty") < end));
                    entries.len()
                }
                Node::Branch(children) => {
                    assert!(!children.is_empty() && children.len() <= BRANCH_MAX);
                    assert!(bound.is_none_or(|bound| bound <= children[0].bound));
                    for (place, child) in children.iter().enumerate() {
                        let end = children.get(place + 1).map_or(end, |next| Some(next.bound));
                        let found = check_node(&child.node, Some(child.bound), end);
                        assert_eq!(found, child.count as usize);
                    }
                    count(children)
                }
            }
        }
        let found = self
            .root
            .as_deref()
            .map_or(0, |root| check_node(root, None, None));
        assert_eq!(found, self.len);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::key::{Key, Place};

    fn ranked(score: i64, player: u32) -> Ranked {
        Ranked {
            key: Key::new(score, Place::from_raw(0, 0)),
            player,
        }
    }

    fn listed(order: &Order) -> Vec<Ranked> {
        let mut found = Vec::new();
        while found.len() < order.len() {
            let run = order.run_from(found.len());
            assert!(!run.is_empty());
            found.extend_from_slice(run);
        }
        assert!(order.run_from(order.len()).is_empty());
        found
    }

    fn check(order: &Order, model: &BTreeSet<Ranked>) {
        order.check();
        let found = listed(order);
        assert!(found.iter().eq(model));
        for (rank, entry) in found.iter().enumerate() {
            assert_eq!(order.rank(entry), rank);
            assert_eq!(order.run_from(rank)[0], *entry);
        }
    }

    proptest! {
        #[test]
        fn an_order_is_a_sorted_set_with_ranks(toggles in proptest::collection::vec((0_i64..40, 0_u32..6), 0..600)) {
            let mut order = Order::new();
            let mut model = BTreeSet::new();
            let mut clones = Vec::new();
            for (step, (score, player)) in toggles.into_iter().enumerate() {
                let entry = ranked(score, player);
                if model.insert(entry) {
                    order.insert(entry);
                } else {
                    model.remove(&entry);
                    order.remove(&entry);
                }
                order.check();
                if step % 50 == 0 {
                    clones.push((order.clone(), model.clone()));
                }
            }
            check(&order, &model);
            for score in -1..41 {
                let probe = ranked(score, u32::MAX);
                prop_assert_eq!(order.rank(&probe), model.range(..probe).count());
            }
            for (order, model) in &clones {
                check(order, model);
            }
        }

        #[test]
        fn an_order_made_at_once_is_like_one_made_step_by_step(scores in proptest::collection::btree_set(any::<i64>(), 0..300), more in any::<i64>()) {
            let mut model: BTreeSet<_> = scores.into_iter().map(|score| ranked(score, 1)).collect();
            let mut order = Order::from_sorted(&model.iter().copied().collect::<Vec<_>>());
            check(&order, &model);
            if model.insert(ranked(more, 2)) {
                order.insert(ranked(more, 2));
            }
            check(&order, &model);
            while let Some(entry) = model.pop_first() {
                order.remove(&entry);
            }
            check(&order, &model);
        }
    }
}
