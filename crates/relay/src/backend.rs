//! The edge process as its edge sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use huntcore_edge::{
    Backend, CommandError, Commanded, Corrected, CorrectionError, EventOutcome, FlagTurn,
    HuntCommand, LogSource, PublishedMap, Readiness, TrailSource, Unavailable, View,
};
use huntcore_lane::{Lane, LaneOptions};
use huntcore_map::CellList;
use huntcore_model::{Hash32, HuntNumber, ScoreEvent, Sequence, TimeMicros};
use huntcore_projection::Batches as _;
use huntcore_wire::{CorrectionKind, Stats};
use tokio::sync::watch;

use crate::metrics;
use crate::relay::Relay;

impl Backend for Relay {
    fn now(&self) -> TimeMicros {
        self.clock.now()
    }

    fn view(&self) -> Arc<View> {
        self.views.newest()
    }

    fn views(&self) -> watch::Receiver<u64> {
        self.views.watch()
    }

    fn publish_now(&self) {
        self.views.ask();
        self.inflow.ring();
    }

    fn lane(&self, options: LaneOptions) -> Lane {
        self.entrance.lane(options)
    }

    fn record_events(&self, events: Vec<ScoreEvent>) -> BoxFuture<'static, Vec<EventOutcome>> {
        if !self.link.is_up() {
            let refused = vec![EventOutcome::Overloaded; events.len()];
            return std::future::ready(refused).boxed();
        }
        self.events.clone().record(events).boxed()
    }

    fn command(&self, command: HuntCommand) -> BoxFuture<'static, Result<Commanded, CommandError>> {
        if let Some(reason) = self.lost() {
            return std::future::ready(Err(CommandError::Unavailable { reason })).boxed();
        }
        let Ok(room) = self.commands_room.clone().try_acquire_owned() else {
            let reason = "too many commands are on their way".to_owned();
            return std::future::ready(Err(CommandError::Overloaded { reason })).boxed();
        };
        let doing = self.commands.clone().command(command);
        async move {
            let _room = room;
            doing.await
        }
        .boxed()
    }

    fn correct(
        &self,
        hunt: HuntNumber,
        what: CorrectionKind,
        reason: String,
    ) -> BoxFuture<'static, Result<Corrected, CorrectionError>> {
        if let Some(reason) = self.lost() {
            return std::future::ready(Err(CorrectionError::Unavailable { reason })).boxed();
        }
        let Ok(room) = self.commands_room.clone().try_acquire_owned() else {
            return std::future::ready(Err(CorrectionError::Overloaded)).boxed();
        };
        let doing = self.commands.clone().correct(hunt, what, reason);
        async move {
            let _room = room;
            doing.await
        }
        .boxed()
    }

    fn turn_flag(&self, turn: FlagTurn) -> BoxFuture<'static, Result<Sequence, CommandError>> {
        if let Some(reason) = self.lost() {
            return std::future::ready(Err(CommandError::Unavailable { reason })).boxed();
        }
        let Ok(room) = self.commands_room.clone().try_acquire_owned() else {
            let reason = "too many commands are on their way".to_owned();
            return std::future::ready(Err(CommandError::Overloaded { reason })).boxed();
        };
        let doing = self.commands.clone().turn_flag(turn);
        async move {
            let _room = room;
            doing.await
        }
        .boxed()
    }

    fn cells(&self, hunt: HuntNumber, version: u32) -> BoxFuture<'static, Option<Arc<CellList>>> {
        let entry = self.view().catalog.by_number(hunt).cloned();
        let cells = self.cells.clone();
        let computing = move || {
            let entry = entry?;
            let version = entry.version(version)?;
            cells
                .of(&entry, version)
                .inspect_err(|error| tracing::error!("no cells for a logged hunt: {error}"))
                .ok()
        };
        async move {
            let computed = tokio::task::spawn_blocking(computing).await;
            computed.ok().flatten()
        }
        .boxed()
    }

    fn map(
        &self,
        map: Hash32,
    ) -> BoxFuture<'static, Result<Option<Arc<PublishedMap>>, Unavailable>> {
        let maps = self.maps.clone();
        async move { maps.map(map).await }.boxed()
    }

    fn log(&self) -> Option<Arc<dyn LogSource>> {
        // Its edges would be told twice what one upstream tells them once.
        None
    }

    fn trail(&self) -> Option<Arc<dyn TrailSource>> {
        Some(self.trails.clone())
    }

    fn readiness(&self) -> Readiness {
        let reason = self.failed().or_else(|| self.lost()).or_else(|| {
            let behind = self.link.behind()?;
            (behind > self.config.behind_max).then(|| {
                format!(
                    "the upstream's log is {} ahead of what is shown",
                    in_seconds(behind)
                )
            })
        });
        match reason {
            Some(reason) => Readiness::NotReady { reason },
            None => Readiness::Ready,
        }
    }

    fn stats(&self) -> Stats {
        metrics::stats(self)
    }

    fn render_metrics(&self, out: &mut String) {
        metrics::render(self, out);
    }
}

impl Relay {
    /// Since when and why the upstream is lost, in words; what it had is shown all the same.
    fn lost(&self) -> Option<String> {
        let (since, reason) = self.link.loss()?;
        let since = in_seconds(since);
        Some(format!("the upstream has been lost for {since}: {reason}"))
    }
}

fn in_seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
