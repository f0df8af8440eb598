//! One suite over both databases, and what only one of them can show.
//!
//! The module `postgres` needs a server: `TEST_DATABASE_URL`. Every test there has a database of its own.

mod away;
mod backend;
mod postgres;
mod sqlite;
mod suite;

/// Makes a test of each function of the suite, over a fresh backend.
macro_rules! run_suite {
    (each $backend:ty, $attribute:tt; $($test:ident)*) => {
        $(crate::run_suite! { one $backend, $attribute, $test })*
    };
    (one $backend:ty, [$($attribute:meta)?], $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])?
        async fn $test() -> anyhow::Result<()> {
            crate::backend::run::<$backend>(async |backend| crate::suite::$test(backend).await).await
        }
    };
    ($backend:ty $(, $attribute:meta)?) => {
        crate::run_suite! { each $backend, [$($attribute)?];
            concurrent_fits_of_one_series_get_versions_without_gap_or_repeat
            a_pending_version_is_not_seen
            the_newest_is_the_highest_number_not_the_latest_to_be_ready
            to_mark_a_version_ready_again_changes_nothing
            a_number_is_not_given_out_again_after_its_version_was_swept
            a_sweep_takes_what_is_old_and_pending_and_its_points
            points_of_a_swept_version_are_dropped
            only_series_that_changed_lately_are_told_with_their_newest
            ids_that_look_alike_have_nothing_in_common
            a_model_is_stored_letter_for_letter
            a_model_that_was_changed_is_refused
            a_batch_that_is_delivered_again_changes_nothing
            points_that_were_published_twice_are_stored_once
            overlapping_and_unordered_batches_store_every_point_once
            racing_consumers_store_every_point_once
            a_zombie_moves_no_offset_back
            a_buried_message_moves_the_offset
            groups_topics_and_partitions_are_counted_apart
            when_the_offset_cannot_move_no_point_is_stored
            points_are_incomplete_until_the_last_part_arrives
            a_million_points_come_back_in_order_and_bit_for_bit
            migrations_may_run_at_once_and_again
            a_closed_store_fails_and_says_so
        }
    };
}
use run_suite;
