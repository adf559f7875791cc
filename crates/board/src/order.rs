//! A persistent sorted sequence that knows every entry's rank.
//!
//! A B+ tree whose branches count what is below them. Cloning it is cloning one `Arc`.
//! Changes come many at once and in order: each node that they concern is made anew once,
//! however many they are, and all others stay shared with the clones. So few changes of a
//! large board cost O(log n) each, and many of them a merge of sorted lists. Rank and
//! selection take O(log n); leaves are long, so that reading on from a rank is reading
//! arrays. It holds no entry twice and does not know about players' earlier keys: that is
//! the ranking's business.

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
        let mut order = Self::new();
        order.update(&[], entries);
        order
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

    /// Takes out entries that are there and adds others that are not, each list in
    /// ascending order.
    pub(crate) fn update(&mut self, gone: &[Ranked], come: &[Ranked]) {
        self.len = self.len + come.len() - gone.len();
        let mut level = match self.root.take() {
            None => leaves(come.to_vec()),
            Some(root) => updated(root, gone, come),
        };
        while level.len() > 1 {
            level = branches(level);
        }
        let mut root = level.pop().map(|child| child.node);
        // A branch with one child is a step that leads nowhere else.
        while let Some(Node::Branch(children)) = root.as_deref()
            && let [only] = &children[..]
        {
            root = Some(Arc::clone(&only.node));
        }
        self.root = root;
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

/// What becomes of a node without `gone` and with `come`: as many nodes of its level as that
/// takes.
fn updated(node: Arc<Node>, gone: &[Ranked], come: &[Ranked]) -> Vec<Child> {
    let old = match &*node {
        Node::Leaf(entries) => return leaves(merged(entries, gone, come)),
        Node::Branch(_) => match Arc::unwrap_or_clone(node) {
            Node::Branch(children) => children,
            Node::Leaf(_) => unreachable!("it is a branch"),
        },
    };
    let (mut gone, mut come) = (gone, come);
    let mut children = Vec::with_capacity(old.len());
    let mut is_sparse = false;
    let mut old = old.into_iter().peekable();
    while let Some(child) = old.next() {
        let bound = old.peek().map(|next| next.bound);
        let gone_here = split_before(&mut gone, bound);
        let come_here = split_before(&mut come, bound);
        if gone_here.is_empty() && come_here.is_empty() {
            children.push(child);
            continue;
        }
        let fresh = updated(child.node, gone_here, come_here);
        is_sparse |= fresh.iter().any(|child| child.node.is_sparse());
        children.extend(fresh);
    }
    branches(if is_sparse {
        mended(children)
    } else {
        children
    })
}

/// Takes off what is before `bound`, or everything.
fn split_before<'a>(entries: &mut &'a [Ranked], bound: Option<Ranked>) -> &'a [Ranked] {
    let here = bound.map_or(entries.len(), |bound| {
        entries.partition_point(|entry| *entry < bound)
    });
    let (before, rest) = entries.split_at(here);
    *entries = rest;
    before
}

fn merged(entries: &[Ranked], gone: &[Ranked], come: &[Ranked]) -> Vec<Ranked> {
    let mut merged = Vec::with_capacity(entries.len() + come.len() - gone.len());
    let (mut gone, mut come) = (gone, come);
    for entry in entries {
        if let Some((first, rest)) = gone.split_first()
            && first == entry
        {
            gone = rest;
            continue;
        }
        while let Some((first, rest)) = come.split_first()
            && first < entry
        {
            merged.push(*first);
            come = rest;
        }
        merged.push(*entry);
    }
    merged.extend_from_slice(come);
    assert!(gone.is_empty(), "only what is there is taken out");
    merged
}

/// The entries as leaves, which one is if they fit.
fn leaves(entries: Vec<Ranked>) -> Vec<Child> {
    match entries.len() {
        0 => Vec::new(),
        1..=LEAF_MAX => vec![Child::of(Node::Leaf(entries))],
        _ => even_chunks(&entries, LEAF_MAX * 3 / 4)
            .map(|chunk| Child::of(Node::Leaf(chunk.to_vec())))
            .collect(),
    }
}

/// The children under branches, which one is if they fit.
fn branches(mut children: Vec<Child>) -> Vec<Child> {
    match children.len() {
        0 => Vec::new(),
        1..=BRANCH_MAX => {
            children.shrink_to_fit();
            vec![Child::of(Node::Branch(children))]
        }
        _ => even_chunks(&children, BRANCH_MAX * 3 / 4)
            .map(|chunk| Child::of(Node::Branch(chunk.to_vec())))
            .collect(),
    }
}

/// Joins sparse children with a neighbour where both fit into one node with room to spare.
fn mended(children: Vec<Child>) -> Vec<Child> {
    let mut mended: Vec<Child> = Vec::with_capacity(children.len());
    for child in children {
        let joined = mended.last_mut().filter(|last| {
            let ((len, max), (more, _)) = (last.node.fill(), child.node.fill());
            (last.node.is_sparse() || child.node.is_sparse()) && len + more <= max * 3 / 4
        });
        match joined {
            Some(last) => {
                Arc::make_mut(&mut last.node).absorb(&child.node);
                last.count += child.count;
            }
            None => mended.push(child),
        }
    }
    mended
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

    use huntcore_model::BoardOrder;
    use proptest::prelude::*;

    use super::*;
    use crate::key::{Key, Place};

    fn ranked(score: i64, player: u32) -> Ranked {
        Ranked {
            key: Key::new(BoardOrder::Descending, score, Place::from_raw(0, 0)),
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
                    order.update(&[], &[entry]);
                } else {
                    model.remove(&entry);
                    order.update(&[entry], &[]);
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
                order.update(&[], &[ranked(more, 2)]);
            }
            check(&order, &model);
            while let Some(entry) = model.pop_first() {
                order.update(&[entry], &[]);
            }
            check(&order, &model);
        }

        #[test]
        fn changes_come_many_at_once(rounds in proptest::collection::vec(proptest::collection::btree_set((0_i64..60, 0_u32..6), 0..200), 1..12)) {
            let mut order = Order::new();
            let mut model = BTreeSet::new();
            let mut clones = Vec::new();
            for toggled in rounds {
                let toggled: BTreeSet<_> = toggled.into_iter().map(|(score, player)| ranked(score, player)).collect();
                let gone: Vec<_> = model.intersection(&toggled).copied().collect();
                let come: Vec<_> = toggled.difference(&model).copied().collect();
                order.update(&gone, &come);
                model = model.symmetric_difference(&toggled).copied().collect();
                clones.push((order.clone(), model.clone()));
            }
            for (order, model) in &clones {
                check(order, model);
            }
        }
    }
}
