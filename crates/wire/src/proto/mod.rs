//! The protobuf form of messages, as `proto/huntcore/v1/huntcore.proto` publishes it.
//!
//! Written by hand for the few messages there are: attempts and outcomes take no allocation,
//! every limit of the JSON form holds here too, and no bytes make it panic. Fields that are not
//! known are skipped; of a number or text that comes twice the last one counts. Stricter than
//! protobuf asks, a known field of another wire type, a number beyond its field's range or its
//! enum, and a second message in the place of one are refused: none may pass for an attempt on
//! some other tile, or for another interest.

mod attempt;
mod fields;
mod item;
mod live;
mod writer;

pub(crate) use attempt::decode_likely;
pub use attempt::{decode_claim_for, encode_claim_for};
pub use fields::ProtoFault;
pub(crate) use fields::{LengthPrefix, length_prefix};
pub use item::{ClaimItemRef, decode_claim_item};
pub(crate) use item::{put_item, put_outcome};
pub(crate) use live::{
    decode_claim_text, decode_client_message, decode_server_message, encode_client_message,
    encode_server_message, put_outcome_text, sketch_client_message,
};

/// The published definition of the messages.
pub const DEFINITION: &str = include_str!("../../proto/huntcore/v1/huntcore.proto");
