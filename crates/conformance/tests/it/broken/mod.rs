//! Stores with one fault each, and the law that must catch it.

mod fault;
mod search;
mod snapshot;
mod state;
mod store;
mod transaction;

use std::panic;

use conformance::{
    Law, backup_laws, base_laws, check_laws, commit_indexes_laws, nested_laws, search_laws,
    snapshot_stream_laws,
};

use fault::{Fault, with_fault};
use store::BrokenFixture;

fn all_laws() -> Vec<Law> {
    [
        base_laws::<BrokenFixture>(),
        check_laws::<BrokenFixture>(),
        backup_laws::<BrokenFixture>(),
        nested_laws::<BrokenFixture>(),
        commit_indexes_laws::<BrokenFixture>(),
        snapshot_stream_laws::<BrokenFixture>(),
        search_laws::<BrokenFixture>(),
    ]
    .concat()
}

/// The wrapper itself is sound: what is caught below is the fault and nothing else.
#[test]
fn without_a_fault_every_law_holds() {
    with_fault(Fault::None, || {
        all_laws().iter().for_each(|law| (law.run)())
    });
}

/// The laws ask for no more than was promised.
#[test]
fn with_every_liberty_taken_every_law_holds() {
    with_fault(Fault::Narrow, || {
        all_laws().iter().for_each(|law| (law.run)())
    });
}

/// Fails unless each of these laws fails on a store with this fault.
fn assert_caught(fault: Fault, names: &[&str]) {
    let laws = all_laws();
    for name in names {
        let law = laws
            .iter()
            .find(|law| law.name == *name)
            .unwrap_or_else(|| panic!("there is no law {name}"));
        // A law of chance or of threads may need more than one try.
        let is_caught = || with_fault(fault, || panic::catch_unwind(law.run).is_err());
        assert!(
            (0..10).any(|_| is_caught()),
            "{name} does not catch {fault:?}"
        );
    }
}

/// A failure found by chance tells its seed and the smallest script that shows it.
#[test]
fn a_random_failure_is_made_small_and_can_be_repeated() {
    let laws = all_laws();
    let name = "random_scripts_are_answered_as_by_the_model";
    let law = laws.iter().find(|law| law.name == name).unwrap();
    let outcome = with_fault(Fault::DeleteOfAbsentFails, || panic::catch_unwind(law.run));
    let panic = outcome.unwrap_err();
    let words = panic.downcast_ref::<String>().unwrap();
    assert!(words.contains("STRATA_CONFORMANCE_SEED="), "{words}");
    // Swapping absence for absence deletes, too, and does not get any smaller.
    let smallest = ["[Delete(Room(0), Key(0))]", "[Swap(Room(0), "];
    let is_small = smallest.iter().any(|script| words.contains(script));
    assert!(is_small && words.contains("step 0,"), "{words}");
}

/// One test per fault, called by its name, with the laws that must catch it.
macro_rules! caught {
    ($($test:ident: $fault:ident by $($law:ident),+;)*) => {
        $(
            #[test]
            fn $test() {
                assert_caught(Fault::$fault, &[$(stringify!($law)),+]);
            }
        )*
    };
}

