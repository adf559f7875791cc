//! The accept loop: lets connections in up to the limit, and survives a full file table.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::canned;
use super::connection::{Connection, ConnectionHandle};
use crate::state::App;

/// Peers over the limit that are told so at one time; more are closed without a word.
const REFUSALS_MAX: usize = 64;
/// How long a refused peer has to take its refusal.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Without files or memory for another connection, accepting rests for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
pub(super) struct Acceptor {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
}

impl Acceptor {
    /// Accepts until `stop`; the listener closes when this returns.
    pub(super) async fn run(&self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(
            self.app
                .limits()
                .connections_max
                .min(Semaphore::MAX_PERMITS),
        ));
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.app.lifetime.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => match Arc::clone(&slots).try_acquire_owned() {
                    Ok(slot) => self.open(tcp, peer, slot),
                    Err(_) => self.refuse(tcp, &refusals),
                },
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections; pausing");
                    tokio::select! {
                        () = self.app.lifetime.stop.cancelled() => return,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    fn open(&self, tcp: TcpStream, peer: SocketAddr, slot: tokio::sync::OwnedSemaphorePermit) {
        let connection = Connection {
            app: Arc::clone(&self.app),
            router: self.router.clone(),
            handle: ConnectionHandle::new(peer, slot, self.app.counts.connection()),
        };
        self.app.lifetime.tasks.spawn(connection.run(tcp));
    }

    /// Costs a task and a kilobyte at most, for a bounded number of peers and time.
    fn refuse(&self, mut tcp: TcpStream, refusals: &Arc<Semaphore>) {
        self.app.counts.connection_refused();
        let Ok(permit) = Arc::clone(refusals).try_acquire_owned() else {
            return;
        };
        let kill = self.app.lifetime.kill.clone();
        self.app.lifetime.tasks.spawn(async move {
            let said = async {
                tcp.write_all(&canned::too_many_connections()).await?;
                tcp.shutdown().await?;
                // Closing with unread bytes would reset the connection and lose the refusal.
                let mut sink = [0; 512];
                while tcp.read(&mut sink).await? > 0 {}
                std::io::Result::Ok(())
            };
            tokio::select! {
                // Whatever goes wrong, the peer is not to be served.
                _ = tokio::time::timeout(REFUSAL_TIMEOUT, said) => {}
                () = kill.cancelled() => {}
            }
            drop(permit);
        });
    }
}

/// Whether only the connection just tried is lost, and the next may be fine.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | WouldBlock
    )
}
