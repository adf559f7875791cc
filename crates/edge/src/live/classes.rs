//! The classes of clients that this process's sockets are in: whoever speaks the same form and
//! wants to hear the same of one hunt. What was made for one of a class is sent to all of it,
//! by whichever reactor.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use arc_swap::ArcSwap;
use bytes::Bytes;
use huntcore_broadcast::{Class, ClassFeed, Cursor, FeedVersion, Layouts, Next, Start};
use huntcore_model::{HuntNumber, Position};
use huntcore_wire::{LiveForm, PositionText};
use tokio::sync::Notify;

use super::frames::{Kind, push_header};
use super::making::{Job, Making};

/// Texts longer than this are sent from where they are; shorter ones are copied behind their
/// header, so that the kernel gets one piece.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// Ways to a feed's end that are kept. Nearly all sockets of a class stand at the same place.
const WAYS_MAX: usize = 16;
/// Claims looked at without leaving a reactor's thread: some hundred microseconds.
const CLAIMS_AT_ONCE_MAX: usize = 2_048;
/// A snapshot that took long to make is made anew after so many frames more, which follow it.
const BEHIND_FRAMES_MAX: usize = 16;

/// What was made longer ago is let go of when the next is made: it may be large, and nobody
/// will ask for it.
const KEPT_TICKS: u64 = 64;

/// Frames as the kernel gets them.
pub(super) type Framed = Arc<[Bytes]>;

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

/// All classes, by hunt.
pub(super) struct Classes {
    hunts: Mutex<HashMap<HuntNumber, OfHunt>>,
    interests_max: usize,
    /// A class has come that needs layouts.
    pub(super) wanted: Notify,
}

#[derive(Default)]
struct OfHunt {
    classes: HashMap<Class, Weak<SharedClass>>,
    layouts: Arc<ArcSwap<Layouts>>,
}

/// As many interests of their own as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyInterests;

/// One class. It ends with the last reactor that has it.
pub(super) struct SharedClass {
    pub(super) hunt: HuntNumber,
    pub(super) class: Class,
    layouts: Arc<ArcSwap<Layouts>>,
    merge_over: usize,
    made: Mutex<Made>,
    classes: Weak<Classes>,
}

/// What was made for a class. Reactors that want the same at the same time wait for the first
/// of them, which takes no longer than making it once more.
#[derive(Default)]
struct Made {
    ways: VecDeque<MadeWay>,
    beginning: Option<MadeBeginning>,
    making: Vec<Wish>,
}

struct MadeWay {
    tick: u64,
    from: Cursor,
    way: Way,
}

struct MadeBeginning {
    position: Position,
    beginning: Beginning,
}

/// What takes long to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Way(Cursor),
    Beginning,
}

impl Classes {
    pub(super) fn new(interests_max: usize) -> Arc<Self> {
        Arc::new(Self {
            hunts: Mutex::new(HashMap::new()),
            interests_max,
            wanted: Notify::new(),
        })
    }

    /// The class, made if it is new. Whoever wants to hear everything always can.
    pub(super) fn class(
        self: &Arc<Self>,
        hunt: HuntNumber,
        class: &Class,
        merge_over: usize,
    ) -> Result<Arc<SharedClass>, TooManyInterests> {
        let mut hunts = self.lock();
        let of_hunt = hunts.entry(hunt).or_default();
        if let Some(known) = of_hunt.classes.get(class).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let narrow = |class: &Class| !class.interest().is_everything();
        let others = of_hunt.classes.keys().filter(|class| narrow(class));
        if narrow(class) && others.count() >= self.interests_max {
            return Err(TooManyInterests);
        }
        let new = Arc::new(SharedClass {
            hunt,
            class: class.clone(),
            layouts: Arc::clone(&of_hunt.layouts),
            merge_over,
            made: Mutex::default(),
            classes: Arc::downgrade(self),
        });
        let weak = Arc::downgrade(&new);
        of_hunt.classes.insert(class.clone(), weak);
        if class.needs_layouts() {
            self.wanted.notify_one();
        }
        Ok(new)
    }

    /// The hunts of which some class needs to know where tiles are.
    pub(super) fn needing_layouts(&self) -> Vec<(HuntNumber, Arc<ArcSwap<Layouts>>)> {
        let hunts = self.lock();
        let needing = hunts
            .iter()
            .filter(|(_, of_hunt)| of_hunt.classes.keys().any(Class::needs_layouts));
        needing
            .map(|(&hunt, of_hunt)| (hunt, Arc::clone(&of_hunt.layouts)))
            .collect()
    }

