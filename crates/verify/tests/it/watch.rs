//! The blink checker: honest pages pass, whatever happens to the board, and no falsified page
//! does (I6).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use huntcore_model::{BoardOrder, PlayerId, Position, Sequence, ShardId, TimeMicros};
use huntcore_verify::{Blink, BoardPage, BoardPromise, BoardWatch, PageEntry, PageWindow};
use proptest::prelude::*;
use proptest::sample::Index;

const PROMISE: BoardPromise = BoardPromise {
    order: BoardOrder::Descending,
    improves: true,
    newest: true,
    equals_stay: true,
    generation: None,
};

/// Something that a board goes through.
#[derive(Clone, Debug)]
enum Step {
    Score { player: u8, score: i64 },
    Disqualify { player: u8 },
    NextWindow,
    DefineAnew,
    Publish,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..40_u8, -5..60_i64).prop_map(|(player, score)| Step::Score { player, score }),
        1 => (0..40_u8).prop_map(|player| Step::Disqualify { player }),
        1 => Just(Step::NextWindow),
        1 => Just(Step::DefineAnew),
        6 => Just(Step::Publish),
    ]
}

/// A board of each player's highest score, made as plainly as can be.
#[derive(Default)]
struct Naive {
    best: BTreeMap<u8, (i64, u64)>,
    window: u64,
    generation: u64,
    corrections: u64,
    steps: u64,
}

impl Naive {
    fn take(&mut self, step: &Step) {
        self.steps += 1;
        match *step {
            Step::Score { player, score } => {
                let standing = self.best.entry(player).or_insert((score, self.steps));
                if score > standing.0 {
                    *standing = (score, self.steps);
                }
            }
            Step::Disqualify { player } => {
                if self.best.remove(&player).is_some() {
                    self.corrections += 1;
                }
            }
            Step::NextWindow => {
                self.best.clear();
                self.corrections = 0;
                self.window += 1;
            }
            Step::DefineAnew => {
                self.best.clear();
                self.corrections = 0;
                self.generation += 1;
            }
            Step::Publish => {}
        }
    }

    fn page(&self, limit: usize) -> BoardPage {
        let mut all: Vec<(u8, i64, u64)> = self
            .best
            .iter()
            .map(|(&player, &(score, reached))| (player, score, reached))
            .collect();
        all.sort_by_key(|&(_, score, reached)| (Reverse(score), reached));
        let entries = all.iter().take(limit).map(|&(player, score, _)| PageEntry {
            player: id(player),
            score,
        });
        BoardPage {
            window: Some(PageWindow {
                start: TimeMicros::from_millis(self.window * 1_000),
                is_final: false,
            }),
            position: position(self.steps),
            generation: self.generation,
            corrected: position(self.corrections),
            players: all.len() as u64,
            limit: Some(limit as u64),
            entries: entries.collect(),
        }
    }
}

fn id(player: u8) -> PlayerId {
    PlayerId::new(&format!("player {player}")).expect("short")
}

fn position(steps: u64) -> Position {
    Position::after(ShardId::new(0), Sequence::new(steps))
}

fn pages(steps: &[Step], limit: usize) -> Vec<BoardPage> {
    let mut naive = Naive::default();
    let mut pages = vec![naive.page(limit)];
    for step in steps {
        naive.take(step);
        if matches!(step, Step::Publish) {
            pages.push(naive.page(limit));
        }
    }
    pages.push(naive.page(limit));
    pages
}

fn blinks(pages: &[BoardPage]) -> Vec<Blink> {
    let mut watch = BoardWatch::new(PROMISE);
    pages.iter().for_each(|page| {
        watch.see(page.clone());
    });
    watch.finish().blinks
}

/// A page that goes on from the one before it: same window, no correction, somebody on it.
fn successors(pages: &[BoardPage]) -> Vec<usize> {
    (1..pages.len())
        .filter(|&at| {
            let (last, page) = (&pages[at - 1], &pages[at]);
            last.window == page.window
                && last.generation == page.generation
                && last.corrected == page.corrected
                && !last.entries.is_empty()
        })
        .collect()
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 20..200)
}

