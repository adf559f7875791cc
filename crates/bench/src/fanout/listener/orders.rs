//! What a process of listeners is told to do, and when it has done so.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};

use super::connection::{Connection, Stage};
use super::ear::Ear;
use super::{Churn, EVENTS_MAX, Listeners, READ_BYTES, WAKE};
use crate::fanout::protocol::{Answer, ListenTask, Order};
use crate::report::BenchError;

/// What is waited for, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) order: Order,
    until: Instant,
}

/// Listens until standard input ends.
pub(crate) fn listen(task: ListenTask) -> Result<(), BenchError> {
    let poll = Poll::new().map_err(BenchError::io("make an epoll"))?;
    let waker = Waker::new(poll.registry(), WAKE).map_err(BenchError::io("make an epoll"))?;
    let (orders_in, orders) = channel();
    // Ends with the parent, however that ends.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(order) = serde_json::from_str(&line) else {
                break;
            };
            let sent = orders_in.send(order).is_ok() && waker.wake().is_ok();
            if !sent {
                break;
            }
        }
        drop(orders_in);
        // Nobody may be there to be woken any more.
        let _ = Arc::new(waker).wake();
    });
    let host = task
        .addresses
        .first()
        .map(ToString::to_string)
        .ok_or_else(|| BenchError::Huntcore("listeners without a server".to_owned()))?;
    let mut listeners = Listeners {
        ear: Ear::new(task.dialect.clone()),
        task,
        host,
        poll,
        orders,
        connections: Vec::new(),
        scratch: vec![0; READ_BYTES],
        closed: Vec::new(),
        later: Vec::new(),
        knocking: 0,
        fault: None,
        churn: Churn {
            per_second: 0,
            since: Instant::now(),
            done: 0,
            next: 0,
        },
        waiting: None,
    };
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        listeners.turn(&mut events)?;
        if listeners.waiting.is_none() {
            match listeners.orders.try_recv() {
                Ok(order) => listeners.take_order(order)?,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        listeners.look_whether_done()?;
    }
}

impl Listeners {
    fn take_order(&mut self, order: Order) -> Result<(), BenchError> {
        let within_ms = match order {
            Order::Connect { count, within_ms } => {
                let first = self.connections.len();
                let end = first + count as usize;
                self.connections.resize_with(end, Connection::new);
                let indices = (first..end).rev();
                self.closed
                    .extend(indices.map(|index| u32::try_from(index).expect("counted by u32")));
                within_ms
            }
            Order::Begin { forget } => {
                self.ear.begin();
                for connection in &mut self.connections {
                    if forget {
                        connection.seen = 0;
                    }
                    connection.claims = 0;
                    connection.is_patched = false;
                }
                return say(&Answer::Done);
            }
            Order::Stall { count } => {
                self.stall(count);
                return say(&Answer::Done);
            }
            Order::Return { count, within_ms } => {
                let all = self.connections.len();
                for index in all.saturating_sub(count as usize)..all {
                    let index = u32::try_from(index).expect("counted by u32");
                    if self.connections[index as usize].stage == Stage::Following {
                        self.return_later(index);
                    }
                }
                within_ms
            }
            Order::Churn { per_second } => {
                self.churn = Churn {
                    per_second,
                    since: Instant::now(),
                    done: 0,
                    ..self.churn
                };
                return say(&Answer::Done);
            }
            Order::Await { within_ms, .. } | Order::AwaitRounds { within_ms, .. } => within_ms,
        };
        self.waiting = Some(Waiting {
            order,
            until: Instant::now() + Duration::from_millis(within_ms),
        });
        Ok(())
    }

    fn stall(&mut self, count: u32) {
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            let stalls = index < count as usize;
            if stalls {
                // What they are told later is late by their own doing.
                connection.is_patched = true;
            }
            let goes_on = connection.is_stalled && !stalls && connection.is_waiting;
            connection.is_stalled = stalls;
            if goes_on {
                connection.is_waiting = false;
                self.read(u32::try_from(index).expect("counted by u32"), true);
            }
        }
    }

    fn look_whether_done(&mut self) -> Result<(), BenchError> {
        let Some(waiting) = self.waiting else {
            return Ok(());
        };
        let late = match waiting.order {
            Order::Await { stamp, .. } => self.late(stamp),
            Order::AwaitRounds { rounds, .. } => {
                let all = self.following().count() as u64 * rounds;
                all.saturating_sub(self.ear.rounds())
            }
            _ => (self.closed.len() + self.later.len() + self.knocking) as u64,
        };
        if late > 0 && Instant::now() < waiting.until {
            return Ok(());
        }
        self.waiting = None;
        let with_texts = match waiting.order {
            Order::Await { with_texts, .. } => with_texts,
            Order::AwaitRounds { .. } => false,
            _ => {
                let open = u32::try_from(self.following().count()).expect("counted by u32");
                return say(&Answer::Opened {
                    open,
                    fault: self.fault.take(),
                });
            }
        };
        let mut figures = self.ear.figures(&self.connections, with_texts);
        figures.late = late;
        say(&Answer::Heard(Box::new(figures)))
    }

    fn following(&self) -> impl Iterator<Item = &Connection> {
        self.connections
            .iter()
            .filter(|connection| connection.stage == Stage::Following)
    }

    /// Connections that read, and have not heard what bears the stamp.
    fn late(&self, stamp: u64) -> u64 {
        let tick = self.ear.history.tick_of(stamp).unwrap_or(u64::MAX);
        let is_late = |found: &&Connection| !found.is_stalled && found.seen < tick;
        let coming = self.closed.len() + self.later.len() + self.knocking;
        (self.following().filter(is_late).count() + coming) as u64
    }
}

fn say(answer: &Answer) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, answer).map_err(BenchError::huntcore)?;
    writeln!(out)
        .and_then(|()| out.flush())
        .map_err(BenchError::io("answer an order"))
}
