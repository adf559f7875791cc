//! A stream of attempts in protobuf, cut into chunks by its first three bytes.

#![no_main]

use huntcore_wire::ClaimStreamForm;
use libfuzzer_sys::fuzz_target;

#[path = "../src/claim_stream.rs"]
mod claim_stream;

fuzz_target!(|bytes: &[u8]| {
    let (cuts, stream) = bytes.split_at(bytes.len().min(3));
    claim_stream::check_claim_stream(ClaimStreamForm::Protobuf, stream, cuts);
});
