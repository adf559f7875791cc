//! One connection, set up for writing.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::error::SinkError;
use crate::schema;
use crate::sink::SinkConfig;
use crate::tls::Tls;

/// A step that takes longer counts as lost: the server, or what is between, hangs.
const STEP_MAX: Duration = Duration::from_secs(120);
const VERSION_MIN: i32 = 14;

/// A connection that may write, to tables that are as they should be.
pub(crate) struct Session {
    pub(crate) client: Client,
    connection: JoinHandle<()>,
}

impl Session {
    pub(crate) async fn open(config: &SinkConfig) -> Result<Self, SinkError> {
        let tls = Tls::new(&config.target).map_err(|reason| SinkError::Tls { reason })?;
        let connecting = config.target.config.connect(tls);
        let (client, connection) = within("connecting", async { Ok(connecting.await?) }).await?;
        let connection = tokio::spawn(async move {
            // Whoever waits for an answer hears of it.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to PostgreSQL ended");
            }
        });
        let mut session = Self { client, connection };
        within("setting up", session.set_up(config)).await?;
        Ok(session)
    }

    async fn set_up(&mut self, config: &SinkConfig) -> Result<(), SinkError> {
        let client = &mut self.client;
        let schema = &config.schema;
        // Tables that grow all the time have no good statistics for their end, where the sink
        // reads: an index is always right there. What hangs on to locks is cut off by the server,
        // too, should this process vanish.
        let settings = format!(
            "SET search_path TO \"{schema}\"; SET TimeZone TO 'UTC'; SET jit TO off; \
             SET enable_seqscan TO off; SET work_mem TO '64MB'; SET lock_timeout TO '10s'; \
             SET statement_timeout TO '100s'; SET idle_in_transaction_session_timeout TO '60s'; \
             SET client_min_messages TO warning"
        );
        client.batch_execute(&settings).await?;
        let state = "SELECT pg_is_in_recovery(), \
                     current_setting('transaction_read_only')::boolean, \
                     current_setting('server_version_num')::integer / 10000";
        let state = client.query_one(state, &[]).await?;
        let (is_standby, is_read_only, version): (bool, bool, i32) =
            (state.get(0), state.get(1), state.get(2));
        if version < VERSION_MIN {
            return Err(SinkError::Version {
                found: version,
                least: VERSION_MIN,
            });
        }
        if is_standby {
            let reason = "it is a standby";
            return Err(SinkError::ReadOnly { reason });
        }
        if is_read_only {
            let reason = "default_transaction_read_only is on";
            return Err(SinkError::ReadOnly { reason });
        }
        schema::migrate(client, schema).await?;
        schema::check(client, schema).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whatever was under way is given up: the next session asks the tables what became of it.
        self.connection.abort();
    }
}

/// Gives up a step that hangs.
pub(crate) async fn within<T>(
    what: &'static str,
    step: impl Future<Output = Result<T, SinkError>>,
) -> Result<T, SinkError> {
    match tokio::time::timeout(STEP_MAX, step).await {
        Ok(done) => done,
        Err(_) => Err(SinkError::Silent {
            seconds: STEP_MAX.as_secs(),
            what,
        }),
    }
}