proptest! {
    #[test]
    fn an_honest_board_never_blinks(steps in any_steps(), limit in 1..50_usize) {
        prop_assert_eq!(blinks(&pages(&steps, limit)), []);
    }

    #[test]
    fn a_board_read_in_pages_of_any_length_never_blinks(
        steps in any_steps(),
        limits in prop::collection::vec(1..50_usize, 1..8),
    ) {
        let mut naive = Naive::default();
        let mut watch = BoardWatch::new(PROMISE);
        for (turn, step) in steps.iter().enumerate() {
            naive.take(step);
            watch.see(naive.page(limits[turn % limits.len()]));
        }
        prop_assert_eq!(watch.finish().blinks, []);
    }

    #[test]
    fn a_player_who_is_left_out_of_one_page_is_missed(
        steps in any_steps(),
        limit in 2..50_usize,
        page in any::<Index>(),
        player in any::<Index>(),
    ) {
        let mut pages = pages(&steps, limit);
        let candidates = successors(&pages);
        prop_assume!(!candidates.is_empty());
        let at = *page.get(&candidates);
        // Whoever is no better than the page's end may have been overtaken; nobody else.
        let end = pages[at].entries.last().map_or(i64::MAX, |entry| entry.score);
        let above = |entry: &&PageEntry| entry.score > end;
        let known: Vec<PlayerId> =
            pages[at - 1].entries.iter().filter(above).map(|entry| entry.player.clone()).collect();
        let missable: Vec<usize> = (0..pages[at].entries.len())
            .filter(|&rank| known.contains(&pages[at].entries[rank].player))
            .collect();
        prop_assume!(!missable.is_empty());
        let gone = pages[at].entries.remove(*player.get(&missable));
        // As many as were asked for, so that nothing else is wrong with it.
        pages[at].limit = Some(pages[at].entries.len() as u64);
        let found = blinks(&pages);
        let name = gone.player.to_string();
        let missed = |blink: &Blink| matches!(blink, Blink::Vanished { player, .. } if *player == name);
        prop_assert!(found.iter().any(missed), "{found:?}");
    }

    #[test]
    fn a_best_score_that_falls_is_noticed(
        steps in any_steps(),
        limit in 1..50_usize,
        page in any::<Index>(),
        player in any::<Index>(),
        by in 1..9_i64,
    ) {
        let mut pages = pages(&steps, limit);
        let candidates = successors(&pages);
        prop_assume!(!candidates.is_empty());
        let at = *page.get(&candidates);
        let before = player.get(&pages[at - 1].entries).clone();
        let entries = &mut pages[at].entries;
        let Some(entry) = entries.iter_mut().find(|entry| entry.player == before.player) else {
            return Err(TestCaseError::reject("overtaken"));
        };
        entry.score = before.score - by;
        entries.sort_by_key(|entry| Reverse(entry.score));
        let found = blinks(&pages);
        let fell = |blink: &Blink| matches!(blink, Blink::ScoreFell { .. });
        prop_assert!(found.iter().any(fell), "{found:?}");
    }

    #[test]
    fn a_position_that_goes_back_is_noticed(steps in any_steps(), page in any::<Index>()) {
        let mut pages = pages(&steps, 10);
        let at = page.index(pages.len() - 1) + 1;
        pages[at].position = position(0);
        prop_assume!(pages[at - 1].position != position(0));
        let found = blinks(&pages);
        let back = |blink: &Blink| matches!(blink, Blink::PositionWentBack { .. });
        prop_assert!(found.iter().any(back), "{found:?}");
    }

    #[test]
    fn an_older_page_shown_again_is_noticed(
        steps in any_steps(),
        pair in (any::<Index>(), any::<Index>()),
    ) {
        let mut pages = pages(&steps, 10);
        let (a, b) = (pair.0.index(pages.len()), pair.1.index(pages.len()));
        let (old, new) = (a.min(b), a.max(b));
        prop_assume!(pages[old].position != pages[new].position);
        let stale = pages[old].clone();
        pages.insert(new + 1, stale);
        prop_assert!(!blinks(&pages).is_empty());
    }

    #[test]
    fn a_board_that_empties_without_a_new_definition_is_noticed(
        steps in any_steps(),
        page in any::<Index>(),
    ) {
        let mut pages = pages(&steps, 10);
        let candidates = successors(&pages);
        prop_assume!(!candidates.is_empty());
        let at = *page.get(&candidates);
        pages[at].entries.clear();
        pages[at].players = 0;
        let found = blinks(&pages);
        let fewer = |blink: &Blink| matches!(blink, Blink::FewerPlayers { .. });
        prop_assert!(found.iter().any(fewer), "{found:?}");
    }

    #[test]
    fn only_a_correction_excuses_who_is_gone(
        steps in any_steps(),
        page in any::<Index>(),
        is_corrected in any::<bool>(),
    ) {
        let mut pages = pages(&steps, 50);
        let candidates = successors(&pages);
        prop_assume!(!candidates.is_empty());
        let at = *page.get(&candidates);
        pages.truncate(at + 1);
        let gone = pages[at - 1].entries[0].player.clone();
        let page = &mut pages[at];
        page.position = position(1_000);
        page.entries.retain(|entry| entry.player != gone);
        page.players -= 1;
        if is_corrected {
            page.corrected = position(1_000);
        }
        prop_assert_eq!(blinks(&pages).is_empty(), is_corrected);
    }
}

fn page(window: Option<(u64, bool)>, steps: u64, entries: &[(u8, i64)]) -> BoardPage {
    BoardPage {
        window: window.map(|(second, is_final)| PageWindow {
            start: TimeMicros::from_millis(second * 1_000),
            is_final,
        }),
        position: position(steps),
        generation: 0,
        corrected: position(0),
        players: entries.len() as u64,
        limit: None,
        entries: entries
            .iter()
            .map(|&(player, score)| PageEntry {
                player: id(player),
                score,
            })
            .collect(),
    }
}

