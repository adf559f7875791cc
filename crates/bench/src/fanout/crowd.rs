//! Listeners as the bench sees them: some processes that are told the same, and whose figures
//! add up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::Duration;

use super::dialect::Dialect;
use super::figures::Figures;
use super::protocol::{Answer, ListenTask, Order};
use crate::crowd::{WorkerTask, spawn};
use crate::report::BenchError;

/// How a crowd is made.
#[derive(Clone, Debug)]
pub(crate) struct CrowdOptions {
    pub(crate) dialect: Dialect,
    /// Distinguishes this crowd's processes from those of others: they come from loopback
    /// networks of their own.
    pub(crate) first_source: u8,
    pub(crate) receive_bytes: Option<usize>,
}

/// Processes of listeners; ended when dropped.
pub(crate) struct Crowd {
    members: Vec<Member>,
}

struct Member {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Crowd {
    /// One process for each server.
    pub(crate) fn start(
        program: &Path,
        servers: &[SocketAddr],
        options: &CrowdOptions,
    ) -> Result<Self, BenchError> {
        let mut members = Vec::new();
        for (source, &server) in (options.first_source..).zip(servers) {
            let task = ListenTask {
                addresses: vec![server],
                dialect: options.dialect.clone(),
                source,
                receive_bytes: options.receive_bytes,
            };
            members.push(Member::start(program, task)?);
        }
        Ok(Self { members })
    }

    /// Opens so many connections more, all together, within a time; how many there are.
    pub(crate) fn connect(&mut self, count: u32, within: Duration) -> Result<Opened, BenchError> {
        let shares = self.shares(count);
        let within_ms = millis(within);
        let order = |share| Order::Connect {
            count: share,
            within_ms,
        };
        self.opened(shares.into_iter().map(order).collect())
    }

    /// Lets so many hang up and come back; how many there are in the end.
    pub(crate) fn come_back(&mut self, count: u32, within: Duration) -> Result<Opened, BenchError> {
        self.send_away(count, within)?;
        self.come_in()
    }

    /// Lets so many hang up, to come back as fast as they are let; see [`Self::come_in`].
    pub(crate) fn send_away(&mut self, count: u32, within: Duration) -> Result<(), BenchError> {
        let within_ms = millis(within);
        let shares = self.shares(count);
        for (member, share) in self.members.iter_mut().zip(shares) {
            member.order(Order::Return {
                count: share,
                within_ms,
            })?;
        }
        Ok(())
    }

    /// Waits for those that were sent away.
    pub(crate) fn come_in(&mut self) -> Result<Opened, BenchError> {
        let mut all = Opened::default();
        for member in &mut self.members {
            all.add(member.answer()?)?;
        }
        Ok(all)
    }

    /// Counts anew.
    pub(crate) fn begin(&mut self) -> Result<(), BenchError> {
        self.tell_all(Order::Begin { forget: false })
    }

    /// Counts anew, and takes what was heard before for new if it comes again.
    pub(crate) fn forget(&mut self) -> Result<(), BenchError> {
        self.tell_all(Order::Begin { forget: true })
    }

    /// Lets the first so many stop reading; `0` lets all go on.
    pub(crate) fn stall(&mut self, count: u32) -> Result<(), BenchError> {
        let shares = self.shares(count);
        for (member, share) in self.members.iter_mut().zip(shares) {
            member.order(Order::Stall { count: share })?;
        }
        self.all_done()
    }

    /// Lets so many a second hang up and come back from now on.
    pub(crate) fn churn(&mut self, per_second: u32) -> Result<(), BenchError> {
        let shares = self.shares(per_second);
        for (member, share) in self.members.iter_mut().zip(shares) {
            member.order(Order::Churn { per_second: share })?;
        }
        self.all_done()
    }

    /// Waits until all that read have heard what bears `stamp`; what was heard.
    pub(crate) fn hear(&mut self, stamp: u64, within: Duration) -> Result<Figures, BenchError> {
        self.heard(Order::Await {
            stamp,
            within_ms: millis(within),
            with_texts: false,
        })
    }

