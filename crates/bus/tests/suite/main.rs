//! The promises of a bus, demanded of each of its backends: the log in SQLite, the Kafka client over
//! librdkafka's mock cluster, and the same over a real Kafka (ignored without one).

mod behaviour;
mod database;
mod fixture;
mod front;
mod instances;
mod kafka_only;
mod managed;
mod members;
mod records;

/// Makes a test of every behaviour for every backend.
macro_rules! suite {
    ($($module:ident { $($behaviour:ident,)* })*) => {
        mod log {
            use crate::fixture::Fixture;
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() -> anyhow::Result<()> {
                crate::$module::$behaviour(Fixture::log().await?).await
            })*)*
        }

        mod mock {
            use crate::fixture::Fixture;
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() -> anyhow::Result<()> {
                crate::$module::$behaviour(Fixture::mock()?).await
            })*)*
        }

        mod kafka {
            use crate::fixture::Fixture;
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
            async fn $behaviour() -> anyhow::Result<()> {
                crate::$module::$behaviour(Fixture::kafka().await?).await
            })*)*
        }
    };
}

suite! {
    behaviour {
        keeps_the_order_of_a_key,
        has_on_disk_what_it_acknowledged,
        redelivers_what_was_not_applied_even_if_the_bus_was_told_otherwise,
        goes_on_where_the_database_says,
        waits_for_a_database_that_is_away,
        shares_partitions_and_loses_nothing_when_members_come_and_go,
        gives_all_partitions_to_the_one_that_stays,
        hands_out_what_cannot_be_read_as_it_came,
        keeps_dead_letters_byte_for_byte_with_their_origin,
        carries_the_trace_of_a_request,
        shows_a_tail_only_what_is_new,
        loses_nothing_when_a_read_is_cancelled,
        holds_batches_to_the_number_asked_for,
        knows_how_far_a_reader_is_behind,
        drops_and_counts_rather_than_waits_when_it_is_stuck,
        spreads_events_without_a_key,
        tells_of_a_log_that_is_shorter_than_it_was,
        knows_how_many_partitions_a_topic_has,
        answers_a_ping,
    }
    members {
        know_what_they_read_and_lose_it_before_another_reads_it,
        read_nothing_before_it_is_known_where,
        read_again_from_where_the_database_says_and_stay_in_their_group,
        never_use_an_answer_from_before_they_asked_again,
    }
    records {
        go_to_the_partition_that_their_event_names,
        are_refused_for_a_partition_that_the_topic_does_not_have,
        carry_the_headers_of_their_publisher,
        come_unparsed_to_those_who_want_them_so,
    }
}
