//! What `wire` makes of cells by their bits alone, beside a library that knows the Earth.

use h3o::{CellIndex, Resolution};
use huntcore_wire::{CellText, Interest};
use proptest::prelude::*;

/// Cells, and numbers that are nearly one.
fn index() -> impl Strategy<Value = u64> {
    let cell = (
        0..122_u8,
        0..=15_u8,
        proptest::collection::vec(0..7_u64, 15),
    )
        .prop_map(|(base_cell, resolution, digits)| {
            let head = 1_u64 << 59 | u64::from(resolution) << 52 | u64::from(base_cell) << 45;
            let digits = (1..=15_u8).zip(digits).map(|(at, digit)| {
                let digit = if at <= resolution { digit } else { 7 };
                digit << (3 * (15 - at))
            });
            head | digits.sum::<u64>()
        });
    let flipped = (cell.clone(), 0..64_u32).prop_map(|(cell, bit)| cell ^ 1 << bit);
    prop_oneof![4 => cell, 4 => flipped, 1 => any::<u64>()]
}

fn resolution(number: u8) -> Resolution {
    Resolution::try_from(number).expect("0 to 15")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn a_cell_exists_if_the_library_says_so(index in index()) {
        let known = CellIndex::try_from(index).ok();
        prop_assert_eq!(CellText::new(index).exists(), known.is_some());
        if let Some(cell) = known {
            prop_assert_eq!(CellText::new(index).resolution(), u8::from(cell.resolution()));
        }
    }

    #[test]
    fn a_cell_holds_those_whose_parent_it_is(index in index(), up in 0..=15_u8, other in index()) {
        let cell = CellText::new(index);
        if let Ok(known) = CellIndex::try_from(index) {
            match known.parent(resolution(up)) {
                Some(parent) => {
                    let parent = CellText::new(parent.into());
                    prop_assert!(parent.contains(cell));
                    prop_assert_eq!(cell.contains(parent), cell == parent);
                    let both = Interest::cells([cell, parent]).expect("two");
                    prop_assert_eq!(both, Interest::cells([parent]).expect("one"));
                }
                None => prop_assert!(up > u8::from(known.resolution())),
            }
            if let Ok(known_other) = CellIndex::try_from(other) {
                let is_within = known_other.parent(known.resolution()) == Some(known);
                prop_assert_eq!(cell.contains(CellText::new(other)), is_within);
            }
        } else {
            prop_assert!(!cell.contains(CellText::new(other)) || index == other);
        }
    }
}

#[test]
fn every_base_cell_exists_and_pentagons_lack_their_first_children() {
    for cell in CellIndex::base_cells() {
        let index = u64::from(cell);
        assert!(CellText::new(index).exists(), "{cell}");
        for digit in 0..7_u64 {
            let child = index & !(0xf << 52) & !(7 << 42) | 1 << 52 | digit << 42;
            let known = CellIndex::try_from(child).is_ok();
            assert_eq!(CellText::new(child).exists(), known, "{child:x}");
            assert_eq!(known, !cell.is_pentagon() || digit != 1, "{child:x}");
        }
    }
}
