//! One suite over both databases, and what only one of them can show.
//!
//! The module `postgres` needs a server: `TEST_DATABASE_URL`. Every test there has a database of
//! its own. The module `managed` needs more: `.ci/servers.sh` starts it.

mod away;
mod backend;
mod managed;
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
            a_version_that_becomes_ready_says_which_one_serves
            a_number_is_not_given_out_again_after_its_version_was_swept
            a_sweep_takes_what_is_old_and_pending_and_its_points
            points_of_a_swept_version_are_dropped
            a_request_with_a_note_makes_one_version
            of_two_that_do_one_request_at_once_one_makes_the_version
            a_receipt_is_kept_for_a_day
            only_series_that_changed_lately_are_told_with_their_revision
            ids_that_look_alike_have_nothing_in_common
            a_model_is_stored_letter_for_letter
            a_model_that_was_changed_is_refused
            a_damaged_model_gives_way_to_the_whole_one_before_it
            a_batch_that_is_delivered_again_changes_nothing
            points_that_were_published_twice_are_stored_once
            overlapping_and_unordered_batches_store_every_point_once
            racing_consumers_store_every_point_once
            a_zombie_moves_no_offset_back
            offsets_are_kept_by_log
            a_buried_message_moves_the_offset
            groups_topics_and_partitions_are_counted_apart
            when_the_offset_cannot_move_no_point_is_stored
            points_are_incomplete_until_the_last_part_arrives
            the_points_of_columns_come_back_column_by_column
            a_million_points_come_back_in_order_and_bit_for_bit
            every_change_raises_the_revision_by_one_and_nothing_else_does
            the_champion_judges_or_else_the_newest
            an_alias_can_be_set_to_what_another_names
            what_judged_before_judges_again_after_a_rollback
            there_is_no_way_back_to_what_is_gone
            a_model_that_an_alias_names_is_not_deleted
            a_deleted_model_takes_its_points_along_and_late_ones_are_dropped
            a_deleted_series_is_gone_and_its_numbers_go_on
            what_is_too_much_for_one_transaction_goes_in_several
            pruning_keeps_the_newest_and_what_aliases_name
            who_knows_an_old_revision_changes_nothing
            what_is_missing_is_named
            a_series_has_no_more_aliases_than_predictors_can_hold
            series_are_listed_by_prefix_page_by_page
            a_line_of_the_list_says_what_judges
            series_with_a_stream_are_listed_too
            models_are_listed_newest_first_page_by_page
            a_model_says_what_it_is
            an_imported_model_judges_but_has_no_training_points
            fits_promotions_rollbacks_and_deletions_at_once_fail_nobody
            of_two_who_know_the_same_revision_one_changes_something
            a_topic_keeps_its_number_of_partitions
            offsets_of_streams_are_kept_by_log
            of_two_owners_who_know_the_same_offset_one_commits
            a_state_never_goes_back
            a_state_comes_back_as_it_was_stored
            offsets_states_and_effects_move_together_or_not_at_all
            an_ended_stream_stays_until_no_replay_can_meet_it
            an_anomaly_comes_back_as_it_was_found
            an_incident_counts_its_anomalies_whatever_comes_again
            an_incident_that_becomes_worse_says_so_once
            who_is_silenced_or_has_moved_opens_no_incident
            a_notification_is_tried_until_it_is_told_or_given_up
            people_are_told_on_every_channel_once_all_has_come
            a_test_is_told_on_every_channel_and_its_outcome_is_known
            notifiers_share_what_is_due
            owners_of_one_group_at_once_open_one_incident
            a_series_that_is_forgotten_takes_its_anomalies_along
            effects_are_stored_with_their_offset_or_not_at_all
            old_anomalies_are_forgotten_and_open_ones_are_not
            anomalies_are_listed_each_once_in_both_orders
            anomalies_are_listed_by_series_and_labels
            anomalies_are_listed_by_time_kind_and_severity
            incidents_are_listed_each_once_to_who_may_see_them
            silences_are_kept_until_they_are_deleted
            points_are_added_to_their_block
            points_go_with_their_series_with_time_and_when_they_are_too_many
            a_series_is_hot_by_its_worst_and_its_latest_anomaly
            series_with_models_streams_or_both_are_known_alike
            a_sparkline_is_of_all_points_or_of_some_of_many
            anomalies_are_counted_by_time_and_severity
            what_was_said_is_shown_and_can_be_taken_back
            only_stronger_ones_are_told_after_a_dismissal
            a_dismissal_of_something_strong_makes_no_series_mute
            no_more_are_told_than_the_budget_has_unless_they_are_worse
            feedback_goes_with_its_series
            a_database_without_a_registry_gets_one_and_keeps_what_it_holds
            migrations_may_run_at_once_and_again
            a_closed_store_fails_and_says_so
        }
    };
}
use run_suite;
