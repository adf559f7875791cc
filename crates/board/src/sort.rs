//! Sorting many items by buckets: a pass or two over them instead of one for each halving.
//!
//! Items are dealt to buckets by where they lie between the least and the greatest, so that
//! evenly spread ones need no comparison but with a few neighbours. Crowded buckets are dealt
//! again, and what is crowded still is sorted as ever: no input costs more than a few passes
//! beyond that.

/// So few items are not worth dealing.
const FEW: usize = 64;
/// How often the same item is dealt.
const DEALS_MAX: u32 = 3;
/// How many items a bucket is made for.
const ITEMS_A_BUCKET: usize = 4;

/// Sorts `items`. `measure` never falls from an item to a greater one.
pub(crate) fn sort<T: Copy + Ord>(items: &mut [T], measure: impl Fn(&T) -> u64 + Copy) {
    sort_within(items, measure, DEALS_MAX);
}

fn sort_within<T: Copy + Ord>(items: &mut [T], measure: impl Fn(&T) -> u64 + Copy, deals: u32) {
    if items.len() <= FEW || deals == 0 {
        return items.sort_unstable();
    }
    let measures = items.iter().map(measure);
    let (least, greatest) = measures.fold((u64::MAX, 0), |(least, greatest), at| {
        (least.min(at), greatest.max(at))
    });
    let span_bits = u64::BITS - (greatest - least).leading_zeros();
    let shift = span_bits.saturating_sub((items.len() / ITEMS_A_BUCKET).ilog2());
    let bucket_at = |above: u64| usize::try_from(above >> shift).expect("fewer than items");
    let bucket = |item: &T| bucket_at(measure(item) - least);
    let mut ends = vec![0_usize; bucket_at(greatest - least) + 1];
    for item in &*items {
        ends[bucket(item)] += 1;
    }
    let mut end = 0;
    for start in &mut ends {
        end += std::mem::replace(start, end);
    }
    let dealt = items.to_vec();
    for item in dealt {
        let place = &mut ends[bucket(&item)];
        items[*place] = item;
        *place += 1;
    }
    let mut start = 0;
    for end in ends {
        if end - start > 1 {
            sort_within(&mut items[start..end], measure, deals - 1);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn items_are_sorted_however_they_are_spread(items in proptest::collection::vec((prop_oneof![any::<u64>(), 0_u64..9, (0_u32..64).prop_map(|bits| 1 << bits), Just(u64::MAX)], any::<u8>()), 0..2_000)) {
            let mut expected = items.clone();
            expected.sort_unstable();
            let mut found = items;
            sort(&mut found, |item| item.0);
            prop_assert_eq!(found, expected);
        }
    }
}