caught! {
    snapshot_follows_writers: SnapshotFollowsWriters by
        a_snapshot_is_frozen,
        a_snapshot_outlives_what_it_was_taken_in;
    owned_value_follows_writers: OwnedValueFollowsWriters by
        a_value_owned_late_is_of_its_snapshots_version;
    snapshots_go_back: SnapshotsGoBack by
        snapshots_never_go_back;
    snapshot_needs_a_writer_free_store: SnapshotNeedsAWriterFreeStore by
        a_snapshot_does_not_wait_for_an_open_transaction;
    fresh_cursor_stands_before_first: FreshCursorStandsBeforeFirst by
        before_the_first_move_a_cursor_is_nowhere,
        random_scripts_are_answered_as_by_the_model;
    cursor_falls_off_the_end: CursorFallsOffTheEnd by
        the_end_does_not_move_the_cursor,
        a_single_pair_is_both_ends,
        random_scripts_are_answered_as_by_the_model;
    cursor_falls_off_the_beginning: CursorFallsOffTheBeginning by
        the_beginning_does_not_move_the_cursor,
        random_scripts_are_answered_as_by_the_model;
    seek_past_last_is_nowhere: SeekPastLastIsNowhere by
        a_seek_past_the_last_pair_stays_behind_it;
    seek_for_prev_before_first_is_nowhere: SeekForPrevBeforeFirstIsNowhere by
        a_seek_for_prev_before_the_first_pair_stays_before_it;
    seek_skips_its_key: SeekSkipsItsKey by
        a_seek_comes_to_the_first_pair_at_or_after,
        seeks_find_their_place_in_big_data;
    order_is_reversed: OrderIsReversed by
        a_cursor_walks_forward_through_every_pair,
        a_cursor_walks_backward_through_every_pair;
    order_is_signed: OrderIsSigned by
        keys_ascend_bytewise_unsigned,
        a_key_may_hold_any_bytes;
    empty_value_is_absence: EmptyValueIsAbsence by
        an_empty_value_is_a_present_value,
        values_of_every_length_come_back;
    large_values_are_cut: LargeValuesAreCut by
        values_of_every_length_come_back;
    long_keys_are_cut: LongKeysAreCut by
        keys_of_every_length_are_kept;
    prefix_forgets_the_carry: PrefixForgetsTheCarry by
        a_prefix_may_end_in_the_highest_byte;
    range_takes_its_excluded_end: RangeTakesItsExcludedEnd by
        a_range_keeps_to_its_ends,
        a_range_from_the_back_keeps_to_its_ends,
        the_ends_of_a_range_meet_in_the_middle;
    delete_range_misses_its_included_end: DeleteRangeMissesItsIncludedEnd by
        a_delete_range_keeps_to_its_ends,
        a_delete_range_works_on_big_data,
        random_scripts_are_answered_as_by_the_model;
    delete_range_takes_its_excluded_end: DeleteRangeTakesItsExcludedEnd by
        a_delete_range_keeps_to_its_ends;
    delete_range_drops_spaces: DeleteRangeDropsSpaces by
        deleting_in_the_default_space_leaves_the_spaces;
    delete_of_absent_fails: DeleteOfAbsentFails by
        a_delete_of_an_absent_key_is_no_error;
    empty_key_is_ignored: EmptyKeyIsIgnored by
        an_empty_key_is_refused;
    insert_overwrites: InsertOverwrites by
        an_insert_if_absent_keeps_what_is_there;
    swap_ignores_what_it_expects: SwapIgnoresWhatItExpects by
        a_compare_and_swap_acts_only_on_what_it_expects,
        a_compare_and_swap_is_committed;
    swap_takes_empty_for_absent: SwapTakesEmptyForAbsent by
        a_compare_and_swap_acts_only_on_what_it_expects,
        an_insert_if_absent_keeps_what_is_there;
    own_writes_are_not_read: OwnWritesAreNotRead by
        a_transaction_reads_its_own_writes;
    cursors_are_blind_to_own_writes: CursorsAreBlindToOwnWrites by
        a_transaction_reads_its_own_writes,
        a_cursor_walks_forward_through_every_pair,
        a_cursor_crosses_a_region_emptied_by_its_transaction,
        the_ends_move_when_a_transaction_empties_them;
    rollback_leaks: RollbackLeaks by
        a_rollback_forgets_everything,
        dropping_a_transaction_rolls_it_back,
        an_update_hands_on_its_closures_error_and_rolls_back,
        rolling_back_restores_spaces,
        a_reopened_store_holds_nothing_uncommitted;
    update_commits_on_error: UpdateCommitsOnError by
        an_update_hands_on_its_closures_error_and_rolls_back,
        an_update_rolls_back_on_an_engines_error;
    update_swallows_the_error: UpdateSwallowsTheError by
        an_update_hands_on_its_closures_error_and_rolls_back;
    update_retry_gives_up: UpdateRetryGivesUp by
        an_update_retry_runs_again_on_a_conflict;
    updates_are_lost: UpdatesAreLost by
        no_update_is_lost,
        a_try_begin_never_loses_an_update;
    reads_are_not_validated: ReadsAreNotValidated by
        no_update_is_lost,
        two_transactions_do_not_cross,
        only_one_of_two_inserts_the_same_key;
    commits_are_torn: CommitsAreTorn by
        readers_see_commits_whole;
    spaces_share_their_keys: SpacesShareTheirKeys by
        spaces_are_independent,
        a_delete_range_keeps_to_its_space;
    space_names_descend: SpaceNamesDescend by
        space_names_ascend;
    creating_a_space_empties_it: CreatingASpaceEmptiesIt by
        creating_a_space_again_keeps_it;
    dropped_space_keeps_its_pairs: DroppedSpaceKeepsItsPairs by
        a_space_made_again_is_empty;
    dropping_answers_always_yes: DroppingAnswersAlwaysYes by
        dropping_a_space_answers_whether_there_was_one;
    stale_space_finds_its_successor: StaleSpaceFindsItsSuccessor by
        a_stale_space_reaches_nothing;
    foreign_space_is_accepted: ForeignSpaceIsAccepted by
        a_foreign_space_is_refused,
        a_space_of_another_store_is_refused;
    close_is_forgotten: CloseIsForgotten by
        a_closed_store_answers_closed;
    second_close_fails: SecondCloseFails by
        a_second_close_does_nothing;
    close_loses_deferred_commits: CloseLosesDeferredCommits by
        a_close_keeps_commits_of_every_durability;
    sync_does_nothing: SyncDoesNothing by
        a_sync_keeps_what_was_committed_before;
    drop_loses_synced_commits: DropLosesSyncedCommits by
        a_dropped_store_opens_as_it_was_synced,
        a_drop_keeps_synced_and_buffered_commits;
    check_sees_ghosts: CheckSeesGhosts by
        a_fresh_store_has_no_findings,
        random_scripts_leave_no_findings;
    check_looks_at_nothing: CheckLooksAtNothing by
        a_check_looks_at_more_in_a_larger_store;
    backup_is_empty: BackupIsEmpty by
        a_backup_holds_the_newest_version,
        a_backup_holds_commits_and_nothing_open;
    backup_miscounts: BackupMiscounts by
        a_backup_holds_the_newest_version;
    backup_hides_failures: BackupHidesFailures by
        a_failed_backup_leaves_the_store_alone;
    sequence_is_forgotten: SequenceIsForgotten by
        a_sequence_number_is_kept;
    buckets_are_not_left: BucketsAreNotLeft by
        a_visit_goes_in_key_order;
    visit_goes_on_after_an_error: VisitGoesOnAfterAnError by
        a_visitors_error_ends_the_visit;
    entries_are_applied_twice: EntriesAreAppliedTwice by
        an_entry_is_applied_once,
        indexes_outlive_the_handle;
    empty_entries_are_forgotten: EmptyEntriesAreForgotten by
        an_entry_without_changes_is_remembered;
    indexes_stand_still: IndexesStandStill by
        a_commit_takes_the_next_index,
        a_snapshot_keeps_its_indexes;
    pairs_have_the_newest_index: PairsHaveTheNewestIndex by
        a_pair_remembers_the_commit_that_wrote_it;
    gone_pairs_keep_an_index: GonePairsKeepAnIndex by
        a_fresh_store_has_index_nought,
        a_pair_remembers_the_commit_that_wrote_it;
    late_indexes_are_forgotten: LateIndexesAreForgotten by
        an_index_may_be_set_behind_the_changes;
    indexes_are_forgotten: IndexesAreForgotten by
        indexes_outlive_the_handle;
    restore_merges: RestoreMerges by
        a_restored_store_equals_its_source,
        a_snapshot_outlives_a_restore;
    restore_empties_first: RestoreEmptiesFirst by
        a_cut_stream_leaves_the_old_state,
        a_damaged_stream_leaves_the_old_state,
        a_failing_other_side_leaves_the_store_alone,
        a_cancelled_restore_leaves_the_old_state;
    restore_is_forgotten: RestoreIsForgotten by
        a_restored_store_equals_its_source;
    streams_may_be_damaged: StreamsMayBeDamaged by
        a_cut_stream_leaves_the_old_state,
        a_damaged_stream_leaves_the_old_state;
    streams_hold_the_default_space_only: StreamsHoldTheDefaultSpaceOnly by
        a_restored_store_equals_its_source,
        a_stream_is_of_the_version_when_it_was_called;
    stream_failures_are_hidden: StreamFailuresAreHidden by
        a_failing_other_side_leaves_the_store_alone;
    progress_stops_short: ProgressStopsShort by
        progress_comes_to_the_end;
    nobody_can_cancel: NobodyCanCancel by
        a_cancelled_restore_leaves_the_old_state;
    search_follows_writers: SearchFollowsWriters by
        a_query_is_about_its_snapshot;
    search_loses_the_last_pair: SearchLosesTheLastPair by
        a_query_gives_what_looking_at_every_pair_gives,
        a_query_forgets_what_is_gone;
    search_is_in_no_order: SearchIsInNoOrder by
        a_query_gives_what_looking_at_every_pair_gives,
        a_query_is_about_its_snapshot;
    search_gives_the_newest_index: SearchGivesTheNewestIndex by
        a_query_gives_what_looking_at_every_pair_gives;
    search_asks_every_space: SearchAsksEverySpace by
        a_query_keeps_to_its_space,
        a_query_gives_what_looking_at_every_pair_gives;
    search_takes_no_space_for_empty: SearchTakesNoSpaceForEmpty by
        a_query_needs_its_space;
    search_takes_any_text_for_a_query: SearchTakesAnyTextForAQuery by
        a_text_that_is_no_query_is_refused;
    search_never_stops: SearchNeverStops by
        a_visit_ends_when_it_is_told_to;
    search_swallows_the_visits_error: SearchSwallowsTheVisitsError by
        a_visits_error_is_handed_on;
    search_explains_nothing: SearchExplainsNothing by
        an_explanation_counts_what_is_given;
}
