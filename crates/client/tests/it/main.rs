//! The client against tiny servers that say exactly what a test wants said, and against a whole
//! one.

mod cells;
mod http_calls;
mod live_calls;
mod live_interest;
mod live_words;
mod real_live;
mod real_server;
mod server;
mod streams;
mod trail;
