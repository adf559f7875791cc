//! Who is who across all streams: each player id gets one index, for ever.
//!
//! Streams number players each for itself; boards count a player once. Both directions are
//! persistent trees, so a published version finds players without locks while the writer
//! adds more. A trie was chosen over a hash table because it grows leaf by leaf: no insert
//! ever stops to move all, and a version costs one `Arc`. The hash is BLAKE3, so ids
//! cannot be chosen to collide cheaply and no secret or random seed is needed.

use std::sync::Arc;

use huntcore_model::PlayerId;

use crate::radix::Radix;

const LEAF_MAX: usize = 128;
const FANOUT_BITS: u32 = 2;

#[derive(Clone, Debug, Default)]
pub(crate) struct Players {
    ids: Radix<PlayerId>,
    names: Option<Arc<Node>>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Name>),
    // Always `1 << FANOUT_BITS` children.
    Branch(Vec<Arc<Node>>),
}

#[derive(Clone, Copy, Debug)]
struct Name {
    // 32 bits of the id's hash; the trie's path are its digits, lowest first.
    tag: u32,
    player: u32,
}

impl Players {
    pub(crate) const fn new() -> Self {
        Self {
            ids: Radix::new(),
            names: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id behind an index that was given out.
    pub(crate) fn id(&self, player: u32) -> &PlayerId {
        self.ids.get(player).expect("indexes come from here")
    }

    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        let tag = tag(id);
        let mut node = self.names.as_deref()?;
        let mut path = tag;
        loop {
            match node {
                Node::Branch(children) => {
                    node = &children[digit(path)];
                    path >>= FANOUT_BITS;
                }
                Node::Leaf(names) => {
                    return names
                        .iter()
                        .filter(|name| name.tag == tag)
                        .map(|name| name.player)
                        .find(|&player| self.id(player).as_str() == id);
                }
            }
        }
    }

    /// The player's index, a new one if the id is new; `None` if it is no player id.
    pub(crate) fn intern(&mut self, id: &str) -> Option<u32> {
        if let Some(player) = self.find(id) {
            return Some(player);
        }
        let id = PlayerId::new(id).ok()?;
        let player = u32::try_from(self.ids.len()).expect("the limits keep indexes in u32");
        let name = Name {
            tag: tag(id.as_str()),
            player,
        };
        self.ids.insert(player, id);
        match &mut self.names {
            None => self.names = Some(Arc::new(Node::Leaf(vec![name]))),
            Some(root) => Node::insert(root, name, 0),
        }
        Some(player)
    }

    /// Players by their indexes; `None` if an id is there twice. Much cheaper than one by one.
    pub(crate) fn from_ids(ids: Vec<PlayerId>) -> Option<Self> {
        let names = (0_u32..).zip(&ids).map(|(player, id)| Name {
            tag: tag(id.as_str()),
            player,
        });
        let names = Node::parted(names.collect(), 0);
        let mut players = Self::new();
        let given = (0_u32..).zip(ids);
        players.ids.insert_all(given, |_, _| {});
        if players.has_twice(&names) {
            return None;
        }
        players.names = (players.len() > 0).then(|| Arc::new(names));
        Some(players)
    }

    fn has_twice(&self, node: &Node) -> bool {
        match node {
            Node::Branch(children) => children.iter().any(|child| self.has_twice(child)),
            Node::Leaf(names) => {
                let mut names = names.clone();
                names.sort_unstable_by_key(|name| name.tag);
                let mut alike = names.chunk_by(|one, next| one.tag == next.tag);
                alike.any(|alike| {
                    let mut ids: Vec<_> = alike.iter().map(|name| self.id(name.player)).collect();
                    ids.sort_unstable();
                    ids.windows(2).any(|pair| pair[0] == pair[1])
                })
            }
        }
    }

    /// Heap bytes beyond the ids themselves (each a pointer, a length and its text).
    pub(crate) fn heap_bytes(&self) -> usize {
        fn node_bytes(node: &Node) -> usize {
            let inner = match node {
                Node::Leaf(names) => names.capacity() * size_of::<Name>(),
                Node::Branch(children) => {
                    let below: usize = children.iter().map(|child| node_bytes(child)).sum();
                    below + children.capacity() * size_of::<usize>()
                }
            };
            inner + size_of::<Node>() + 2 * size_of::<usize>()
        }
        let ids = self.ids.heap_bytes() - self.ids.len() * size_of::<PlayerId>();
        ids + self.names.as_deref().map_or(0, node_bytes)
    }
}

impl Node {
    /// Names as a leaf, or parted as far as they have to be.
    fn parted(names: Vec<Name>, depth: u32) -> Self {
        // Past the last digit all tags are equal and parting them is no use.
        if names.len() <= LEAF_MAX || depth * FANOUT_BITS >= u32::BITS {
            return Self::Leaf(names);
        }
        let mut parts = vec![Vec::new(); 1 << FANOUT_BITS];
        for name in names {
            parts[digit(name.tag >> (depth * FANOUT_BITS))].push(name);
        }
        parts.iter_mut().for_each(Vec::shrink_to_fit);
        let children = parts.into_iter();
        Self::Branch(
            children
                .map(|part| Arc::new(Self::parted(part, depth + 1)))
                .collect(),
        )
    }

