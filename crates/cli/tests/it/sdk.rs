//! The TypeScript client uses huntcore: its own tests start, kill and restart the built server.

use std::process::Command;

use crate::strangers::passes;
use crate::support::repository;

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_plays_in_both_forms_through_losses_and_restarts() {
    let folder = repository().join("sdk/typescript");
    assert!(
        folder.join("node_modules").is_dir(),
        "the TypeScript client's packages are missing: make setup"
    );
    let mut command = Command::new("npm");
    command
        .args(["run", "--silent", "test:server"])
        .current_dir(&folder)
        .env("HUNTCORE_BIN", env!("CARGO_BIN_EXE_huntcore"));
    passes(command).await;
}
