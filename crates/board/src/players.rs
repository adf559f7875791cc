//! Who is who across all streams: each player id gets one index, for ever.
//!
//! Streams number players each for itself; boards count a player once. Both directions are
//! persistent trees, so a published version finds players without locks while the writer
//! adds more. Ids are found by linear hashing: buckets of names, of which one is parted in two
//! whenever players have become enough for one more. So no insert ever stops to move all, a
//! version costs one `Arc`, and a look-up goes to one bucket at any number of players. The
//! hash is BLAKE3, so ids cannot be chosen to collide cheaply and no secret or random seed is
//! needed.

use std::sync::Arc;

use huntcore_model::PlayerId;

use crate::radix::Radix;

/// So many names are in a bucket on average, or a few less: eight cache lines in a row.
const NAMES_A_BUCKET: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Players {
    ids: Radix<PlayerId>,
    // A bucket's number are the lowest bits of its names' tags. Narrow nodes: each new name
    // copies one of those that a version shares, with a count for each bucket in it.
    buckets: Radix<Arc<[Name]>, 4>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    // 32 bits of the id's hash.
    tag: u32,
    player: u32,
}

impl Players {
    pub(crate) const fn new() -> Self {
        Self {
            ids: Radix::new(),
            buckets: Radix::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id behind an index that was given out.
    pub(crate) fn id(&self, player: u32) -> &PlayerId {
        self.ids.get(player).expect("indexes come from here")
    }

    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.find_tagged(tag(id), id)
    }

    fn find_tagged(&self, tag: u32, id: &str) -> Option<u32> {
        let bucket = bucket(tag, self.bucket_count());
        self.buckets
            .get(bucket)?
            .iter()
            .filter(|name| name.tag == tag)
            .map(|name| name.player)
            .find(|&player| self.id(player).as_str() == id)
    }

    /// The player's index, a new one if the id is new; `None` if it is no player id.
    pub(crate) fn intern(&mut self, id: &str) -> Option<u32> {
        let tag = tag(id);
        if let Some(player) = self.find_tagged(tag, id) {
            return Some(player);
        }
        let id = PlayerId::new(id).ok()?;
        let player = u32::try_from(self.ids.len()).expect("the limits keep indexes in u32");
        self.ids.insert(player, id);
        self.add(Name { tag, player });
        Some(player)
    }

    fn bucket_count(&self) -> u32 {
        u32::try_from(self.buckets.len()).expect("fewer buckets than players")
    }

    fn add(&mut self, name: Name) {
        if self.ids.len() > self.buckets.len() * NAMES_A_BUCKET {
            self.part();
        }
        let bucket = bucket(name.tag, self.bucket_count());
        let names = self.buckets.get(bucket).map_or(&[][..], |names| names);
        let names = [names, &[name]].concat();
        self.buckets.insert(bucket, names.into());
    }

    /// Adds a bucket, with those names of another one that belong there from now on.
    fn part(&mut self) {
        let added = self.bucket_count();
        let Some(highest) = added.checked_ilog2() else {
            self.buckets.insert(added, Arc::default());
            return;
        };
        let parted = added ^ (1 << highest);
        let names = self.buckets.get(parted).expect("a bucket before it");
        let (moved, stay): (Vec<_>, Vec<_>) = names
            .iter()
            .partition(|name| bucket(name.tag, added + 1) == added);
        self.buckets.insert(parted, stay.into());
        self.buckets.insert(added, moved.into());
    }

    /// Players by their indexes; `None` if an id is there twice. Much cheaper than one by one.
    pub(crate) fn from_ids(ids: Vec<PlayerId>) -> Option<Self> {
        let names = (0_u32..).zip(&ids).map(|(player, id)| Name {
            tag: tag(id.as_str()),
            player,
        });
        let mut names: Vec<_> = names.collect();
        let buckets = names.len().div_ceil(NAMES_A_BUCKET);
        let buckets = u32::try_from(buckets).expect("fewer buckets than players");
        names.sort_unstable_by_key(|name| (bucket(name.tag, buckets), name.tag));
        let mut players = Self::new();
        let given = (0_u32..).zip(ids);
        players.ids.insert_all(given, |_, _| {});
        let mut alike = names.chunk_by(|one, next| one.tag == next.tag);
        if alike.any(|alike| players.has_twice(alike)) {
            return None;
        }
        let mut left = &names[..];
        let buckets = (0..buckets).map(|at| {
            let here = left.partition_point(|name| bucket(name.tag, buckets) == at);
            let (names, rest) = left.split_at(here);
            left = rest;
            (at, names.into())
        });
        players.buckets.insert_all(buckets, |_, _| {});
        Some(players)
    }

    fn has_twice(&self, alike: &[Name]) -> bool {
        let mut ids: Vec<_> = alike.iter().map(|name| self.id(name.player)).collect();
        ids.sort_unstable();
        ids.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// Heap bytes beyond the ids themselves (each a pointer, a length and its text).
    pub(crate) fn heap_bytes(&self) -> usize {
        let ids = self.ids.heap_bytes() - self.ids.len() * size_of::<PlayerId>();
        let names = self.buckets.iter();
        let names = names.map(|(_, names)| size_of_val(&**names) + 2 * size_of::<usize>());
        ids + self.buckets.heap_bytes() + names.sum::<usize>()
    }
}

/// Where names with this tag are, of so many buckets: at the number that its bits are, as many
/// as it takes to reach all buckets, or one bit less where that one is not there yet.
const fn bucket(tag: u32, buckets: u32) -> u32 {
    let mask = buckets.next_power_of_two() - 1;
    let bucket = tag & mask;
    if bucket < buckets {
        bucket
    } else {
        bucket & (mask >> 1)
    }
}

fn tag(id: &str) -> u32 {
    let hash = blake3::hash(id.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
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
        let mut players = Players::new();
        for number in 0..1_000 {
            players.ids.insert(number, id(number));
            let player = number;
            players.add(Name { tag: 7, player });
        }
        for number in 0..1_000 {
            let found = players.find_tagged(7, id(number).as_str());
            assert_eq!(found, Some(number));
        }
        assert_eq!(players.find_tagged(7, id(1_000).as_str()), None);
        assert_eq!(players.find_tagged(8, id(7).as_str()), None);
    }
}
