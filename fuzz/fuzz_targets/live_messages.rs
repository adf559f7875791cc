//! A socket's message; the first byte says in which form.

#![no_main]

use huntcore_wire::LiveForm;
use libfuzzer_sys::fuzz_target;

#[path = "../src/live_message.rs"]
mod live_message;

fuzz_target!(|bytes: &[u8]| {
    if let Some((&form, message)) = bytes.split_first() {
        let form = if form % 2 == 0 {
            LiveForm::Proto
        } else {
            LiveForm::Json
        };
        live_message::check_live_message(form, message);
    }
});
