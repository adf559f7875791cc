//! What an edge process is told when it begins to follow.

use futures_util::StreamExt as _;
use huntcore_edge::Backend as _;
use huntcore_model::Position;
use huntcore_projection::log_stream::{LogStreamReader, StreamItem};

use crate::support::{Claims as _, attempt, config, create_park, fault_log, open_round, start};

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_follow_hears_first_how_far_the_log_is_and_then_all_of_it() {
    for shards in [1, 3] {
        let log = fault_log();
        let node = start(config(shards), &log).expect("starts");
        create_park(&node).await;
        let round = open_round(&node).await;
        for tile in 0..8 {
            node.claim(vec![attempt(round, tile, "ada")]).await;
        }
        let source = node.log().expect("a node has a log");
        let ends = source.ends();
        let pieces = source.batches(Position::start()).await;
        let mut pieces = pieces.expect("nothing was trimmed");
        let mut reader = LogStreamReader::default();
        let mut seen = Position::start();
        let mut is_first = true;
        while !seen.covers(&ends) {
            let piece = pieces.next().await.expect("it does not end");
            reader.push(&piece.expect("the log can be read"));
            while let Some(item) = reader.next_item() {
                match item.expect("its own format") {
                    StreamItem::Note(note) => {
                        assert!(note.ends.covers(&ends));
                    }
                    StreamItem::Batch(batch) => {
                        assert!(!is_first, "batches come before the note");
                        let header = batch.header();
                        assert_eq!(seen.next(header.shard), header.first_sequence);
                        seen.advance(header.shard, header.next_sequence());
                    }
                }
                is_first = false;
            }
        }
        drop(pieces);
        node.stop();
    }
}