    fn leave(&self, hunt: HuntNumber, class: &Class) {
        let mut hunts = self.lock();
        let Some(of_hunt) = hunts.get_mut(&hunt) else {
            return;
        };
        // Somebody may have made it anew just now.
        let is_gone = |known: &Weak<_>| known.strong_count() == 0;
        if of_hunt.classes.get(class).is_some_and(is_gone) {
            of_hunt.classes.remove(class);
        }
        if of_hunt.classes.is_empty() {
            hunts.remove(&hunt);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HuntNumber, OfHunt>> {
        self.hunts.lock().expect("nobody panics inside")
    }
}

impl Drop for SharedClass {
    fn drop(&mut self) {
        if let Some(classes) = self.classes.upgrade() {
            classes.leave(self.hunt, &self.class);
        }
    }
}

impl SharedClass {
    /// What whoever stands at `cursor` has missed. It may end before the feed does: what is
    /// left is the way from there. `None` if nothing was missed, or it is being made: then
    /// [`Making::count`] moves when it is there.
    pub(super) fn way(
        self: &Arc<Self>,
        feed: &Arc<FeedVersion>,
        cursor: Cursor,
        making: &Making,
    ) -> Option<Way> {
        let Some(missed) = feed.frames(&cursor) else {
            return Some(self.snapshot(feed, None, making)?.way);
        };
        if missed.len() == 0 {
            return None;
        }
        let layouts = self.layouts.load();
        let reader = feed.of(&self.class, &layouts);
        let takes_long = reader.next_cost(&cursor, self.merge_over) > CLAIMS_AT_ONCE_MAX;
        let mut made = self.lock();
        let known = made.ways.iter().find(|made| made.from == cursor);
        if let Some(known) = known.filter(|known| takes_long || known.tick == feed.tick()) {
            return Some(known.way.clone());
        }
        if takes_long {
            self.ask(&mut made, Wish::Way(cursor), feed, making);
            return None;
        }
        let way = self.make_way(&reader, cursor)?;
        made.keep_way(feed.tick(), cursor, way.clone());
        Some(way)
    }

    /// How a socket begins that has seen `resume`; `None` while it is being made.
    pub(super) fn beginning(
        self: &Arc<Self>,
        feed: &Arc<FeedVersion>,
        resume: Option<&Position>,
        making: &Making,
    ) -> Option<Beginning> {
        let layouts = self.layouts.load();
        let reader = feed.of(&self.class, &layouts);
        if resume.is_some_and(|seen| reader.resumes(seen)) {
            return Some(self.begin(feed, reader.start(resume)?));
        }
        self.snapshot(feed, resume, making)
    }

    /// How a socket begins with a snapshot of at least what it has seen of other claims.
    pub(super) fn anew_after(
        self: &Arc<Self>,
        feed: &Arc<FeedVersion>,
        seen: &Position,
        making: &Making,
    ) -> Option<Beginning> {
        self.snapshot(feed, Some(seen), making)
    }

    /// How a socket goes on that has been sent the same claims up to `cursor` in another
    /// class.
    pub(super) fn go_on(&self, feed: &FeedVersion, cursor: Cursor) -> Option<Beginning> {
        let layouts = self.layouts.load();
        let start = feed.of(&self.class, &layouts).go_on(cursor)?;
        Some(self.begin(feed, start))
    }

    /// Makes what takes too long for a reactor. `false` if it cannot be made yet, for want of
    /// a layout that has still not come: whoever waits is told when it does.
    pub(super) fn make(&self, feed: &FeedVersion, wish: Wish) -> bool {
        let layouts = self.layouts.load();
        let reader = feed.of(&self.class, &layouts);
        match wish {
            Wish::Way(cursor) => {
                let way = self.make_way(&reader, cursor);
                let is_made = way.is_some();
                let mut made = self.lock();
                made.making.retain(|&other| other != wish);
                if let Some(way) = way {
                    made.keep_way(feed.tick(), cursor, way);
                }
                is_made || self.has_other_layouts(&layouts)
            }
            Wish::Beginning => {
                let start = reader.start(None);
                let is_made = start.is_some();
                let beginning = start.map(|start| self.begin(feed, start));
                let mut made = self.lock();
                made.making.retain(|&other| other != wish);
                if let Some(beginning) = beginning {
                    made.keep_beginning(feed, beginning);
                }
                is_made || self.has_other_layouts(&layouts)
            }
        }
    }

    /// How a socket begins with a snapshot of at least what it has seen.
    fn snapshot(
        self: &Arc<Self>,
        feed: &Arc<FeedVersion>,
        seen: Option<&Position>,
        making: &Making,
    ) -> Option<Beginning> {
        let layouts = self.layouts.load();
        let reader = feed.of(&self.class, &layouts);
        let takes_long = reader.start_cost() > CLAIMS_AT_ONCE_MAX;
        let mut made = self.lock();
        if let Some(known) = &made.beginning {
            let is_newest = known.beginning.tick == feed.tick();
            let since = feed.frames(&known.beginning.way.cursor);
            let behind = since.map(|frames| frames.len());
            let serves = behind.is_some() && seen.is_none_or(|seen| known.position.covers(seen));
            if is_newest || (takes_long && serves) {
                let beginning = known.beginning.clone();
                // It serves while the frames since are there: were it thrown away sooner, one
                // that waits long for its making would be old before anybody had it.
                if behind.is_some_and(|frames| frames > BEHIND_FRAMES_MAX) {
                    self.ask(&mut made, Wish::Beginning, feed, making);
                }
                return Some(beginning);
            }
        }
        if takes_long {
            self.ask(&mut made, Wish::Beginning, feed, making);
            return None;
        }
        let beginning = self.begin(feed, reader.start(None)?);
        made.keep_beginning(feed, beginning.clone());
        Some(beginning)
    }

    /// Whether layouts came while something was being made with those: who waits was told of
    /// them when asking again was in vain.
    fn has_other_layouts(&self, used: &Arc<Layouts>) -> bool {
        !Arc::ptr_eq(used, &self.layouts.load())
    }

    fn make_way(&self, reader: &ClassFeed<'_>, cursor: Cursor) -> Option<Way> {
        match reader.next(&cursor, self.merge_over) {
            Next::Wait | Next::NoLayout => None,
            Next::Messages { messages, cursor } | Next::Snapshot { messages, cursor } => {
                Some(Way {
                    framed: framed(self.class.form(), &messages),
                    cursor,
                })
            }
        }
    }

    fn begin(&self, feed: &FeedVersion, start: Start) -> Beginning {
        Beginning {
            resumed: start.resumed,
            resume: start.resume,
            tick: feed.tick(),
            way: Way {
                framed: framed(self.class.form(), &start.messages),
                cursor: start.cursor,
            },
        }
    }

    fn ask(
        self: &Arc<Self>,
        made: &mut Made,
        wish: Wish,
        feed: &Arc<FeedVersion>,
        making: &Making,
    ) {
        if made.making.contains(&wish) || made.making.len() >= WAYS_MAX {
            return;
        }
        let is_taken = making.ask(Job {
            class: Arc::clone(self),
            feed: Arc::clone(feed),
            wish,
        });
        if is_taken {
            made.making.push(wish);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().expect("nobody panics inside")
    }
}

impl Made {
    fn keep_way(&mut self, tick: u64, from: Cursor, way: Way) {
        let is_new = |other: u64| other + KEPT_TICKS >= tick;
        self.beginning
            .take_if(|known| !is_new(known.beginning.tick));
        self.ways
            .retain(|other| other.from != from && is_new(other.tick));
        if self.ways.len() == WAYS_MAX {
            self.ways.pop_front();
        }
        self.ways.push_back(MadeWay { tick, from, way });
    }

    fn keep_beginning(&mut self, feed: &FeedVersion, beginning: Beginning) {
        self.beginning = Some(MadeBeginning {
            position: feed.position().clone(),
            beginning,
        });
    }
}

/// The kind of a form's frames.
pub(super) const fn kind(form: LiveForm) -> Kind {
    match form {
        LiveForm::Json => Kind::Text,
        LiveForm::Proto => Kind::Binary,
    }
}

fn framed(form: LiveForm, messages: &[Bytes]) -> Framed {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for message in messages {
        push_header(&mut part, kind(form), message.len());
        if message.len() <= COPIED_BYTES_MAX {
            part.extend_from_slice(message);
        } else {
            parts.push(Bytes::from(std::mem::take(&mut part)));
            parts.push(message.clone());
        }
    }
    if !part.is_empty() {
        parts.push(Bytes::from(part));
    }
    parts.into()
}
