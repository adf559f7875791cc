//! `huntcore load scores`: score events by a shape's file.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use huntcore_bench::{ScoresLoad, ScoresReport, ScoresTarget, Shape};
use huntcore_model::HuntId;
use huntcore_wire::DurationText;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{page, text};
use crate::commands::serve::{runtime, stop_signal};
use crate::commands::server::ServiceKey;
use crate::output::{Failed, Output};

/// Send score events as a shape's file says, over HTTP, whatever becomes of them; measure from
/// when each was due, follow the boards, and fail if one blinks or an acknowledged score is not
/// on it.
#[derive(Debug, Args)]
pub(crate) struct Scores {
    /// The shape: a TOML file such as examples/shapes/halloween.toml.
    #[arg(long, value_name = "FILE")]
    shape: PathBuf,
    /// Shorten the shape's time by this factor; 1440 plays a day in a minute. Rates stay as they
    /// are, so there are fewer events by as much.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    compress: f64,
    /// Multiply the shape's rates by this.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    scale: f64,
    /// Send no more different events than this.
    #[arg(long, value_name = "EVENTS", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    events_max: u64,
    /// Draw other events than the shape's own seed does.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// A server that runs; without it, one is started on a temporary folder.
    #[arg(long, requires = "hunt")]
    url: Option<String>,
    #[command(flatten)]
    key: ServiceKey,
    /// With --url, the hunt to send the events to.
    #[arg(long, requires = "url")]
    hunt: Option<HuntId>,
    /// Without --url, shards of the server's log.
    #[arg(long, default_value_t = 1, conflicts_with = "url", value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: u16,
    /// How long a request without an answer is repeated: the server may be restarted meanwhile.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    patience: DurationText,
    /// So many events may be refused; beyond that, none may but those that the shape's clocks put
    /// more than five minutes ahead.
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    refusals_allowed: u64,
    /// Write a page with plots, which needs no network to be looked at.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if (0.001..=1_000_000.0).contains(&factor) => Ok(factor),
        _ => Err("expected a number from 0.001 to 1000000".to_owned()),
    }
}

impl Scores {
    pub(crate) fn run(self, output: Output) -> Result<(), Failed> {
        let load = self.load()?;
        let runtime = runtime()?;
        let target = match (&self.url, &self.hunt) {
            (Some(url), Some(hunt)) => {
                let key = self.key.secret().ok_or_else(|| {
                    Failed::new("give the server's key with --service-key or HUNTCORE_SERVICE_KEY")
                })?;
                ScoresTarget::given(url, key, hunt.clone())?
            }
            _ => {
                let program = std::env::current_exe()?;
                runtime.block_on(ScoresTarget::own(&program, self.shards))?
            }
        };
        static STOPPED: AtomicBool = AtomicBool::new(false);
        runtime.spawn(async {
            stop_signal().await;
            STOPPED.store(true, Ordering::Relaxed);
        });
        let progress = Progress::new(output, load.extent());
        let report = load.run(&runtime, &target, |so_far| {
            progress.tell(so_far.elapsed, so_far.sent);
            !STOPPED.load(Ordering::Relaxed)
        });
        progress.finish();
        let report = report?;
        let name = self.shape.display().to_string();
        output.line(
            || text::render(&name, &report),
            || {
                let mut object = json!(report);
                object["shape"] = name.clone().into();
                object
            },
        );
        if let Some(path) = &self.report {
            let html = page::render(&name, &report);
            std::fs::write(path, html)
                .map_err(|error| Failed::new(format!("{}: {error}", path.display())))?;
        }
        verdict(&report)
    }

    fn load(&self) -> Result<ScoresLoad, Failed> {
        let path = self.shape.display();
        let text = std::fs::read_to_string(&self.shape)
            .map_err(|error| Failed::new(format!("{path}: {error}")))?;
        let mut shape =
            Shape::parse(&text).map_err(|error| Failed::new(format!("{path}: {error}")))?;
        shape.seed = self.seed.unwrap_or(shape.seed);
        Ok(ScoresLoad {
            shape,
            compress: self.compress,
            scale: self.scale,
            events_max: self.events_max,
            run: format!("{:016x}", rand::random::<u64>()),
            patience: Duration::from_millis(self.patience.millis()),
            refusals_allowed: self.refusals_allowed,
        })
    }
}

fn verdict(report: &ScoresReport) -> Result<(), Failed> {
    let broken = report.musts.iter().filter(|must| !must.holds);
    let broken: Vec<String> = broken
        .map(|must| format!("{}: {}", must.what, must.found))
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failed::new(format!(
        "a must is broken: {}",
        broken.join("; ")
    )))
}

/// How far it has got; on a terminal only.
struct Progress(ProgressBar);

impl Progress {
    fn new(output: Output, (length, events): (Duration, f64)) -> Self {
        let target = if output.is_json() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let template = "{wide_bar} {pos}/{len} s  {msg}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length.as_secs()), target).with_style(style);
        bar.set_message(format!("about {events:.0} events"));
        Self(bar)
    }

    fn tell(&self, elapsed: Duration, sent: u64) {
        if self.0.position() != elapsed.as_secs() {
            self.0.set_position(elapsed.as_secs());
            self.0.set_message(format!("{sent} events"));
        }
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
