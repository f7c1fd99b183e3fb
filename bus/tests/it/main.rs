//! One suite of checks, run on every backend; then what only one backend promises.
//!
//! A sentence of a doc comment in `bus/src` is held by a check in the file of the same name. A
//! further backend joins with a constructor in `world.rs` and one word in the last line here.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(unreachable_pub, reason = "checks are named by path in the list below")]

mod blobs;
mod breakpoint;
mod bucket;
mod bus;
mod crash;
mod directory;
mod inbox;
mod local_told;
mod log;
mod nats_away;
mod nats_blobs;
mod nats_bucket;
mod nats_cluster;
mod nats_drain;
mod nats_foreign;
mod nats_inbox;
mod nats_jwt;
mod nats_log;
mod nats_login;
mod nats_poison;
mod nats_refused;
mod nats_requests;
mod nats_server;
mod nats_shared;
mod nats_still;
mod nats_told;
mod parse;
mod publish;
mod requests;
mod simulation;
mod world;

/// Makes a module with one test for each check, on one backend.
macro_rules! conformance {
    ($backend:ident: $($group:ident::$check:ident,)*) => {
        mod $backend {
            $(
                #[tokio::test]
                async fn $check() -> crate::world::Outcome {
                    crate::$group::$check(&crate::world::World::$backend()?).await
                }
            )*
        }
    };
}

/// The list of all checks.
macro_rules! run_on {
    ($($backend:ident),*) => {
        $(conformance! { $backend:
            blobs::blobs_are_named_by_their_digest,
            blobs::blobs_outlive_the_bus,
            breakpoint::a_stopped_append_is_not_stored,
            breakpoint::an_append_stopped_afterwards_is_stored_and_not_answered,
            bucket::a_key_expires_and_a_later_write_takes_the_expiry_away,
            bucket::a_bucket_with_a_limit_lets_go_of_what_was_written_longest_ago,
            bucket::bucket_limits_are_checked,
            bucket::compare_and_set_writes_at_the_expected_revision_only,
            bucket::concurrent_swaps_have_one_winner_each_round,
            bucket::deleting_makes_room_for_a_new_key,
            bucket::keys_are_listed_by_prefix_in_order,
            bucket::revisions_only_grow,
            bucket::a_watch_starts_with_what_is_there_and_goes_on,
            bucket::a_watch_tells_expiry,
            bucket::a_slow_watch_misses_no_latest_value,
            bus::closing_ends_everything,
            bus::names_are_checked,
            bus::names_of_different_primitives_are_independent,
            inbox::a_message_is_stored_once_with_its_time,
            inbox::capture_replaces_the_patterns,
            inbox::capture_refuses_what_overlaps,
            inbox::inbox_limits_are_checked,
            inbox::reading_messages_stops_at_the_limits,
            inbox::the_inbox_outlives_the_bus,
            inbox::trimmed_messages_are_gone,
            inbox::waiting_ends_with_a_message,
            log::append_stores_at_the_expected_sequence_only,
            log::a_destroyed_log_comes_back_as_another,
            log::frames_above_the_limit_are_refused,
            log::logs_are_independent,
            log::one_of_many_racing_writers_wins,
            log::reading_stops_at_the_limits,
            log::the_last_sequence_never_goes_back,
            log::the_log_outlives_the_bus,
            log::trimmed_entries_are_gone,
            publish::a_slow_subscriber_loses_the_oldest,
            publish::delivered_messages_are_in_an_inbox_or_refused,
            publish::published_messages_land_in_the_inbox_too,
            publish::subscribers_get_what_matches,
            requests::a_dropped_request_times_out_at_its_deadline,
            requests::a_full_server_is_not_delivered_to,
            requests::a_request_gets_its_reply,
            requests::each_group_gets_one_request,
            requests::a_second_reply_is_told_and_whether_it_differs,
            requests::nobody_serving_is_told_at_once,
            requests::requests_above_the_limit_are_refused,
            requests::an_instance_is_asked_alone_and_tells_more,
            requests::services_are_discovered_until_they_go,
            requests::what_is_told_is_what_would_be_returned,
            requests::who_takes_at_once_gets_every_request_until_the_bus_closes,
        })*
    };
}

run_on!(memory, embedded, simulated, nats);
