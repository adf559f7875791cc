//! The hunts that a reactor's sockets are in, and the crowds of sockets that are sent the same
//! bytes of them.

use std::collections::HashMap;
use std::sync::Arc;

use huntcore_broadcast::{Class, Cursor, FeedVersion};
use huntcore_model::{HuntId, HuntNumber, Position};

use super::classes::{Beginning, Classes, SharedClass, TooManyInterests, Way};
use super::making::Making;
use super::slots::{Key, Slots};
use crate::backend::View;

/// Ways looked up once for each version of a feed.
const WAYS_MAX: usize = 16;

/// Where a hunt stands among a reactor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HuntIndex(u32);

/// Which crowd.
pub(super) type CrowdKey = Key;

/// See the module.
pub(super) struct Hunts {
    indices: HashMap<HuntNumber, HuntIndex>,
    hunts: Vec<Hunt>,
    by_class: HashMap<(HuntIndex, Class), CrowdKey>,
    crowds: Slots<Crowd>,
}

/// A hunt.
pub(super) struct Hunt {
    pub(super) number: HuntNumber,
    pub(super) id: HuntId,
}

/// The sockets of one class on one reactor.
pub(super) struct Crowd {
    pub(super) hunt: HuntIndex,
    shared: Arc<SharedClass>,
    feed: Option<Arc<FeedVersion>>,
    /// Sockets that have asked for it, whether they have begun or not.
    members: u32,
    /// The places of all sockets that have begun.
    followers: Vec<u32>,
    /// How many of them, from the first on, have not been looked at since the last change.
    rest: usize,
    /// It has changed again on the way: begin anew after this.
    again: bool,
    ways: Vec<(Cursor, Way)>,
    beginning: Option<Beginning>,
}

impl Hunts {
    pub(super) fn new() -> Self {
        Self {
            indices: HashMap::new(),
            hunts: Vec::new(),
            by_class: HashMap::new(),
            crowds: Slots::new(),
        }
    }

    /// The hunt's place; made if it is new. They are as many as hunts were ever watched here.
    pub(super) fn index(&mut self, number: HuntNumber, id: &HuntId) -> HuntIndex {
        *self.indices.entry(number).or_insert_with(|| {
            let index = u32::try_from(self.hunts.len()).expect("hunts are numbered by u32");
            self.hunts.push(Hunt {
                number,
                id: id.clone(),
            });
            HuntIndex(index)
        })
    }

    pub(super) fn hunt(&self, index: HuntIndex) -> &Hunt {
        &self.hunts[index.0 as usize]
    }

    /// Lets one more socket into the crowd of its class.
    pub(super) fn join(
        &mut self,
        hunt: HuntIndex,
        class: Class,
        classes: &Arc<Classes>,
        merge_over: usize,
        view: &View,
    ) -> Result<CrowdKey, TooManyInterests> {
        if let Some(&key) = self.by_class.get(&(hunt, class.clone())) {
            self.crowd(key).members += 1;
            return Ok(key);
        }
        let shared = classes.class(self.hunt(hunt).number, &class, merge_over)?;
        let mut crowd = Crowd::new(hunt, shared);
        crowd.renew(view);
        let key = self.crowds.insert_with(|_| crowd);
        self.by_class.insert((hunt, class), key);
        Ok(key)
    }

    /// One socket less; the crowd ends with the last.
    pub(super) fn leave(&mut self, key: CrowdKey) {
        let crowd = self.crowd(key);
        crowd.members -= 1;
        if crowd.members == 0
            && let Some(crowd) = self.crowds.remove(key)
        {
            self.by_class
                .remove(&(crowd.hunt, crowd.shared.class.clone()));
        }
    }

    /// A crowd that somebody is in.
    pub(super) fn crowd(&mut self, key: CrowdKey) -> &mut Crowd {
        self.crowds
            .get_mut(key)
            .expect("a crowd lasts while somebody is in it")
    }

    /// The next follower of a crowd to look at; `None` if there is none, or no such crowd any
    /// more.
    pub(super) fn next_to_look_at(&mut self, key: CrowdKey) -> Option<u32> {
        self.crowds.get_mut(key)?.next_to_look_at()
    }

