//! The suite that every home passes: one function for each promise of the contract.
//!
//! A home's tests implement [`Fixture`] and call [`contract_suite!`](crate::contract_suite),
//! which makes a test of each function; [`history::run`] plays a random history of
//! submissions, crashes and new starts, for a property test. The functions panic when a
//! promise is broken.

pub mod failures;
pub mod history;
mod owner;
pub mod promises;

use std::sync::Arc;

use huntcore_model::ShardId;

use crate::Log;

pub use owner::Owner;

/// How the suite handles one home. Methods that answer `bool` say whether the home can be
/// brought to that at all; if not, the promises that need it are not examined.
pub trait Fixture {
    /// Opens the home: the first time an empty one, later with what it holds.
    fn open(&mut self) -> Arc<dyn Log>;

    /// Closes the home in good order. The suite has dropped its writers.
    fn close(&mut self, log: Arc<dyn Log>);

    /// Lets the home's process die: of all that was not durable yet, `choice` picks what
    /// is lost. A home that cannot be brought to crash is closed in good order.
    fn crash(&mut self, log: Arc<dyn Log>, choice: u64);

    /// Holds back everything submitted from now on, neither durable nor completed, or lets
    /// it go on. A crash ends it.
    fn hold(&mut self, held: bool) -> bool;

    /// Takes away all space for batches, or gives it back.
    fn fill(&mut self, full: bool) -> bool;

    /// Loses the answer to the next batch of `shard`, which is stored or not.
    fn doubt_next(&mut self, shard: ShardId, stored: bool) -> bool;
}

/// Makes a test of each promise, for the home whose [`Fixture`] the expression makes anew.
#[macro_export]
macro_rules! contract_suite {
    ($fixture:expr) => {
        $crate::contract_suite! { @tests $fixture;
            promises: a_stream_nobody_acquired_is_empty;
            promises: batches_come_back_as_they_were_submitted;
            promises: completions_come_in_order_of_submission;
            promises: a_reader_starts_with_the_batch_that_holds_the_sequence;
            promises: reading_beyond_the_end_is_refused;
            promises: streams_do_not_touch_each_other;
            promises: everything_is_there_after_a_new_start;
            promises: a_term_is_granted_once_or_to_its_nonce;
            promises: the_same_bytes_again_are_already_committed;
            promises: a_batch_of_the_greatest_length_is_stored;
            promises: a_dropped_writer_still_completes;
            promises: a_closed_log_has_finished_and_refuses_more;
            promises: a_trim_never_takes_more_than_it_was_given;
            promises: a_trimmed_log_goes_on_after_a_new_start;
            promises: what_is_older_than_a_time_can_be_told_and_trimmed;
            promises: usage_tells_what_is_there;
            failures: a_newer_owner_fences_the_older;
            failures: another_tail_is_a_mismatch_and_ends_the_writer;
            failures: a_broken_word_is_a_panic;
            failures: what_is_in_flight_cannot_be_read;
            failures: too_much_in_flight_is_refused_and_nothing_lost;
            failures: a_full_home_says_so_and_stays_sound;
            failures: after_unknown_only_the_same_bytes_pass;
            failures: a_crash_loses_nothing_acknowledged;
        }
    };
    (@tests $fixture:expr; $($module:ident: $name:ident;)*) => {
        $(
            #[test]
            fn $name() {
                $crate::suite::$module::$name(&mut $fixture);
            }
        )*
    };
}
