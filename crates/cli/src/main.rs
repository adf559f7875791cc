//! The `huntcore` program.

mod commands;
mod config;
mod files;
mod flag_file;
mod keys;
mod output;
mod progress;
mod show;
mod trail;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::output::{Failed, Output};

// Many small, short-lived allocations on many threads: measured faster and steadier in
// memory than the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The back end of live events where thousands race for the same thing and everyone watches.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    /// Print JSON, for machines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Board(commands::board::Board),
    Flags(commands::flags::Flags),
    Hunt(commands::hunt::Hunt),
    Load(commands::load::Load),
    Log(commands::log::Log),
    Verify(commands::verify::Verify),
    Bench(commands::bench::Bench),
    BenchClient(commands::bench_client::BenchClient),
    Demo(commands::demo::Demo),
    Plan(Box<commands::plan::Plan>),
    Serve(commands::serve::Serve),
    Token(commands::token::Token),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    start_tracing(arguments.json);
    let done = match arguments.command {
        Command::Board(board) => board.run(output),
        Command::Flags(flags) => flags.run(output),
        Command::Hunt(hunt) => hunt.run(output),
        Command::Load(load) => load.run(output),
        Command::Log(log) => log.run(output),
        Command::Verify(verify) => verify.run(output),
        Command::Bench(bench) => bench.run(output),
        Command::BenchClient(client) => client.run(),
        Command::Demo(demo) => demo.run(output),
        Command::Plan(plan) => plan.run(output),
        Command::Serve(serve) => serve.run(output),
        Command::Token(token) => token.run(output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            report(&failed, output);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "errors go to stderr")]
fn report(failed: &Failed, output: Output) {
    if output.is_json() {
        eprintln!("{}", serde_json::json!({"error": failed.to_string()}));
    } else {
        eprintln!("huntcore: {failed}");
    }
}

/// Events go to stderr, so that stdout holds results only. `HUNTCORE_LOG` filters them.
fn start_tracing(json: bool) {
    let filter = EnvFilter::try_from_env("HUNTCORE_LOG").unwrap_or_else(|_| {
        EnvFilter::new(
            "warn,huntcore=info,huntcore_node=info,huntcore_edge=info,huntcore_log_file=info",
        )
    });
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if json {
        subscriber.json().init();
    } else {
        subscriber.with_target(false).init();
    }
}