    /// Takes in a new view; says which crowds are to be looked at from now on.
    pub(super) fn renew<'a>(&'a mut self, view: &'a View) -> impl Iterator<Item = CrowdKey> + 'a {
        let crowds = &mut self.crowds;
        self.by_class
            .values()
            .copied()
            .filter(move |&key| crowds.get_mut(key).is_some_and(|crowd| crowd.renew(view)))
    }
}

impl Crowd {
    const fn new(hunt: HuntIndex, shared: Arc<SharedClass>) -> Self {
        Self {
            hunt,
            shared,
            feed: None,
            members: 1,
            followers: Vec::new(),
            rest: 0,
            again: false,
            ways: Vec::new(),
            beginning: None,
        }
    }

    /// Whether its followers are to be looked at, and were not already.
    fn renew(&mut self, view: &View) -> bool {
        let feed = view.feeds.get(&self.shared.hunt);
        let is_same = match (&self.feed, feed) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return false;
        }
        self.feed = feed.cloned();
        self.ways.clear();
        self.beginning = None;
        if self.rest > 0 {
            self.again = true;
            return false;
        }
        self.rest = self.followers.len();
        self.rest > 0
    }

    /// The next follower to look at since the last change.
    ///
    /// From the last to the first: whoever leaves is replaced by the last, which has been
    /// looked at before, so nobody is missed. Whoever comes on the way has begun with the
    /// newest version.
    fn next_to_look_at(&mut self) -> Option<u32> {
        if self.rest == 0 && std::mem::take(&mut self.again) {
            self.rest = self.followers.len();
        }
        self.rest = self.rest.checked_sub(1)?;
        Some(self.followers[self.rest])
    }

    /// Adds a follower; says where it stands among them.
    pub(super) fn add(&mut self, place: u32) -> u32 {
        let at = u32::try_from(self.followers.len()).expect("places are u32");
        self.followers.push(place);
        at
    }

    /// Removes the follower that stands at `at`; says whose standing is that now.
    pub(super) fn remove(&mut self, at: u32) -> Option<u32> {
        self.followers.swap_remove(at as usize);
        self.rest = self.rest.min(self.followers.len());
        self.followers.get(at as usize).copied()
    }

    pub(super) fn class(&self) -> &Class {
        &self.shared.class
    }

    /// Where whoever has missed nothing stands.
    pub(super) fn end(&self) -> Option<Cursor> {
        self.feed.as_ref().map(|feed| feed.end())
    }

    /// What whoever stands at `cursor` has missed, or some of it; `None` if that is nothing,
    /// or is being made.
    pub(super) fn way(&mut self, cursor: Cursor, making: &Making) -> Option<&Way> {
        let known = self.ways.iter().position(|(from, _)| *from == cursor);
        let index = match known {
            Some(index) => index,
            None => {
                let way = self.shared.way(self.feed.as_ref()?, cursor, making)?;
                self.ways.truncate(WAYS_MAX - 1);
                self.ways.push((cursor, way));
                self.ways.len() - 1
            }
        };
        Some(&self.ways[index].1)
    }

    /// How a socket begins that has seen `resume`; `None` while that is being made, or the
    /// hunt has no feed.
    pub(super) fn beginning(
        &mut self,
        resume: Option<&Position>,
        making: &Making,
    ) -> Option<Beginning> {
        if resume.is_none() && self.beginning.is_some() {
            return self.beginning.clone();
        }
        let beginning = self.shared.beginning(self.feed.as_ref()?, resume, making)?;
        if resume.is_none() {
            self.beginning = Some(beginning.clone());
        }
        Some(beginning)
    }

    /// How a socket begins with a snapshot of at least what it has seen.
    pub(super) fn anew_after(&mut self, seen: &Position, making: &Making) -> Option<Beginning> {
        self.shared.anew_after(self.feed.as_ref()?, seen, making)
    }

    /// How a socket goes on that has been sent the same claims up to `cursor` in another
    /// crowd; begins anew if it has missed too much.
    pub(super) fn go_on(&mut self, cursor: Cursor, making: &Making) -> Option<Beginning> {
        let feed = self.feed.as_deref()?;
        let beginning = self.shared.go_on(feed, cursor);
        beginning.or_else(|| self.beginning(None, making))
    }
}
