//! What operators correct in the log is followed.

use huntcore_model::{Correction, RoundNumber, TileIndex};

use crate::feed::{Feed, at};
use crate::support::{Running, config, connect, database, lines, shared};

#[tokio::test]
async fn a_voided_claim_is_marked_and_nothing_else_is() {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.claim(0, "ada", 8, 10);
    let claimed = feed.claim(0, "bob", 9, 25);
    feed.commit_all(at(100));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let voided = Correction::ClaimVoided {
        round: RoundNumber::new(1),
        tile: TileIndex::new(9),
        points: 25,
        claimed,
    };
    feed.correct(0, "bob", voided, "a bot");
    feed.commit_all(at(700));
    sink.caught_up().await;
    let client = connect(&url).await;
    let claims = "SELECT tile, player_id, voided_at, void_reason FROM claims ORDER BY tile";
    assert_eq!(
        lines(&client, claims).await,
        ["8|ada|-|-", "9|bob|2026-11-22 12:00:00.7+00|a bot"]
    );
    let corrections = "SELECT corrected_at, hunt, player_id, correction, round, tile, points, \
                       reason FROM corrections";
    assert_eq!(
        lines(&client, corrections).await,
        ["2026-11-22 12:00:00.7+00|park|bob|claim-voided|1|9|25|a bot"]
    );
}

#[tokio::test]
async fn a_disqualified_player_is_in_no_window_of_the_view_until_reinstated() {
    let url = database(shared());
    let feed = Feed::new(1);
    feed.score(0, "ada", 5);
    feed.score(0, "bob", 9);
    feed.commit_all(at(100));
    feed.correct(0, "bob", Correction::Disqualified, "a bot");
    feed.commit_all(at(1_100));
    // Scores go on being kept aside.
    feed.score(0, "bob", 11);
    feed.commit_all(at(2_500));
    feed.commit_all(at(3_000));
    let sink = Running::start(config(&url), &feed);
    sink.caught_up().await;
    let client = connect(&url).await;
    let board = "SELECT player_id, score FROM v_leaderboard_1s ORDER BY window_start, score DESC";
    assert_eq!(lines(&client, board).await, ["ada|5"]);
    feed.correct(0, "bob", Correction::Reinstated, "was none");
    feed.commit_all(at(3_100));
    sink.caught_up().await;
    assert_eq!(lines(&client, board).await, ["bob|9", "ada|5", "bob|11"]);
    let said = "SELECT correction, reason FROM corrections ORDER BY sequence";
    assert_eq!(
        lines(&client, said).await,
        ["disqualified|a bot", "reinstated|was none"]
    );
}
