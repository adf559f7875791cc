//! How long the texts of messages can get, without making them.
//!
//! Frames are kept as long as their texts together keep a limit, and most are never read:
//! so the limit goes by what a text has at most.

use huntcore_model::Position;

/// A delta or a board without its lists and its position.
pub(crate) const MESSAGE_BYTES_MAX: usize = 320;
/// A claim in a delta without its player.
pub(crate) const CLAIM_BYTES_MAX: usize = 88;
/// The number of a closed round.
pub(crate) const CLOSED_BYTES_MAX: usize = 24;
/// A round's seed.
pub(crate) const SEED_BYTES_MAX: usize = 128;
/// A round's announcement, ids and all.
pub(crate) const ROUND_BYTES_MAX: usize = 640;
/// That a claim was voided.
pub(crate) const VOIDED_BYTES_MAX: usize = 16;
/// A correction without its player and its reason.
pub(crate) const CORRECTION_BYTES_MAX: usize = 288;
/// A board in the list of a hunt's boards.
pub(crate) const LISTED_BYTES_MAX: usize = 96;
/// An entry of a board without its player.
pub(crate) const ENTRY_BYTES_MAX: usize = 80;

/// A text in JSON, with its quotes.
pub(crate) fn json_bytes_max(text: &str) -> usize {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        text.len() + 2
    } else {
        // A control character becomes `\u0000`.
        text.len() * 6 + 2
    }
}

/// A position as the opaque text that clients know.
pub(crate) fn position_bytes_max(position: &Position) -> usize {
    // For each stream two numbers of at most 13 bytes together, and base64.
    (4 + position.streams().count() * 13) * 4 / 3 + 4
}