    fn insert(this: &mut Arc<Self>, name: Name, depth: u32) {
        let node = Arc::make_mut(this);
        match node {
            Self::Branch(children) => {
                let digit = digit(name.tag >> (depth * FANOUT_BITS));
                Self::insert(&mut children[digit], name, depth + 1);
            }
            Self::Leaf(names) => {
                if names.len() == names.capacity() {
                    names.reserve_exact((names.len() / 16).max(1));
                }
                names.push(name);
                if names.len() > LEAF_MAX {
                    *node = Self::parted(std::mem::take(names), depth);
                }
            }
        }
    }
}

fn tag(id: &str) -> u32 {
    let hash = blake3::hash(id.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

const fn digit(path: u32) -> usize {
    (path & ((1 << FANOUT_BITS) - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> PlayerId {
        PlayerId::new(&format!("player {number}")).expect("valid")
    }

    #[test]
    fn every_player_keeps_one_index() {
        let mut players = Players::new();
        for number in 0..20_000 {
            assert_eq!(players.find(id(number).as_str()), None);
            assert_eq!(players.intern(id(number).as_str()), Some(number));
        }
        let clone = players.clone();
        for number in 20_000..25_000 {
            players.intern(id(number).as_str());
        }
        for number in 0..25_000 {
            assert_eq!(players.intern(id(number).as_str()), Some(number));
            assert_eq!(players.id(number), &id(number));
            let known = (number < 20_000).then_some(number);
            assert_eq!(clone.find(id(number).as_str()), known);
        }
        assert_eq!((clone.len(), players.len()), (20_000, 25_000));
        let mut ids: Vec<_> = (0..25_000).map(id).collect();
        let at_once = Players::from_ids(ids.clone()).expect("each once");
        for number in 0..25_000 {
            assert_eq!(at_once.find(id(number).as_str()), Some(number));
        }
        ids.push(id(7));
        assert!(Players::from_ids(ids).is_none());
        assert_eq!(
            Players::from_ids(Vec::new()).map(|nobody| nobody.len()),
            Some(0)
        );
    }

    #[test]
    fn ids_with_the_same_tag_are_told_apart() {
        // A full leaf at the last depth: nothing is left to part by.
        let mut node = Arc::new(Node::Leaf(Vec::new()));
        for player in 0..1_000 {
            Node::insert(&mut node, Name { tag: 7, player }, 0);
        }
        let mut depth = 0;
        let mut at = &*node;
        while let Node::Branch(children) = at {
            at = &children[digit(7 >> (depth * FANOUT_BITS))];
            depth += 1;
        }
        assert!(matches!(at, Node::Leaf(names) if names.len() == 1_000));
        assert_eq!(depth, 16);
    }
}
