//! What the demo says while it runs and when it has ended.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use huntcore_edge::AttemptCounts;
use huntcore_log_file::FileLog;
use huntcore_model::Record;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::tally::{Figures, Tally};
use crate::commands::data::oldest;
use crate::commands::serve::Running;
use crate::output::{Failed, Output};

/// A line that shows how the demo goes, on a terminal only.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(output: Output, until: Option<Duration>) -> Self {
        let target = if output.is_json() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = match until {
            Some(until) => ProgressBar::with_draw_target(Some(until.as_secs()), target)
                .with_style(style("{wide_bar} {pos}/{len} s  {msg}")),
            None => {
                ProgressBar::with_draw_target(None, target).with_style(style("{spinner} {msg}"))
            }
        };
        Self { bar }
    }

    /// Follows the tally; never ends.
    pub(crate) async fn follow(&mut self, tally: &Tally) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut before = tally.figures();
        second.tick().await;
        loop {
            second.tick().await;
            let now = tally.figures();
            self.bar.inc(1);
            self.bar.set_message(format!(
                "{} playing, {}/s attempts, {}/s won, p99 {:.1} ms, board {:.0} ms",
                tally.playing.load(std::sync::atomic::Ordering::Relaxed),
                now.attempts - before.attempts,
                now.won - before.won,
                now.p99_ms,
                now.board_lag_p99_ms,
            ));
            before = now;
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What came of it all.
pub(crate) struct Report {
    players: u32,
    played: Duration,
    figures: Figures,
    counts: AttemptCounts,
    memory_bytes: u64,
    start_ms: u128,
    claims_in_log: u64,
    double_claims_in_log: u64,
}

impl Report {
    /// Takes the figures while the server still runs and nothing is under way.
    pub(crate) fn new(
        players: u32,
        played: Duration,
        figures: Figures,
        running: &Running,
        memory_bytes: u64,
        start_ms: u128,
    ) -> Self {
        Self {
            players,
            played,
            figures,
            counts: running.counts.attempts(),
            memory_bytes,
            start_ms,
            claims_in_log: 0,
            double_claims_in_log: 0,
        }
    }

    /// Reads the log, whatever anybody was told: is any tile claimed twice?
    pub(crate) fn count_double_claims_in(&mut self, data: &Path) -> Result<(), Failed> {
        let log = FileLog::inspect(data)?;
        let mut claimed = HashSet::new();
        for &shard in log.shards() {
            for batch in log.read(shard, oldest(&log, shard)?)? {
                for record in batch?.records() {
                    if let (_, Record::Claim(claim)) = record? {
                        self.claims_in_log += 1;
                        if !claimed.insert((claim.hunt, claim.round, claim.tile)) {
                            self.double_claims_in_log += 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn double_claims(&self) -> u64 {
        self.figures.double_claims + self.double_claims_in_log
    }

    /// I10: the edge's own account closes, and it agrees with what the players counted.
    fn is_reconciled(&self) -> bool {
        let Figures {
            attempts,
            won,
            taken,
            refused,
            unanswered,
            ..
        } = self.figures;
        // People may play along, so the edge may have seen more.
        let agree = self.counts.received >= attempts - unanswered;
        self.counts.is_reconciled() && agree && attempts == won + taken + refused + unanswered
    }

    /// Whether the demo kept the promises that it is there to show.
    pub(crate) fn verdict(&self) -> Result<(), Failed> {
        match (self.double_claims(), self.is_reconciled()) {
            (0, true) => Ok(()),
            (0, false) => Err(Failed::new(
                "attempts and what became of them do not add up (I10)",
            )),
            (claims, _) => Err(Failed::new(format!(
                "{claims} tiles went to two players (I1)"
            ))),
        }
    }

    fn per_second(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let count = count as f64;
        (count / self.played.as_secs_f64()).round()
    }

    pub(crate) fn json(&self) -> Value {
        let figures = &self.figures;
        json!({
            "players": self.players,
            "seconds": self.played.as_secs_f64(),
            "attempts": figures.attempts,
            "won": figures.won,
            "taken": figures.taken,
            "refused": figures.refused,
            "unanswered": figures.unanswered,
            "double_claims": self.double_claims(),
            "events": figures.events,
            "p50_ms": figures.p50_ms,
            "p99_ms": figures.p99_ms,
            "board_lag_p50_ms": figures.board_lag_p50_ms,
            "board_lag_p99_ms": figures.board_lag_p99_ms,
            "deltas_delivered": figures.deltas,
            "reconciled": self.is_reconciled(),
            "attempts_per_s": self.per_second(figures.attempts),
            "won_per_s": self.per_second(figures.won),
            "claims_in_log": self.claims_in_log,
            "memory_bytes": self.memory_bytes,
            "start_ms": self.start_ms,
        })
    }

    pub(crate) fn text(&self) -> String {
        let figures = &self.figures;
        let yes_no = |yes| if yes { "yes" } else { "NO" };
        [
            String::new(),
            format!(
                "{} players for {:.0} s",
                self.players,
                self.played.as_secs_f64()
            ),
            format!(
                "  attempts         {} ({}/s)",
                figures.attempts,
                self.per_second(figures.attempts)
            ),
            format!(
                "  won              {} ({}/s)",
                figures.won,
                self.per_second(figures.won)
            ),
            format!("  taken            {}", figures.taken),
            format!("  refused          {}", figures.refused),
            format!("  unanswered       {}", figures.unanswered),
            format!("  double claims    {}", self.double_claims()),
            format!("  score events     {}", figures.events),
            format!(
                "  claim latency    p50 {:.2} ms, p99 {:.2} ms",
                figures.p50_ms, figures.p99_ms
            ),
            format!(
                "  won → on board   p50 {:.0} ms, p99 {:.0} ms",
                figures.board_lag_p50_ms, figures.board_lag_p99_ms
            ),
            format!("  deltas delivered {}", figures.deltas),
            format!(
                "  memory           {} MiB, players included",
                self.memory_bytes >> 20
            ),
            format!("  reconciled       {}", yes_no(self.is_reconciled())),
        ]
        .join("\n")
    }
}
