//! The edge in front of the tests' backend, on a port of its own, for testers from outside
//! such as schemathesis. Prints its URL, the service key, and a token for player `ada`.

#[path = "../tests/it/fake.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod fake;

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use huntcore_edge::{
    AuthConfig, AuthSettings, Backend, Edge, EdgeConfig, HuntCommand, PlayerKey, Secret,
};
use huntcore_model::TimeMicros;

const PLAYER_KEY: &str = "a player key for tests, 32 bytes+";
const SERVICE_KEY: &str = "a service key for tests";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = fake::Fake::new();
    let park: huntcore_wire::HuntRequest = serde_json::from_value(serde_json::json!({
        "id": "park",
        "area": {"type": "Polygon", "coordinates": [[
            [13.36, 52.51], [13.37, 52.51], [13.37, 52.52], [13.36, 52.52], [13.36, 52.51],
        ]]},
        "resolution": 10, "round": "1s", "claim_window": "10s", "tiles": 16,
    }))?;
    backend.command(HuntCommand::Create(Box::new(park))).await?;
    let mut config = EdgeConfig::new(AuthConfig::On(AuthSettings {
        player_key: PlayerKey::Hs256(Secret::new(PLAYER_KEY)),
        service_key: Some(Secret::new(SERVICE_KEY)),
        issuer: None,
        audience: None,
        guests: Some(Duration::from_secs(3_600)),
    }));
    config.listen.set_port(0);
    config.limits.player_rate = None;
    let edge = Edge::bind(config, backend.clone())?;
    let claims = serde_json::json!({"sub": "ada", "exp": 4_102_444_800_u64});
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &claims,
        &jsonwebtoken::EncodingKey::from_secret(PLAYER_KEY.as_bytes()),
    )?;
    let url = edge.local_addr();
    writeln!(std::io::stdout(), "http://{url}\n{SERVICE_KEY}\n{token}")?;
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let since_epoch = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let millis = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
            backend.set_clock(TimeMicros::from_millis(millis));
        }
    });
    edge.serve(std::future::pending()).await;
    Ok(())
}
