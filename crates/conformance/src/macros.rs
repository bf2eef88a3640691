//! The list of all laws, and the macro that makes a test of each.

/// Makes a module with one `#[test]` per law.
///
/// `laws!(name, Fixture)` takes the laws of every engine; `laws!(name, Fixture, check, backup,
/// nested, commit_indexes, snapshot_stream, search, expiry, versions, watch, compact, sorted_load)` those of the
/// named capabilities too; `only name, Fixture, check` only those of the named ones. The fixture
/// must be nameable where the macro is called, which must be a module.
#[macro_export]
macro_rules! laws {
    (only $module:ident, $fixture:ty $(, $capability:ident)+ $(,)?) => {
        mod $module {
            #[allow(unused_imports, reason = "the fixture may be named by its whole path")]
            use super::*;
            $($crate::every_law! { $capability law_tests $fixture })+
        }
    };
    ($module:ident, $fixture:ty $(, $capability:ident)* $(,)?) => {
        mod $module {
            #[allow(unused_imports, reason = "the fixture may be named by its whole path")]
            use super::*;
            $crate::every_law! { base law_tests $fixture }
            $($crate::every_law! { $capability law_tests $fixture })*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! law_tests {
    ($fixture:ty; $($topic:ident { $($law:ident)* })*) => {$(
        mod $topic {
            #[allow(unused_imports, reason = "the fixture may be named by its whole path")]
            use super::*;
            $(
                #[test]
                fn $law() {
                    $crate::$topic::$law::<$fixture>();
                }
            )*
        }
    )*};
}

/// Hands the laws of one group to the macro of this crate called `$then`.
#[doc(hidden)]
#[macro_export]
macro_rules! every_law {
    (base $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            reading {
                a_fresh_store_is_empty
                a_value_comes_back_as_it_was_put
                an_absent_key_has_no_value
                the_empty_key_is_never_found
                an_empty_value_is_a_present_value
                a_key_may_hold_any_bytes
                keys_ascend_bytewise_unsigned
                keys_of_every_length_are_kept
                values_of_every_length_come_back
                lent_values_do_not_disturb_each_other
                an_owned_value_equals_the_lent_one
                a_view_shows_the_newest_version
                a_view_hands_on_its_closures_error
                a_large_transaction_comes_back_whole
            }
            writing {
                a_put_replaces_the_value
                a_delete_removes_the_pair
                a_delete_of_an_absent_key_is_no_error
                a_deleted_key_can_be_put_again
                a_delete_range_keeps_to_its_ends
                a_delete_range_works_on_big_data
                a_delete_range_keeps_to_its_space
                an_insert_if_absent_keeps_what_is_there
                a_compare_and_swap_acts_only_on_what_it_expects
                a_compare_and_swap_is_committed
                the_order_of_puts_does_not_matter
                many_small_commits_add_up
            }
            cursors {
                before_the_first_move_a_cursor_is_nowhere
                a_cursor_walks_forward_through_every_pair
                a_cursor_walks_backward_through_every_pair
                the_end_does_not_move_the_cursor
                the_beginning_does_not_move_the_cursor
                a_single_pair_is_both_ends
                in_an_empty_space_every_move_answers_nothing
                a_seek_comes_to_the_first_pair_at_or_after
                a_seek_for_prev_comes_to_the_last_pair_at_or_before
                a_seek_past_the_last_pair_stays_behind_it
                a_seek_for_prev_before_the_first_pair_stays_before_it
                the_empty_key_is_before_every_pair
                current_answers_where_the_cursor_is
                a_cursor_may_turn_round_anywhere
                lent_pairs_outlive_the_cursors_moves
                cursors_do_not_disturb_each_other
                seeks_find_their_place_in_big_data
                a_cursor_stays_in_its_space
            }
            merging {
                a_cursor_crosses_a_region_emptied_by_its_transaction
                the_ends_move_when_a_transaction_empties_them
                a_transaction_that_emptied_everything_shows_nothing
            }
            ranges {
                a_range_keeps_to_its_ends
                a_range_from_the_back_keeps_to_its_ends
                the_ends_of_a_range_meet_in_the_middle
                an_ended_range_stays_ended
                a_prefix_meets_the_keys_that_begin_with_it
                a_prefix_may_end_in_the_highest_byte
                a_range_runs_over_many_pages
                a_range_over_nothing_is_empty
            }
            spaces {
                creating_a_space_again_keeps_it
                a_space_is_there_once_it_is_created
                space_names_ascend
                spaces_are_independent
                dropping_a_space_answers_whether_there_was_one
                a_space_made_again_is_empty
                dropping_a_space_leaves_the_others_alone
                rolling_back_restores_spaces
                a_stale_space_reaches_nothing
                a_foreign_space_is_refused
                a_space_of_another_store_is_refused
                the_empty_name_is_no_space
                there_may_be_many_spaces
            }
            default_space {
                a_key_and_a_space_of_one_name_are_never_mixed_up
                the_default_space_never_shows_a_space
                deleting_in_the_default_space_leaves_the_spaces
            }
            snapshots {
                a_snapshot_is_frozen
                each_snapshot_keeps_its_own_version
                a_cursor_on_its_way_does_not_see_a_commit
                a_lent_value_stays_right_while_writers_overwrite
                an_owned_value_outlives_its_snapshot
                owned_values_keep_their_own_version
                a_value_owned_late_is_of_its_snapshots_version
                a_snapshot_may_be_read_from_many_threads
                a_snapshot_outlives_what_it_was_taken_in
                a_snapshot_does_not_wait_for_an_open_transaction
                a_held_snapshot_does_not_block_writers
            }
            transactions {
                a_transaction_reads_its_own_writes
                a_commit_becomes_visible_whole
                a_rollback_forgets_everything
                dropping_a_transaction_rolls_it_back
                a_transaction_without_changes_commits
                an_update_commits_and_hands_on_the_answer
                an_update_hands_on_its_closures_error_and_rolls_back
                an_update_rolls_back_on_an_engines_error
                a_try_update_takes_an_error_type_of_its_own
                an_update_does_not_run_again_on_a_conflict
                an_update_retry_runs_again_on_a_conflict
                an_update_retry_hands_on_other_errors
                a_transaction_may_move_to_another_thread
            }
            conflicts {
                a_try_begin_never_loses_an_update
                two_transactions_do_not_cross
                only_one_of_two_inserts_the_same_key
                a_try_begin_succeeds_when_nobody_writes
                a_transaction_reads_one_version
            }
            durability {
                a_closed_store_opens_as_it_was
                a_dropped_store_opens_as_it_was_synced
                a_close_keeps_commits_of_every_durability
                a_drop_keeps_synced_and_buffered_commits
                a_sync_keeps_what_was_committed_before
                a_synced_commit_keeps_the_deferred_ones_before_it
                a_drop_loses_only_the_newest_deferred_commits_whole
                a_reopened_store_holds_nothing_uncommitted
                a_store_may_be_opened_many_times
                an_untouched_store_opens_again
            }
            errors {
                a_closed_store_answers_closed
                a_second_close_does_nothing
                an_empty_key_is_refused
                a_larger_key_is_kept_or_refused
                a_larger_key_may_be_looked_for
                a_long_name_is_kept_or_refused
            }
            threads {
                no_update_is_lost
                writers_of_different_keys_all_get_through
                readers_see_commits_whole
                snapshots_never_go_back
                held_snapshots_stay_right_under_a_writer
                a_waiting_writer_gets_its_turn
                a_later_transaction_sees_an_earlier_commit
            }
            model {
                random_scripts_are_answered_as_by_the_model
                long_scripts_are_answered_as_by_the_model
            }
        }
    };
    (check $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_check {
                a_fresh_store_has_no_findings
                a_used_store_has_no_findings
                a_rolled_back_transaction_leaves_no_findings
                a_check_runs_beside_readers_and_a_writer
                a_check_looks_at_more_in_a_larger_store
                random_scripts_leave_no_findings
            }
        }
    };
    (backup $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_backup {
                a_backup_holds_the_newest_version
                an_empty_store_has_a_backup
                a_backup_holds_commits_and_nothing_open
                a_backup_is_of_the_version_when_it_was_called
                a_backup_never_holds_part_of_a_commit
                a_failed_backup_leaves_the_store_alone
            }
        }
    };
    (nested $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_nested {
                a_fresh_store_shows_no_buckets
                a_visit_goes_in_key_order
                creating_a_bucket_makes_the_way_to_it
                a_bucket_may_lie_deep
                deleting_a_bucket_answers_whether_there_was_one
                the_root_cannot_be_deleted
                a_sequence_number_is_kept
                a_bucket_must_be_there_to_be_written
                pairs_and_buckets_do_not_take_each_others_place
                empty_names_are_refused
                a_rollback_forgets_buckets
                a_visit_shows_its_snapshots_version
                a_space_is_a_bucket_of_the_root
                a_space_does_not_show_the_buckets_inside_it
                a_visitors_error_ends_the_visit
            }
        }
    };
    (commit_indexes $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_commit_indexes {
                a_fresh_store_has_index_nought
                a_commit_takes_the_next_index
                a_pair_remembers_the_commit_that_wrote_it
                an_entry_is_applied_once
                an_entry_without_changes_is_remembered
                an_index_may_be_set_behind_the_changes
                an_entry_rolled_back_may_be_applied
                a_snapshot_keeps_its_indexes
                indexes_outlive_the_handle
            }
        }
    };
    (search $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_search {
                a_query_gives_what_looking_at_every_pair_gives
                a_query_is_about_its_snapshot
                a_query_forgets_what_is_gone
                a_query_keeps_to_its_space
                a_query_needs_its_space
                a_text_that_is_no_query_is_refused
                a_visit_ends_when_it_is_told_to
                a_visits_error_is_handed_on
                an_explanation_counts_what_is_given
            }
        }
    };
    (snapshot_stream $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_snapshot_stream {
                a_restored_store_equals_its_source
                an_empty_state_is_restored
                a_stream_is_of_the_version_when_it_was_called
                a_snapshot_outlives_a_restore
                a_cut_stream_leaves_the_old_state
                a_damaged_stream_leaves_the_old_state
                a_failing_other_side_leaves_the_store_alone
                progress_comes_to_the_end
                a_cancelled_restore_leaves_the_old_state
                a_transaction_behind_a_restore_builds_on_it
            }
        }
    };
    (expiry $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_expiry {
                a_pair_is_gone_when_its_time_has_come
                a_readers_time_stands_still
                a_pair_without_a_time_lasts
                a_later_put_replaces_the_time
                an_expired_pair_hides_what_it_replaced
                the_time_of_a_pair_is_told
                an_expired_pair_is_absent_to_a_transaction
                a_transaction_sees_its_own_times
                a_time_outlives_the_handle
            }
        }
    };
    (versions $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_versions {
                a_fresh_store_has_version_nought
                every_commit_has_a_higher_version
                the_versions_of_a_key_come_newest_first
                a_snapshot_shows_no_newer_version
                the_store_can_be_read_as_of_every_version
                a_space_is_what_it_was_then
                history_outlives_the_handle
                history_that_was_given_up_is_refused
                an_open_snapshot_outlives_its_history
            }
        }
    };
    (watch $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_watch {
                commits_are_told_whole_and_in_order
                only_what_was_asked_for_is_told
                removals_are_told
                what_was_not_committed_is_not_told
                a_space_may_be_watched_before_it_is_made
                a_closed_store_ends_its_watchers
                commits_do_not_wait_for_watchers
                a_watcher_of_many_writers_can_keep_a_copy
            }
        }
    };
    (sorted_load $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_sorted_load {
                a_load_is_there_once_it_is_done
                a_load_adds_to_what_is_there
                a_load_that_fails_changes_nothing
                an_empty_load_changes_nothing
            }
        }
    };
    (compact $then:ident $fixture:ty) => {
        $crate::$then! { $fixture;
            capability_compact {
                an_empty_store_may_be_compacted
                a_compaction_changes_nothing_that_is_shown
                a_compaction_runs_beside_writers
            }
        }
    };
}
