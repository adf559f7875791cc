//! Frames of anything: good messages, damaged ones, and garbage.

use huntcore_wire::LiveForm;
use proptest::prelude::*;

use crate::messages::{client_message, damage, damaged, server_message};

// Named by its path: the fuzz target runs the same function.
#[path = "../../../../fuzz/src/live_message.rs"]
mod live_message;

use live_message::check_live_message;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn garbage_breaks_no_promise(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        for form in LiveForm::ALL {
            check_live_message(form, &bytes);
        }
    }

    #[test]
    fn a_clients_damaged_message_breaks_no_promise(
        message in client_message(),
        damage in damage(),
    ) {
        for form in LiveForm::ALL {
            check_live_message(form, &message.encode(form));
            check_live_message(form, &damaged(&message.encode(form), &damage));
        }
    }

    #[test]
    fn a_servers_damaged_message_breaks_no_promise(
        message in server_message(),
        damage in damage(),
    ) {
        for form in LiveForm::ALL {
            check_live_message(form, &message.encode(form));
            check_live_message(form, &damaged(&message.encode(form), &damage));
        }
    }
}