#[test]
fn a_final_window_may_not_change_and_may_not_open_again() {
    let before = page(Some((1, true)), 1, &[(1, 9)]);
    let changed = page(Some((1, true)), 2, &[(1, 10)]);
    assert!(matches!(
        blinks(&[before.clone(), changed])[..],
        [Blink::FinalChanged { .. }]
    ));
    let open = page(Some((1, false)), 2, &[(1, 9)]);
    assert!(matches!(
        blinks(&[before, open])[..],
        [Blink::OpenAgain { .. }]
    ));
}

#[test]
fn the_newest_window_only_moves_forward() {
    let newer = page(Some((2, true)), 1, &[(1, 9)]);
    let older = page(Some((1, true)), 2, &[(2, 9)]);
    assert!(matches!(
        blinks(&[newer.clone(), older.clone()])[..],
        [Blink::WindowWentBack { .. }]
    ));
    let mut watch = BoardWatch::new(BoardPromise {
        newest: false,
        ..PROMISE
    });
    assert_eq!(watch.see(newer) + watch.see(older), 0, "asked for by name");
}

#[test]
fn two_pages_at_one_position_are_alike() {
    let one = page(None, 1, &[(1, 9), (2, 8)]);
    let other = page(None, 1, &[(1, 9), (2, 8), (3, 7)]);
    assert!(matches!(
        blinks(&[one, other])[..],
        [Blink::SamePositionDiffers { .. }]
    ));
}

#[test]
fn where_scores_may_get_worse_only_whole_boards_show_who_is_gone() {
    let promise = BoardPromise {
        improves: false,
        ..PROMISE
    };
    let mut watch = BoardWatch::new(promise);
    watch.see(page(None, 1, &[(1, 9), (2, 8)]));
    assert_eq!(watch.see(page(None, 2, &[(2, 8), (1, 3)])), 0, "it fell");
    let mut part = page(None, 3, &[(2, 8)]);
    part.players = 2;
    assert_eq!(watch.see(part), 0, "the other may be anywhere below");
    let mut fewer = page(None, 4, &[(1, 3)]);
    fewer.players = 2;
    watch.see(fewer.clone());
    fewer.players = 1;
    fewer.position = position(5);
    assert_eq!(watch.see(fewer), 1);
}

#[test]
fn what_is_promised_of_one_definition_is_not_asked_of_the_next() {
    let promise = BoardPromise {
        generation: Some(0),
        ..PROMISE
    };
    let turned = |at, entries: &[(u8, i64)], generation| BoardPage {
        generation,
        ..page(None, at, entries)
    };
    for (generation, blinks) in [(0, 1), (1, 0)] {
        let mut watch = BoardWatch::new(promise);
        watch.see(page(None, 1, &[(1, 9)]));
        let seen = watch.see(turned(2, &[(2, 8), (1, 9)], generation));
        assert_eq!(seen, blinks, "lowest first");
        let before = watch.report().blinks_total;
        watch.see(turned(3, &[(1, 3), (2, 9)], generation));
        assert_eq!(
            watch.report().blinks_total > before,
            generation == 0,
            "worse"
        );
    }
    // Whoever was there still is, whatever the definition.
    let mut watch = BoardWatch::new(promise);
    watch.see(turned(1, &[(1, 9), (2, 8)], 1));
    assert!(watch.see(turned(2, &[(1, 9)], 1)) > 0);
}

#[test]
fn of_equals_only_those_behind_who_are_gone_too_excuse_one_unless_they_change_places() {
    for (equals_stay, blinks) in [(true, 1), (false, 0)] {
        let mut watch = BoardWatch::new(BoardPromise {
            equals_stay,
            ..PROMISE
        });
        watch.see(page(None, 1, &[(1, 9), (2, 9)]));
        let mut one = page(None, 2, &[(2, 9)]);
        (one.players, one.limit) = (2, Some(1));
        assert_eq!(watch.see(one), blinks, "{equals_stay}");
    }
}

#[test]
fn in_ascending_order_the_lowest_score_is_the_best() {
    let mut watch = BoardWatch::new(BoardPromise {
        order: BoardOrder::Ascending,
        ..PROMISE
    });
    watch.see(page(None, 1, &[(1, 30), (2, 40)]));
    assert_eq!(watch.see(page(None, 2, &[(2, 20), (1, 30)])), 0);
    assert_eq!(watch.see(page(None, 3, &[(2, 21), (1, 30)])), 1);
}

#[test]
fn a_board_that_was_shown_and_is_not_there_has_blinked_once() {
    let mut watch = BoardWatch::new(PROMISE);
    assert_eq!(watch.see_none(None), 0, "nothing was shown yet");
    watch.see(page(None, 1, &[(1, 9)]));
    assert_eq!(watch.see_none(Some(1)), 0, "it is another board by now");
    for listed in [None, Some(0)] {
        assert_eq!(watch.see_none(listed), 1);
        assert_eq!(watch.see_none(listed), 0, "it is still gone");
        assert_eq!(watch.see(page(None, 1, &[(1, 9)])), 0, "it is back");
    }
    let report = watch.finish();
    assert_eq!((report.pages, report.blinks_total), (3, 2));
    assert!(matches!(
        report.blinks[..],
        [Blink::Gone { .. }, Blink::Gone { .. }]
    ));
}
