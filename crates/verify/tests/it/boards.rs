//! Boards that cannot follow.

use huntcore_model::{Record, Sequence};

use crate::deployment::Deployment;

#[test]
fn boards_that_cannot_follow_say_so_once() {
    let mut log = Deployment::history(1);
    log.streams[0].remove(9);
    log.streams[0].remove(19);
    let faults = log.verify(None, huntcore_verify::End::OfLog).faults;
    let refused = faults
        .iter()
        .filter(|fault| matches!(fault, huntcore_verify::Fault::BoardsRefuse { .. }));
    assert_eq!(refused.count(), 1);
}

#[test]
fn claims_worth_nothing_and_equal_scores_are_ranked_alike() {
    // All points become 0, all scores equal: only who came first tells the ranks.
    let log = Deployment::history(3).rewrite(|_, (time, mut records)| {
        for record in &mut records {
            if let Record::Claim(claim) = record {
                claim.points = claim.points / 25 * 25;
            }
        }
        Some((time, records))
    });
    let faults = log.faults();
    assert!(!faults.contains("board-differs"), "{faults:?}");
    assert!(faults.contains("wrong-points"));
    assert_eq!(log.streams[0][0].header().first_sequence, Sequence::ZERO);
}
