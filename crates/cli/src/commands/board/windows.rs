//! `huntcore board windows`: which windows of a board can be read.

use clap::Args;
use huntcore_client::{Client, ClientError};
use huntcore_model::{BoardName, HuntId};
use huntcore_wire::{BOARD_PAGE_MAX, WindowList, WindowQuery};
use serde_json::json;

use crate::commands::server::{ServerPlace, block_on};
use crate::output::{Failed, Output};
use crate::show;

/// List the windows of a board that anybody is on, newest first.
#[derive(Debug, Args)]
pub(super) struct Windows {
    /// The hunt.
    hunt: HuntId,
    /// Which of its boards.
    board: BoardName,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

impl Windows {
    pub(super) fn run(self, server: &ServerPlace, output: Output) -> Result<(), Failed> {
        let client = server.client()?;
        let list = block_on(async {
            let list = self.list(&client).await;
            list.map_err(|error| server.explain(error))
        })?;
        output.line(|| text(&list), || json!(list));
        Ok(())
    }

    async fn list(&self, client: &Client) -> Result<WindowList, ClientError> {
        let mut query = WindowQuery {
            limit: Some(self.limit.min(BOARD_PAGE_MAX)),
            ..WindowQuery::default()
        };
        let mut list = client.windows(&self.hunt, self.board, &query).await?;
        while let Some(cursor) = list.next_cursor.clone() {
            let left = (self.limit as usize).saturating_sub(list.windows.len());
            if left == 0 {
                break;
            }
            let left = u32::try_from(left).unwrap_or(u32::MAX);
            query.limit = Some(left.min(BOARD_PAGE_MAX));
            query.cursor = Some(cursor);
            let page = client.windows(&self.hunt, self.board, &query).await?;
            list.windows.extend(page.windows);
            list.next_cursor = page.next_cursor;
        }
        Ok(list)
    }
}

fn text(list: &WindowList) -> String {
    let rows = list.windows.iter().map(|window| {
        let state = match (window.is_final, window.is_provisional) {
            (true, _) if window.is_recorded => "final, results recorded",
            (true, _) => "final",
            (false, true) => "over, waits for what is late",
            (false, false) => "goes on",
        };
        [
            window.start.to_string(),
            window.end.to_string(),
            show::count(window.players),
            state.to_owned(),
        ]
    });
    show::table(
        ["start", "end", "players", "state"],
        |column| column == 2,
        rows,
    )
}
