//! Which server a command talks to: the options that all of them share.

use clap::Args;
use huntcore_client::{Client, ClientError};
use huntcore_wire::ProblemKind;

use crate::output::Failed;

/// A server's address.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerPlace {
    /// The server.
    #[arg(
        long,
        env = "HUNTCORE_URL",
        default_value = "http://127.0.0.1:7070",
        global = true
    )]
    url: String,
}

/// What service routes ask for.
#[derive(Clone, Args)]
pub(crate) struct ServiceKey {
    /// The server's service key.
    #[arg(
        long,
        env = "HUNTCORE_SERVICE_KEY",
        hide_env_values = true,
        global = true
    )]
    service_key: Option<String>,
}

// Whoever prints the arguments does not print the key.
impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ServiceKey(hidden)")
    }
}

impl ServiceKey {
    /// The key, if one was given.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.service_key.as_deref()
    }
}

impl ServerPlace {
    /// A client for what anybody may ask.
    pub(crate) fn client(&self) -> Result<Client, Failed> {
        Ok(Client::builder(&self.url).build()?)
    }

    /// A client for service routes.
    pub(crate) fn service(&self, key: &ServiceKey) -> Result<Client, Failed> {
        let mut builder = Client::builder(&self.url);
        if let Some(key) = &key.service_key {
            builder = builder.service_key(key);
        }
        Ok(builder.build()?)
    }

    /// The error in words, with what to do about it where that is known.
    pub(crate) fn explain(&self, error: ClientError) -> Failed {
        let advice = match (&error, error.kind()) {
            (ClientError::Transport { .. }, _) => format!(
                "; is a server running at {}? --url or HUNTCORE_URL says where to look",
                self.url
            ),
            (_, Some(ProblemKind::Unauthorized | ProblemKind::Forbidden)) => {
                "; give the server's key with --service-key or HUNTCORE_SERVICE_KEY".to_owned()
            }
            _ => String::new(),
        };
        let message = Failed::from(error).to_string();
        Failed::new(message + &advice)
    }
}

/// The runtime of a command that asks a server and ends.
pub(crate) fn block_on<T>(task: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(format!("cannot start the runtime: {error}")))?
        .block_on(task)
}
