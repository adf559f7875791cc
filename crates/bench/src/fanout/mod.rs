//! Many listeners and those who tell them: what every case of the broadcast bench is made of.
//!
//! Listeners live in processes of their own, because a process may open only so many files,
//! and are as cheap as can be: what every connection is told is the same bytes, so a message
//! is compared with what others were told and parsed once. They check all the same that every
//! frame is whole, that no tick was left out without a word, and that every claim came once.

mod crowd;
mod dialect;
mod figures;
mod listener;
mod memory;
mod protocol;
mod send_loop;
mod teller;

pub(crate) use crowd::{Crowd, CrowdOptions};
pub(crate) use dialect::{Dialect, SUBJECT};
pub(crate) use figures::Figures;
pub(crate) use listener::listen;
pub(crate) use memory::{KernelMemory, private_bytes};
pub(crate) use protocol::ListenTask;
pub(crate) use send_loop::{SendLoop, send_loop};
pub(crate) use teller::{Teller, stamp_of};
