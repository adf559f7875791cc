//! The socket's messages in both forms.

use huntcore_wire::{ClientMessage, LiveForm, ServerMessage};
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
}
