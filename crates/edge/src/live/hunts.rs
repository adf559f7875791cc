//! The hunts that a reactor's sockets follow: each change is framed once, for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use huntcore_broadcast::{Class, Cursor, FeedVersion, Layouts, Next};
use huntcore_model::{HuntId, HuntNumber};
use huntcore_wire::{LiveForm, PositionText};

use super::frames::{Kind, push_header};
use crate::backend::View;

/// Texts longer than this are sent from where they are; shorter ones are copied behind their
/// header, so that the kernel gets one piece.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// Cursors whose way to the end is kept framed. Nearly all sockets stand at the same one.
const WAYS_MAX: usize = 16;

/// Where a hunt stands among a reactor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HuntIndex(u32);

/// Frames as the kernel gets them.
pub(super) type Framed = Arc<[Bytes]>;

/// See the module.
#[derive(Default)]
pub(super) struct Hunts {
    indices: HashMap<HuntNumber, HuntIndex>,
    hunts: Vec<Hunt>,
}

/// A hunt and who follows it.
pub(super) struct Hunt {
    pub(super) number: HuntNumber,
    pub(super) id: HuntId,
    feed: Option<Arc<FeedVersion>>,
    /// The places of all sockets that have begun with its feed.
    followers: Vec<u32>,
    /// How many of them, from the first on, have not been looked at since the last change.
    rest: usize,
    /// It has changed again on the way: begin anew after this.
    again: bool,
    ways: Vec<(Cursor, Way)>,
    beginning: Option<Beginning>,
}

/// What a socket is to be sent, and where it stands then.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) framed: Framed,
    pub(super) cursor: Cursor,
}

/// How a socket begins.
#[derive(Clone)]
pub(super) struct Beginning {
    pub(super) resumed: bool,
    pub(super) resume: PositionText,
    pub(super) tick: u64,
    pub(super) way: Way,
}

impl Hunts {
    /// The hunt's place; made if it is new. They are as many as hunts were ever watched here.
    pub(super) fn index(&mut self, number: HuntNumber, id: &HuntId, view: &View) -> HuntIndex {
        *self.indices.entry(number).or_insert_with(|| {
            let index = u32::try_from(self.hunts.len()).expect("hunts are numbered by u32");
            let mut hunt = Hunt::new(number, id.clone());
            hunt.renew(view);
            self.hunts.push(hunt);
            HuntIndex(index)
        })
    }

    pub(super) fn get(&mut self, index: HuntIndex) -> &mut Hunt {
        &mut self.hunts[index.0 as usize]
    }

    /// Takes in a new view; says which hunts' followers are to be looked at from now on.
    pub(super) fn renew<'a>(&'a mut self, view: &'a View) -> impl Iterator<Item = HuntIndex> + 'a {
        self.hunts
            .iter_mut()
            .enumerate()
            .filter_map(|(index, hunt)| {
                let starts = hunt.renew(view);
                starts.then(|| HuntIndex(u32::try_from(index).expect("made from u32")))
            })
    }
}

impl Hunt {
    const fn new(number: HuntNumber, id: HuntId) -> Self {
        Self {
            number,
            id,
            feed: None,
            followers: Vec::new(),
            rest: 0,
            again: false,
            ways: Vec::new(),
            beginning: None,
        }
    }

    /// Whether its followers are to be looked at, and were not already.
    fn renew(&mut self, view: &View) -> bool {
        let feed = view.feeds.get(&self.number);
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
    pub(super) fn next_to_look_at(&mut self) -> Option<u32> {
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

    pub(super) fn feed(&self) -> Option<&Arc<FeedVersion>> {
        self.feed.as_ref()
    }

    /// What whoever stands at `cursor` has missed; `None` if it is nothing.
    pub(super) fn way(&mut self, cursor: &Cursor, merge_over: usize) -> Option<Way> {
        if let Some((_, way)) = self.ways.iter().find(|(from, _)| from == cursor) {
            return Some(way.clone());
        }
        let (class, layouts) = (Class::everything(LiveForm::Json), Layouts::default());
        let feed = self.feed.as_ref()?.of(&class, &layouts);
        let (messages, end) = match feed.next(cursor, merge_over) {
            Next::Wait | Next::NoLayout => return None,
            Next::Messages { messages, cursor } | Next::Snapshot { messages, cursor } => {
                (messages, cursor)
            }
        };
        let way = Way {
            framed: framed(&messages),
            cursor: end,
        };
        if self.ways.len() < WAYS_MAX {
            self.ways.push((*cursor, way.clone()));
        }
        Some(way)
    }

    /// How a socket begins that has seen nothing; `None` while the hunt has no feed.
    pub(super) fn beginning(&mut self) -> Option<Beginning> {
        if self.beginning.is_none() {
            self.beginning = Some(begin(self.feed.as_deref()?, None));
        }
        self.beginning.clone()
    }
}

/// How a socket begins that has seen `resume`.
pub(super) fn begin(feed: &FeedVersion, resume: Option<&huntcore_model::Position>) -> Beginning {
    let (class, layouts) = (Class::everything(LiveForm::Json), Layouts::default());
    let start = feed.of(&class, &layouts).start(resume);
    let start = start.expect("no layout is needed");
    Beginning {
        resumed: start.resumed,
        resume: start.resume,
        tick: feed.tick(),
        way: Way {
            framed: framed(&start.messages),
            cursor: start.cursor,
        },
    }
}

fn framed(messages: &[Bytes]) -> Framed {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for text in messages {
        push_header(&mut part, Kind::Text, text.len());
        if text.len() <= COPIED_BYTES_MAX {
            part.extend_from_slice(text);
        } else {
            parts.push(Bytes::from(std::mem::take(&mut part)));
            parts.push(text.clone());
        }
    }
    if !part.is_empty() {
        parts.push(Bytes::from(part));
    }
    parts.into()
}
