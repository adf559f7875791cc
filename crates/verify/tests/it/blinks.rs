//! No version that boards publish blinks (I6), whatever happens to them: the blink checker looks
//! at every board and window of each. Of publishers that break the promise it does see blinks.

use std::collections::BTreeMap;

use huntcore_board::{BoardLimits, BoardView, Boards, BoardsVersion, Refresh, Refresher};
use huntcore_model::{BoardName, BoardOperator, BoardOrder, BoardSource, HuntNumber, RefreshMode};
use huntcore_verify::{Blink, BoardPage, BoardPromise, BoardWatch, PageEntry, PageWindow};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::made_up::{HUNT, any_choices, any_made_up};

/// A reader of all boards: of the newest window of each, and of all of them.
#[derive(Default)]
struct Readers {
    /// By board, of one definition or of all, and whether of the newest window alone.
    watches: BTreeMap<(BoardName, Option<u64>, bool), BoardWatch>,
    limits: Vec<usize>,
    turn: usize,
    blinks: Vec<(BoardName, Blink)>,
}

impl Readers {
    fn new(limits: Vec<usize>) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    fn look(&mut self, version: &BoardsVersion) {
        for defined in version.boards(HUNT) {
            let name = defined.definition.name;
            if let Some(view) = version.board(HUNT, name) {
                self.see(&view, true);
            }
            for view in version.windows(HUNT, name) {
                self.see(&view, false);
            }
        }
    }

    fn see(&mut self, view: &BoardView<'_>, newest: bool) {
        let limit = self.limits[self.turn % self.limits.len()];
        self.turn += 1;
        let (definition, generation) = (view.definition(), view.generation().get());
        let (from, operator) = (definition.from, definition.operator);
        let promise = BoardPromise {
            newest,
            generation: Some(generation),
            ..BoardPromise::of(from, operator, definition.order)
        };
        for generation in [None, Some(generation)] {
            let watch = self.watches.entry((view.name(), generation, newest));
            let watch = watch.or_insert_with(|| BoardWatch::new(promise));
            let before = watch.report().blinks.len();
            watch.see(page(view, limit));
            let seen = watch.report().blinks[before..].iter().cloned();
            self.blinks.extend(seen.map(|blink| (view.name(), blink)));
        }
    }
}

fn page(view: &BoardView<'_>, limit: usize) -> BoardPage {
    let window = view.window();
    let entries = view.top(limit).into_iter().map(|entry| PageEntry {
        player: entry.player.clone(),
        score: entry.score,
    });
    BoardPage {
        window: window.start.map(|start| PageWindow {
            start,
            is_final: window.is_final,
        }),
        position: view.position().clone(),
        generation: view.generation().get(),
        corrected: view.corrected().clone(),
        players: view.len() as u64,
        limit: Some(limit as u64),
        entries: entries.collect(),
    }
}

/// Refreshes each board as it is told, in turn.
struct Told {
    modes: Vec<Option<RefreshMode>>,
    shadow: bool,
    next: usize,
}

impl Refresher for Told {
    fn refresh(&mut self, _: HuntNumber, _: BoardName) -> Refresh {
        self.next += 1;
        Refresh {
            mode: self.modes[self.next % self.modes.len()],
            shadow: self.shadow,
        }
    }

    fn refreshed(&mut self, _: HuntNumber, _: BoardName, _: RefreshMode) {}

    fn compared(&mut self, _: HuntNumber, _: BoardName, _: u64) {}
}

fn any_modes() -> impl Strategy<Value = Vec<Option<RefreshMode>>> {
    let mode = prop::sample::select(vec![
        Some(RefreshMode::Incremental),
        Some(RefreshMode::Rebuild),
        Some(RefreshMode::Frozen),
        None,
    ]);
    prop::collection::vec(mode, 1..9)
}

fn any_limits() -> impl Strategy<Value = BoardLimits> {
    let narrow =
        (0_usize..4, 0_usize..12).prop_map(|(windows_max, window_entries_max)| BoardLimits {
            windows_max,
            window_entries_max,
            ..BoardLimits::default()
        });
    prop_oneof![Just(BoardLimits::default()), narrow]
}

