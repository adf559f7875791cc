//! A server for all tests, a database for each, and a sink into it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use huntcore_model::{BoardDefinition, Sequence, ShardId};
use huntcore_postgres_child::{Options, Server};
use huntcore_sink_postgres::{
    Known, KnownHunt, Retry, Sink, SinkConfig, SinkShown, SinkState, SinkStatus,
};
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};

use crate::feed::{Feed, HUNT, at};

/// How long anything that must happen may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One for all tests whose databases do each other no harm.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(Options::default()).expect("PostgreSQL starts"))
}

/// A new database; its URL.
pub(crate) fn database(server: &Server) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let make = format!("CREATE DATABASE {name}");
    server.sql("postgres", &make).expect("a new database");
    server.url(&name)
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("connected");
    tokio::spawn(connection);
    let settings = "SET search_path TO huntcore; SET TimeZone TO 'UTC'";
    client.batch_execute(settings).await.expect("settings");
    client
}

/// The one number that a query gives.
pub(crate) async fn number(client: &Client, query: &str) -> i64 {
    let row = client.query_one(query, &[]).await;
    row.unwrap_or_else(|error| panic!("{query}: {error:?}"))
        .get(0)
}

/// All rows of a query whose columns are texts, divided by a bar.
pub(crate) async fn lines(client: &Client, query: &str) -> Vec<String> {
    let rows = client.simple_query(query).await;
    let rows = rows.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let rows = rows.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let line = |row: &tokio_postgres::SimpleQueryRow| {
        let fields = (0..row.len()).map(|field| row.get(field).unwrap_or("-"));
        fields.collect::<Vec<_>>().join("|")
    };
    rows.map(line).collect()
}

pub(crate) fn config(url: &str) -> SinkConfig {
    let name = "main".parse().expect("a name");
    let mut config = SinkConfig::new(name, url.parse().expect("a URL"));
    config.interval = Duration::from_millis(1);
    config.retry = Retry {
        least: Duration::from_millis(20),
        most: Duration::from_millis(100),
        stopped: Duration::from_millis(100),
    };
    config
}

/// The hunt `park` as somebody knows it who has followed the log to the end.
pub(crate) fn park(boards: &[BoardDefinition]) -> KnownHunt {
    KnownHunt {
        number: HUNT,
        id: "park".to_owned(),
        boards: boards.to_vec(),
        boards_next: Sequence::new(1_000),
    }
}

/// A sink that runs; it ends when dropped.
pub(crate) struct Running {
    pub(crate) status: Arc<SinkStatus>,
    feed: Arc<Feed>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(config: SinkConfig, feed: &Arc<Feed>) -> Self {
        Self::start_knowing(config, feed, None)
    }

    pub(crate) fn start_knowing(
        config: SinkConfig,
        feed: &Arc<Feed>,
        known: Option<Arc<dyn Known>>,
    ) -> Self {
        let status = Arc::new(SinkStatus::default());
        let (stop, stopped) = watch::channel(false);
        let sink = Sink {
            config,
            shards: feed.shards,
            batches: feed.clone(),
            grown: feed.grown(),
            known,
            status: status.clone(),
            stop: stopped,
        };
        Self {
            status,
            feed: feed.clone(),
            stop,
            thread: Some(std::thread::spawn(move || sink.run().expect("a runtime"))),
        }
    }

    pub(crate) fn show(&self) -> SinkShown {
        let streams: Vec<ShardId> = self.feed.shards.streams().collect();
        self.status
            .show(self.feed.as_ref(), &streams, at(3_600_000))
    }

    /// Waits until what it says of itself is as looked for.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&SinkShown) -> bool) -> SinkShown {
        let mut changed = self.status.watch();
        let looking = async {
            loop {
                changed.borrow_and_update();
                let shown = self.show();
                if is(&shown) {
                    return shown;
                }
                changed.changed().await.expect("it lives");
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .unwrap_or_else(|_| panic!("{what}: never; {:?}", self.show()))
    }

    /// Waits until the tables have all that was committed.
    pub(crate) async fn caught_up(&self) {
        let is = |shown: &SinkShown| shown.lag_records == 0 && shown.state == SinkState::Running;
        self.until("caught up", is).await;
    }

    /// Waits until it has stopped for a reason that an operator has to mend.
    pub(crate) async fn stopped(&self) -> String {
        let stopped = self.until("stopped", |shown| shown.state == SinkState::Stopped);
        stopped.await.reason.expect("it says why")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