    /// The same, with the texts of all deltas.
    pub(crate) fn hear_texts(
        &mut self,
        stamp: u64,
        within: Duration,
    ) -> Result<Figures, BenchError> {
        self.heard(Order::Await {
            stamp,
            within_ms: millis(within),
            with_texts: true,
        })
    }

    /// Waits until all that read were told of so many rounds; what was heard.
    pub(crate) fn hear_rounds(
        &mut self,
        rounds: u64,
        within: Duration,
    ) -> Result<Figures, BenchError> {
        self.heard(Order::AwaitRounds {
            rounds,
            within_ms: millis(within),
        })
    }

    /// Its processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.members
            .iter()
            .map(|member| member.child.id())
            .collect()
    }

    fn heard(&mut self, order: Order) -> Result<Figures, BenchError> {
        for member in &mut self.members {
            member.order(order)?;
        }
        let mut all = Figures::default();
        for member in &mut self.members {
            match member.answer()? {
                Answer::Heard(figures) => all.add(*figures),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(all)
    }

    fn opened(&mut self, orders: Vec<Order>) -> Result<Opened, BenchError> {
        for (member, order) in self.members.iter_mut().zip(orders) {
            member.order(order)?;
        }
        self.come_in()
    }

    fn tell_all(&mut self, order: Order) -> Result<(), BenchError> {
        for member in &mut self.members {
            member.order(order)?;
        }
        self.all_done()
    }

    fn all_done(&mut self) -> Result<(), BenchError> {
        for member in &mut self.members {
            match member.answer()? {
                Answer::Done => {}
                other => return Err(unexpected(&other)),
            }
        }
        Ok(())
    }

    /// A number dealt out evenly.
    fn shares(&self, count: u32) -> Vec<u32> {
        let members = u32::try_from(self.members.len()).expect("few processes");
        (0..members)
            .map(|member| count / members + u32::from(member < count % members))
            .collect()
    }
}

/// How many connections are open and follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened {
    pub(crate) open: u32,
    /// What the last one that failed said.
    pub(crate) fault: Option<String>,
}

impl Opened {
    fn add(&mut self, answer: Answer) -> Result<(), BenchError> {
        let Answer::Opened { open, fault } = answer else {
            return Err(unexpected(&answer));
        };
        self.open += open;
        self.fault = fault.or(self.fault.take());
        Ok(())
    }

    /// An error unless there are `count`.
    pub(crate) fn expect(&self, count: u32) -> Result<(), BenchError> {
        if self.open == count {
            return Ok(());
        }
        Err(BenchError::Huntcore(format!(
            "{} of {count} connections are open: {}",
            self.open,
            self.fault.as_deref().unwrap_or("no reason was given")
        )))
    }
}

impl Member {
    fn start(program: &Path, task: ListenTask) -> Result<Self, BenchError> {
        let mut child = spawn(program, &WorkerTask::Listen(task))?;
        let orders = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Self {
            child,
            orders,
            answers,
        })
    }

    fn order(&mut self, order: Order) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(&order).map_err(BenchError::huntcore)?;
        line.push(b'\n');
        let told = self.orders.write_all(&line);
        told.map_err(|_| self.failed())
    }

    fn answer(&mut self) -> Result<Answer, BenchError> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(count) if count > 0 => serde_json::from_str(&line).map_err(BenchError::huntcore),
            _ => Err(self.failed()),
        }
    }

    /// What it said before it ended.
    fn failed(&mut self) -> BenchError {
        let _ = self.child.kill();
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            drop(stderr.read_to_string(&mut said));
        }
        BenchError::Huntcore(format!("listeners ended: {}", said.trim()))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unexpected(answer: &Answer) -> BenchError {
    BenchError::Huntcore(format!("listeners answered {answer:?}"))
}
