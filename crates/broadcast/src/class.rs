//! Classes of clients: whoever is sent the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use huntcore_model::{RoundNumber, TileIndex};
use huntcore_wire::{CellText, Interest, LiveForm};

/// What some clients of a hunt have in common: the form of their messages and what they want
/// to hear. Whatever is made for one of them serves them all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    form: LiveForm,
    interest: Interest,
    /// Of an interest in cells: what they cover, in order and apart.
    spans: Arc<[Span]>,
}

/// Where the tiles of a hunt's rounds are. Known by whoever has the hunt's cells: it is drawn
/// from each round's layout, and never read from any state (I7).
#[derive(Clone, Debug)]
pub struct Layouts {
    rounds: BTreeMap<RoundNumber, RoundLayout>,
    /// Rounds before it were forgotten.
    oldest: RoundNumber,
}

/// The H3 index of each of a round's tiles, by tile.
pub type RoundLayout = Arc<[u64]>;

/// All finest cells within a cell, by their places among all finest cells on Earth. Of two
/// cells' spans one holds the other, or they are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Span {
    first: u64,
    last: u64,
}

/// A class, and where the tiles are that it looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) class: &'a Class,
    pub(crate) layouts: &'a Layouts,
}

/// Claims of a round whose layout is not known cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoLayout;

impl Class {
    /// Clients that speak `form` and have this interest.
    #[must_use]
    pub fn new(form: LiveForm, interest: Interest) -> Self {
        let mut spans: Vec<Span> = match &interest {
            Interest::Cells(cells) => {
                let cells = cells.as_slice().iter();
                cells.map(|cell| Span::of(cell.get())).collect()
            }
            Interest::Everything | Interest::Boards(_) => Vec::new(),
        };
        spans.sort_unstable();
        Self {
            form,
            interest,
            spans: spans.into(),
        }
    }

    /// Clients that want to hear all of it.
    #[must_use]
    pub fn everything(form: LiveForm) -> Self {
        Self::new(form, Interest::Everything)
    }

    /// The form of their messages.
    #[must_use]
    pub const fn form(&self) -> LiveForm {
        self.form
    }

    /// What they want to hear.
    #[must_use]
    pub const fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Whether rounds' layouts are needed to tell which claims they hear of.
    #[must_use]
    pub const fn needs_layouts(&self) -> bool {
        matches!(self.interest, Interest::Cells(_))
    }

    /// Whether the cell is in their sight, or part of it is.
    fn sees(&self, cell: u64) -> bool {
        let span = Span::of(cell);
        let next = self.spans.partition_point(|seen| seen.last < span.first);
        self.spans
            .get(next)
            .is_some_and(|seen| seen.first <= span.last)
    }
}

impl Default for Layouts {
    fn default() -> Self {
        Self {
            rounds: BTreeMap::new(),
            oldest: RoundNumber::FIRST,
        }
    }
}

impl Layouts {
    /// Takes in where a round's tiles are, each by its H3 index.
    pub fn insert(&mut self, round: RoundNumber, tiles: RoundLayout) {
        self.rounds.insert(round, tiles);
    }

    /// Whether a round's tiles are known.
    #[must_use]
    pub fn contains(&self, round: RoundNumber) -> bool {
        self.rounds.contains_key(&round)
    }

    /// Forgets rounds before this one, which no feed shows any more; their claims are in
    /// nobody's sight then.
    pub fn forget_before(&mut self, oldest: RoundNumber) {
        if oldest > self.oldest {
            self.rounds = self.rounds.split_off(&oldest);
            self.oldest = oldest;
        }
    }

    fn cell(&self, round: RoundNumber, tile: TileIndex) -> Result<Option<u64>, NoLayout> {
        match self.rounds.get(&round) {
            Some(tiles) => Ok(tiles.get(tile.get() as usize).copied()),
            None if round < self.oldest => Ok(None),
            None => Err(NoLayout),
        }
    }
}

impl Sight<'_> {
    /// Whether a tile's claim is told.
    pub(crate) fn sees(&self, round: RoundNumber, tile: TileIndex) -> Result<bool, NoLayout> {
        match self.class.interest {
            Interest::Everything => Ok(true),
            Interest::Boards(_) => Ok(false),
            // No arbiter takes a tile that the map has not.
            Interest::Cells(_) => Ok(self
                .layouts
                .cell(round, tile)?
                .is_some_and(|cell| self.class.sees(cell))),
        }
    }

    pub(crate) const fn form(&self) -> LiveForm {
        self.class.form
    }

    pub(crate) const fn interest(&self) -> &Interest {
        &self.class.interest
    }
}

impl Span {
    // The bits of an H3 cell below its resolution: the base cell and 15 digits of 3, of which
    // those finer than the cell are all ones.
    const PLACE: u64 = (1 << 52) - 1;
    const DIGIT_BITS: u32 = 3;
    const RESOLUTION_MAX: u8 = 15;

    fn of(index: u64) -> Self {
        let finer = Self::RESOLUTION_MAX - CellText::new(index).resolution();
        let below = (1 << (Self::DIGIT_BITS * u32::from(finer))) - 1;
        let place = index & Self::PLACE;
        Self {
            first: place & !below,
            last: place | below,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A cell of resolution 7 with one of its children's children, and what is beside them.
    const PARENT: u64 = 0x0871_fb46_74ff_ffff;
    const GRANDCHILD: u64 = 0x0891_fb46_7403_ffff;
    const BESIDE: u64 = 0x0871_fb46_75ff_ffff;

    fn class(cells: &[u64]) -> Class {
        let cells = cells.iter().map(|&cell| CellText::new(cell));
        let interest = Interest::cells(cells).expect("not too many");
        Class::new(LiveForm::Json, interest)
    }

    #[test]
    fn a_cell_is_seen_by_itself_and_by_what_holds_it_or_lies_in_it() {
        assert!(class(&[PARENT]).sees(PARENT));
        assert!(class(&[PARENT]).sees(GRANDCHILD));
        // Tiles may become larger than the cells that somebody once asked for.
        assert!(class(&[GRANDCHILD]).sees(PARENT));
        assert!(!class(&[PARENT]).sees(BESIDE));
        assert!(!class(&[BESIDE]).sees(GRANDCHILD));
        assert!(class(&[BESIDE, GRANDCHILD]).sees(GRANDCHILD));
    }

    #[test]
    fn claims_are_told_apart_by_their_cells_once_the_layout_is_known() {
        let (round, class) = (RoundNumber::new(1), class(&[PARENT]));
        let mut layouts = Layouts::default();
        let sees = |layouts: &Layouts, tile| {
            let sight = Sight {
                class: &class,
                layouts,
            };
            sight.sees(round, TileIndex::new(tile))
        };
        assert_eq!(sees(&layouts, 0), Err(NoLayout));
        layouts.insert(round, [BESIDE, GRANDCHILD].into());
        assert_eq!(sees(&layouts, 0), Ok(false));
        assert_eq!(sees(&layouts, 1), Ok(true));
        assert_eq!(sees(&layouts, 2), Ok(false), "there is no such tile");
        layouts.forget_before(round.next());
        assert_eq!(sees(&layouts, 1), Ok(false), "nobody is shown that round");
    }
}
