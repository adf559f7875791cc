//! What must hold for whatever stands in a socket's frame. The fuzz target and wire's own tests
//! run the same function.

use huntcore_wire::{
    ANSWER_BYTES_MAX, CLAIM_ID_BYTES_MAX, CORRECTIONS_SHOWN, ClaimText, ClientMessage,
    INTEREST_BOARDS_MAX, INTEREST_CELLS_MAX, Interest, LiveForm, LiveState, MessageSketch,
    POSITION_TEXT_BYTES_MAX, ServerMessage,
};

/// Reads `bytes` as a message of a client and as one of a server.
///
/// # Panics
/// If a promise is broken.
pub(crate) fn check_live_message(form: LiveForm, bytes: &[u8]) {
    check_client_message(form, bytes);
    check_server_message(form, bytes);
}

fn check_client_message(form: LiveForm, bytes: &[u8]) {
    let quick = match form {
        LiveForm::Json => std::str::from_utf8(bytes).ok().and_then(ClaimText::read),
        LiveForm::Proto => ClaimText::read_proto(bytes),
    };
    let sketch = MessageSketch::of(form, bytes);
    match ClientMessage::decode(form, bytes) {
        Ok(message) => {
            let again = ClientMessage::decode(form, &message.encode(form));
            assert_eq!(
                again.expect("its own"),
                message,
                "a message survives its form"
            );
            match &message {
                ClientMessage::Claim(claim) => {
                    assert!((1..=CLAIM_ID_BYTES_MAX).contains(&claim.id.len()));
                    let answer = claim.answer.as_ref();
                    assert!(answer.is_none_or(|answer| answer.len() <= ANSWER_BYTES_MAX));
                    assert!(quick.is_none_or(|quick| quick == claim.into()));
                }
                ClientMessage::Subscribe(subscribe) => {
                    assert_eq!(quick, None);
                    let resume = subscribe.resume.as_ref();
                    let length = resume.map_or(0, |resume| resume.as_str().len());
                    assert!(length <= POSITION_TEXT_BYTES_MAX);
                    match &subscribe.interest {
                        Interest::Everything => {}
                        Interest::Cells(cells) => {
                            let cells = cells.as_slice();
                            assert!((1..=INTEREST_CELLS_MAX).contains(&cells.len()));
                            assert!(cells.is_sorted_by(|cell, next| cell < next));
                        }
                        Interest::Boards(boards) => {
                            let boards = boards.as_slice();
                            assert!((1..=INTEREST_BOARDS_MAX).contains(&boards.len()));
                            assert!(boards.is_sorted_by(|board, next| board < next));
                        }
                    }
                }
            }
        }
        Err(error) => {
            assert_eq!(quick, None, "the short way takes what the long way takes");
            assert!(error.to_string().len() <= 4 * bytes.len() + 256);
            assert!(sketch.id.is_none_or(|id| id.len() <= bytes.len()));
        }
    }
}

fn check_server_message(form: LiveForm, bytes: &[u8]) {
    let without_claims = ServerMessage::decode_without_claims(form, bytes);
    if let Ok(message) = ServerMessage::decode(form, bytes) {
        // What is finer than a millisecond is cut once.
        let written = message.encode(form);
        let again = ServerMessage::decode(form, &written).expect("its own");
        assert_eq!(again.encode(form), written, "a message survives its form");
        let told = without_claims.expect("claims are what may be wrong, and nothing else");
        assert_eq!(told.server_time(), message.server_time());
        let mut state = LiveState::new();
        state.apply(&message);
        let once = state.clone();
        state.apply(&message);
        assert_eq!(state, once, "a repetition changes nothing");
        assert!(state.corrections.len() <= CORRECTIONS_SHOWN);
    }
}