fn written(boards: &Boards) -> Vec<u8> {
    let mut bytes = Vec::new();
    boards.checkpoint(&mut bytes).expect("memory");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_version_of_any_history_blinks(
        made_up in any_made_up(),
        choices in any_choices(),
        limits in any_limits(),
        pages in prop::collection::vec(1_usize..9, 1..4),
        modes in any_modes(),
        shadow: bool,
    ) {
        let mut boards = Boards::new(made_up.shards, limits);
        let mut told = Told { modes, shadow, next: 0 };
        let mut readers = Readers::new(pages);
        let batches = made_up.interleaved(&choices);
        let mut checkpoint = (written(&boards), 0);
        for (step, &batch) in batches.iter().enumerate() {
            boards.apply(batch).expect("in order");
            match choices[step % choices.len()] {
                // A restart: frozen boards go on as they are counted, caught up.
                0 => {
                    let (bytes, upto) = &checkpoint;
                    boards = Boards::restore(made_up.shards, limits, &mut &bytes[..]).expect("own");
                    for batch in &batches[*upto..=step] {
                        boards.apply(batch).expect("in order");
                    }
                    readers.look(&boards.publish_by(&mut told));
                }
                1 => checkpoint = (written(&boards), step + 1),
                2..9 => readers.look(&boards.publish_by(&mut told)),
                _ => {}
            }
        }
        readers.look(&boards.publish_by(&mut told));
        prop_assert_eq!(readers.blinks, []);
    }

    #[test]
    fn a_publisher_that_shows_a_restart_before_it_has_caught_up_blinks(
        made_up in any_made_up(),
        choices in any_choices(),
        cut in any::<Index>(),
    ) {
        let batches = made_up.interleaved(&choices);
        prop_assume!(!batches.is_empty());
        let cut = cut.index(batches.len());
        let mut boards = Boards::new(made_up.shards, BoardLimits::default());
        let mut readers = Readers::new(vec![5]);
        let mut checkpoint = written(&boards);
        for (step, batch) in batches.iter().enumerate() {
            if step == cut {
                checkpoint = written(&boards);
            }
            boards.apply(batch).expect("in order");
        }
        let whole = boards.publish();
        prop_assume!(whole.board(HUNT, BoardName::TOTAL).is_some());
        readers.look(&whole);
        let limits = BoardLimits::default();
        let restored = Boards::restore(made_up.shards, limits, &mut &checkpoint[..]);
        let stale = restored.expect("own").publish();
        readers.look(&stale);
        let back = |blink: &Blink| matches!(blink, Blink::PositionWentBack { .. });
        prop_assert!(readers.blinks.iter().any(|(_, blink)| back(blink)), "{:?}", readers.blinks);
    }

    #[test]
    fn a_publisher_that_shows_half_of_a_rebuild_blinks_though_it_says_all_is_counted_in(
        made_up in any_made_up(),
        choices in any_choices(),
        cut in any::<Index>(),
        limit in 1_usize..9,
    ) {
        let batches = made_up.interleaved(&choices);
        let cut = cut.index(batches.len() + 1);
        let folded = |batches: &[_]| {
            let mut boards = Boards::new(made_up.shards, BoardLimits::default());
            for &batch in batches {
                boards.apply(batch).expect("in order");
            }
            boards.publish()
        };
        let (whole, half) = (folded(&batches), folded(&batches[..cut]));
        for name in [BoardName::TOTAL, BoardName::BEST] {
            let (Some(whole), Some(half)) = (whole.board(HUNT, name), half.board(HUNT, name)) else {
                continue;
            };
            let (whole, mut half) = (page(&whole, limit), page(&half, limit));
            // It takes the position of the whole for its own.
            half.position = whole.position.clone();
            half.corrected = whole.corrected.clone();
            let is_another = half != whole;
            let promise = BoardPromise::of(
                BoardSource::Claims,
                BoardOperator::Max,
                BoardOrder::Descending,
            );
            let mut watch = BoardWatch::new(promise);
            watch.see(whole);
            prop_assert_eq!(watch.see(half) > 0, is_another);
        }
    }
}
