//! Many connections, each with one request at a time: driven by one thread and one epoll.
//!
//! It runs in a process of its own when there are many sockets, so that they are counted
//! against its limit of open files and not the server's.

mod connect;
mod echo;
mod frames;
mod reactor;
mod speech;
mod worker;

pub(crate) use connect::{Peer, sign_token};
pub(crate) use frames::{CLOSE, Frame, PING, PONG, TEXT, put_frame, put_masked, put_masked_frame};
pub(crate) use reactor::{Load, Reactor};
pub(crate) use speech::Speech;

pub use worker::run as run_worker;
pub(crate) use worker::{
    EchoServer, PhaseFigures, SocketsTask, WORKER_COMMAND, WorkerTask, drive_sockets, half_of,
    spawn, task_line,
};
