//! What operators correct in the log is followed.

use std::sync::Arc;

use huntcore_model::{Correction, HuntNumber, PlayerNumber, RoundNumber, ShardId, TileIndex};
use huntcore_sink_postgres::{Known, KnownHunt, NumberedPlayers};

use crate::feed::{Feed, HUNT, at};
use crate::support::{Running, config, connect, database, lines, park, shared};

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

/// Who was in a log before its beginning was trimmed, and is on no board.
struct Aside(&'static [&'static str]);

impl Known for Aside {
    fn hunts(&self) -> Vec<KnownHunt> {
        vec![park(&[])]
    }

    fn players(&self, _: ShardId) -> NumberedPlayers<'_> {
        let players = ["ada", "bob", "eve"].map(|id| Some(id.to_owned()));
        Box::new((0..).map(PlayerNumber::new).zip(players))
    }

    fn disqualified(&self) -> Vec<(HuntNumber, String)> {
        let aside = self.0.iter();
        aside.map(|player| (HUNT, (*player).to_owned())).collect()
    }
}

#[tokio::test]
async fn tables_that_begin_with_a_trimmed_log_know_who_was_disqualified_before() {
    let feed = Feed::new(1);
    for player in ["ada", "bob", "eve"] {
        feed.score(0, player, 1);
    }
    feed.correct(0, "ada", Correction::Disqualified, "a mistake");
    feed.correct(0, "bob", Correction::Disqualified, "a bot");
    feed.commit_all(at(100));
    feed.commit_all(at(1_000));
    feed.correct(0, "ada", Correction::Reinstated, "it was none");
    feed.correct(0, "eve", Correction::Disqualified, "two phones");
    feed.commit_all(at(1_100));
    for player in ["ada", "bob", "eve"] {
        feed.score(0, player, 2);
    }
    feed.commit_all(at(2_100));
    feed.commit_all(at(3_000));
    feed.trim_to_last(ShardId::new(0), 4);
    // As it was where the log begins, halfway, and as it is at its end: what is followed from
    // there leads to the same.
    for known in [&["ada", "bob"][..], &["ada", "bob", "eve"], &["bob", "eve"]] {
        let url = database(shared());
        let sink = Running::start_knowing(config(&url), &feed, Some(Arc::new(Aside(known))));
        sink.caught_up().await;
        let client = connect(&url).await;
        let aside = "SELECT hunt, player_id, since, reason FROM disqualified ORDER BY player_id";
        assert_eq!(
            lines(&client, aside).await,
            [
                "park|bob|-|-",
                "park|eve|2026-11-22 12:00:01.1+00|two phones"
            ],
            "{known:?}"
        );
        let board = "SELECT player_id, score FROM v_leaderboard_1s";
        assert_eq!(lines(&client, board).await, ["ada|2"], "{known:?}");
    }
}
