//! Every HTTP path, one family a file.

mod answers;
mod asyncapi;
mod autoscale;
mod batches;
mod board_lists;
mod board_pages;
mod boards;
mod cells;
mod claims;
mod console;
mod corrections;
mod events;
mod flags;
mod guests;
mod hunts;
mod live;
mod log;
mod maps;
mod operations;
pub(crate) mod quick;
mod rounds;
mod router;
mod trail;

pub(crate) use board_pages::BoardPages;
pub(crate) use router::router;
