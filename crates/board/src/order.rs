//! A persistent sorted sequence that knows every entry's rank.
//!
//! A B+ tree whose branches know how many entries are before each child. Cloning it is
//! cloning one `Arc`. Changes come many at once and in order: each node that they concern is
//! made anew once, however many they are, and all others stay shared with the clones. So few
//! changes of a large board cost O(log n) each, and many of them a merge of sorted lists, of
//! which what lies between two changes is copied at once. Rank and selection take O(log n);
//! leaves are arrays, so that reading on from a rank is reading them. It holds no entry twice
//! and does not know about players' earlier keys: that is the ranking's business.

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
    root: Option<Node>,
    len: usize,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Arc<[Ranked]>),
    Branch(Arc<[Child]>),
}

#[derive(Clone, Debug)]
struct Child {
    // At or below the child's first entry, and above all entries of the child before.
    bound: Ranked,
    // Entries of the children before it.
    before: u32,
    count: u32,
    node: Node,
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
        let Some(mut node) = self.root.as_ref() else {
            return 0;
        };
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return before + leading(entries, |entry| entry < probe);
                }
                Node::Branch(children) => {
                    let place = leading(children, |child| child.bound <= *probe);
                    let child = &children[place.saturating_sub(1)];
                    before += child.before as usize;
                    node = &child.node;
                }
            }
        }
    }

    /// The entries from `rank` on that lie together in memory; none only at the end.
    pub(crate) fn run_from(&self, rank: usize) -> &[Ranked] {
        let Some(mut node) = self.root.as_ref() else {
            return &[];
        };
        let mut rank = rank;
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(rank..).unwrap_or(&[]),
                Node::Branch(children) => {
                    let place = leading(children, |child| child.before as usize <= rank);
                    let child = &children[place - 1];
                    rank -= child.before as usize;
                    node = &child.node;
                }
            }
        }
    }

    /// Takes out entries that are there and adds others that are not, each list in
    /// ascending order.
    pub(crate) fn update(&mut self, gone: &[Ranked], come: &[Ranked]) {
        self.len = self.len + come.len() - gone.len();
        let mut changes = Changes { gone, come };
        let mut merge = Merge::default();
        let mut level = match self.root.take() {
            None => leaves(come),
            Some(root) => updated(&root, &mut changes, None, &mut merge),
        };
        while level.len() > 1 {
            level = branches(level);
        }
        let mut root = level.pop().map(|child| child.node);
        // A branch with one child is a step that leads nowhere else.
        while let Some(Node::Branch(children)) = &root
            && let [only] = &children[..]
        {
            root = Some(only.node.clone());
        }
        self.root = root;
    }

    /// What the tree takes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        fn node_bytes(node: &Node) -> usize {
            let inner = match node {
                Node::Leaf(entries) => size_of_val(&**entries),
                Node::Branch(children) => {
                    let below: usize = children.iter().map(|child| node_bytes(&child.node)).sum();
                    below + size_of_val(&**children)
                }
            };
            inner + 2 * size_of::<usize>()
        }
        self.root.as_ref().map_or(0, node_bytes)
    }
}

/// How many of the first items hold, where those that do come before those that don't.
///
/// A node is seldom in the processor's cache. Halving it would fetch one place after the other;
/// every sixteenth item and then the sixteen between are fetched side by side.
fn leading<T>(items: &[T], holds: impl Fn(&T) -> bool) -> usize {
    const STRIDE: usize = 16;
    let strides = items.iter().step_by(STRIDE).filter(|item| holds(item));
    let begin = strides.count().saturating_sub(1) * STRIDE;
    let rest = &items[begin..];
    let rest = &rest[..rest.len().min(STRIDE)];
    begin + rest.iter().filter(|item| holds(item)).count()
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

    /// Everything of two neighbours of one level.
    fn joined(&self, right: &Self) -> Self {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => {
                Self::Leaf([&**left, &**right].concat().into())
            }
            (Self::Branch(left), Self::Branch(right)) => Self::branch([&**left, &**right].concat()),
            _ => unreachable!("neighbours are of one level"),
        }
    }

    fn branch(mut children: Vec<Child>) -> Self {
        let mut before = 0;
        for child in &mut children {
            child.before = before;
            before += child.count;
        }
        Self::Branch(children.into())
    }
}

impl Child {
    /// `before` is set by the branch that it comes into.
    fn of(node: Node) -> Self {
        let (bound, count) = match &node {
            Node::Leaf(entries) => (entries[0], u32_count(entries.len())),
            Node::Branch(children) => {
                let last = children.last().expect("branches have children");
                (children[0].bound, last.before + last.count)
            }
        };
        Self {
            bound,
            before: 0,
            count,
            node,
        }
    }
}

