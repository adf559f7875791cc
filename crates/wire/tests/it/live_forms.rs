//! The socket's messages in both forms.

use huntcore_model::{RoundNumber, TileIndex, TimeMicros};
use huntcore_wire::{ClientMessage, LiveCorrection, LiveForm, LiveState, ServerMessage};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::messages::{client_message, server_message};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_clients_message_survives_either_form(message in client_message()) {
        for form in LiveForm::ALL {
            let bytes = message.encode(form);
            prop_assert_eq!(&ClientMessage::decode(form, &bytes).expect("its own"), &message);
        }
    }

    #[test]
    fn a_servers_message_survives_either_form(message in server_message()) {
        for form in LiveForm::ALL {
            let bytes = message.encode(form);
            prop_assert_eq!(&ServerMessage::decode(form, &bytes).expect("its own"), &message);
        }
    }

    #[test]
    fn a_message_without_claims_is_otherwise_the_same(message in server_message()) {
        let mut expected = message.clone();
        if let ServerMessage::Delta(delta) = &mut expected {
            delta.claims.clear();
        }
        for form in LiveForm::ALL {
            let read = ServerMessage::decode_without_claims(form, &message.encode(form));
            prop_assert_eq!(&read.expect("its own"), &expected);
        }
    }

    #[test]
    fn both_forms_give_the_same_state(messages in vec(connected_message(), 0..24)) {
        let states = LiveForm::ALL.map(|form| {
            let mut state = LiveState::new();
            for message in &messages {
                let bytes = message.encode(form);
                state.apply(&ServerMessage::decode(form, &bytes).expect("its own"));
            }
            state
        });
        let mut expected = LiveState::new();
        messages.iter().for_each(|message| expected.apply(message));
        prop_assert_eq!(&states[0], &expected);
        prop_assert_eq!(&states[1], &expected);
    }
}

/// Corrections of claims that there are, told at few times.
fn connect(corrections: &mut [LiveCorrection]) {
    for correction in corrections {
        let round = correction.round.map(|round| 4 + round.get() % 4);
        correction.round = round.map(RoundNumber::new);
        correction.tile = correction.tile.map(|tile| TileIndex::new(tile.get() % 4));
        let millis = correction.corrected_at.micros().millis() % 4;
        correction.corrected_at = TimeMicros::from_millis(millis).into();
    }
}

/// Messages that speak of the same few rounds, so that they change each other's state.
fn connected_message() -> impl Strategy<Value = ServerMessage> {
    let few = |round: RoundNumber| RoundNumber::new(round.get() % 8);
    server_message().prop_map(move |mut message| {
        match &mut message {
            ServerMessage::Round(opened) => opened.round = few(opened.round),
            ServerMessage::Delta(delta) => {
                delta.oldest = RoundNumber::new(delta.oldest.get() % 4);
                for claim in &mut delta.claims {
                    claim.round = RoundNumber::new(4 + claim.round.get() % 4);
                    claim.tile = TileIndex::new(claim.tile.get() % 4);
                }
                delta
                    .closed
                    .iter_mut()
                    .for_each(|round| *round = few(*round));
                delta
                    .seeds
                    .iter_mut()
                    .for_each(|seed| seed.round = few(seed.round));
                connect(&mut delta.corrections);
            }
            ServerMessage::Snapshot(snapshot) => {
                snapshot.oldest = RoundNumber::new(snapshot.oldest.get() % 4);
                let rounds = snapshot.rounds.iter_mut();
                rounds.for_each(|shown| shown.round = few(shown.round));
                connect(&mut snapshot.corrections);
            }
            _ => {}
        }
        message
    })
}