/// What is still to be done, in order.
struct Changes<'a> {
    gone: &'a [Ranked],
    come: &'a [Ranked],
}

impl Changes<'_> {
    /// The first entry that something happens to, if it is before `end`.
    fn next_before(&self, end: Option<&Ranked>) -> Option<&Ranked> {
        let next = match (self.gone.first(), self.come.first()) {
            (Some(gone), Some(come)) => gone.min(come),
            (gone, come) => gone.or(come)?,
        };
        end.is_none_or(|end| next < end).then_some(next)
    }
}

/// What becomes of a node, whose entries are before `end`, with the changes before that: as
/// many nodes of its level as it takes.
fn updated(
    node: &Node,
    changes: &mut Changes<'_>,
    end: Option<&Ranked>,
    merge: &mut Merge,
) -> Vec<Child> {
    let old = match node {
        Node::Leaf(entries) => {
            return leaves(merge.leaf(entries, changes, end));
        }
        Node::Branch(children) => children,
    };
    let mut children = Vec::with_capacity(old.len() + 1);
    let mut is_sparse = false;
    for (place, child) in old.iter().enumerate() {
        let end = old.get(place + 1).map(|next| &next.bound).or(end);
        if changes.next_before(end).is_none() {
            children.push(child.clone());
            continue;
        }
        let fresh = updated(&child.node, changes, end, merge);
        is_sparse |= fresh.iter().any(|child| child.node.is_sparse());
        children.extend(fresh);
    }
    branches(if is_sparse {
        mended(children)
    } else {
        children
    })
}

/// Room to merge leaves in.
#[derive(Default)]
struct Merge {
    entries: Vec<Ranked>,
    merged: Vec<Ranked>,
}

impl Merge {
    /// What becomes of a leaf's entries.
    fn leaf(
        &mut self,
        entries: &[Ranked],
        changes: &mut Changes<'_>,
        end: Option<&Ranked>,
    ) -> &[Ranked] {
        // Leaves come from all over the memory: reading one from end to end lets the machine
        // read ahead, which jumping from change to change does not.
        self.entries.clear();
        self.entries.extend_from_slice(entries);
        self.merged.clear();
        let mut entries = &self.entries[..];
        while let Some(&next) = changes.next_before(end) {
            let (before, rest) = entries.split_at(count_before(entries, &next));
            self.merged.extend_from_slice(before);
            entries = rest;
            if changes.gone.first() == Some(&next) {
                let taken = entries.split_off_first();
                assert!(taken == Some(&next), "only what is there is taken out");
                changes.gone = &changes.gone[1..];
            } else {
                self.merged.push(next);
                changes.come = &changes.come[1..];
            }
        }
        self.merged.extend_from_slice(entries);
        &self.merged
    }
}

/// How many entries are less than `probe`, which are few if many changes come.
fn count_before(entries: &[Ranked], probe: &Ranked) -> usize {
    let mut reach = 4;
    while reach < entries.len() && entries[reach] < *probe {
        reach *= 4;
    }
    let start = if reach > 4 { reach / 4 } else { 0 };
    let reach = reach.min(entries.len());
    start + entries[start..reach].partition_point(|entry| entry < probe)
}

/// The entries as leaves, which one is if they fit.
fn leaves(entries: &[Ranked]) -> Vec<Child> {
    let leaf = |entries: &[Ranked]| Child::of(Node::Leaf(entries.into()));
    match entries.len() {
        0 => Vec::new(),
        1..=LEAF_MAX => vec![leaf(entries)],
        _ => even_chunks(entries, LEAF_MAX * 3 / 4).map(leaf).collect(),
    }
}

/// The children under branches, which one is if they fit.
fn branches(children: Vec<Child>) -> Vec<Child> {
    match children.len() {
        0 => Vec::new(),
        1..=BRANCH_MAX => vec![Child::of(Node::branch(children))],
        _ => even_chunks(&children, BRANCH_MAX * 3 / 4)
            .map(|chunk| Child::of(Node::branch(chunk.to_vec())))
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
                let bound = last.bound;
                *last = Child::of(last.node.joined(&child.node));
                last.bound = bound;
            }
            None => mended.push(child),
        }
    }
    mended
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
                    let mut before = 0;
                    for (place, child) in children.iter().enumerate() {
                        assert_eq!(child.before as usize, before);
                        before += child.count as usize;
                        let end = children.get(place + 1).map_or(end, |next| Some(next.bound));
                        let found = check_node(&child.node, Some(child.bound), end);
                        assert_eq!(found, child.count as usize);
                    }
                    before
                }
            }
        }
        let found = self
            .root
            .as_ref()
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
