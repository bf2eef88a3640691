//! What can be wrong with a wrapped store.

use std::sync::{Mutex, PoisonError};

/// One fault, or a liberty the laws allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The wrapper itself, which must keep every law.
    None,
    /// Every liberty the laws allow at once: limits, refusals and deferred commits lost.
    Narrow,

    SnapshotFollowsWriters,
    OwnedValueFollowsWriters,
    SnapshotsGoBack,
    SnapshotNeedsAWriterFreeStore,

    FreshCursorStandsBeforeFirst,
    CursorFallsOffTheEnd,
    CursorFallsOffTheBeginning,
    SeekPastLastIsNowhere,
    SeekForPrevBeforeFirstIsNowhere,
    SeekSkipsItsKey,
    OrderIsReversed,
    OrderIsSigned,

    EmptyValueIsAbsence,
    LargeValuesAreCut,
    LongKeysAreCut,
    PrefixForgetsTheCarry,
    RangeTakesItsExcludedEnd,

    DeleteRangeMissesItsIncludedEnd,
    DeleteRangeTakesItsExcludedEnd,
    DeleteRangeDropsSpaces,
    DeleteOfAbsentFails,
    EmptyKeyIsIgnored,
    InsertOverwrites,
    SwapIgnoresWhatItExpects,
    SwapTakesEmptyForAbsent,

    OwnWritesAreNotRead,
    CursorsAreBlindToOwnWrites,
    RollbackLeaks,
    UpdateCommitsOnError,
    UpdateSwallowsTheError,
    UpdateRetryGivesUp,
    UpdatesAreLost,
    ReadsAreNotValidated,
    CommitsAreTorn,

    SpacesShareTheirKeys,
    SpaceNamesDescend,
    CreatingASpaceEmptiesIt,
    DroppedSpaceKeepsItsPairs,
    DroppingAnswersAlwaysYes,
    StaleSpaceFindsItsSuccessor,
    ForeignSpaceIsAccepted,

    CloseIsForgotten,
    SecondCloseFails,
    CloseLosesDeferredCommits,
    SyncDoesNothing,
    DropLosesSyncedCommits,

    CheckSeesGhosts,
    CheckLooksAtNothing,
    BackupIsEmpty,
    BackupMiscounts,
    BackupHidesFailures,
    SequenceIsForgotten,
    BucketsAreNotLeft,
    VisitGoesOnAfterAnError,

    EntriesAreAppliedTwice,
    EmptyEntriesAreForgotten,
    IndexesStandStill,
    PairsHaveTheNewestIndex,
    GonePairsKeepAnIndex,
    LateIndexesAreForgotten,
    IndexesAreForgotten,

    RestoreMerges,
    RestoreEmptiesFirst,
    RestoreIsForgotten,
    StreamsMayBeDamaged,
    StreamsHoldTheDefaultSpaceOnly,
    StreamFailuresAreHidden,
    ProgressStopsShort,
    NobodyCanCancel,

    SearchFollowsWriters,
    SearchLosesTheLastPair,
    SearchIsInNoOrder,
    SearchGivesTheNewestIndex,
    SearchAsksEverySpace,
    SearchTakesNoSpaceForEmpty,
    SearchTakesAnyTextForAQuery,
    SearchNeverStops,
    SearchSwallowsTheVisitsError,
    SearchExplainsNothing,
}

impl Fault {
    /// Whether transactions of this store run side by side.
    pub fn lets_writers_overlap(self) -> bool {
        matches!(self, Fault::UpdatesAreLost | Fault::ReadsAreNotValidated)
    }

    /// Whether this store distinguishes what is durable from what is only committed.
    pub fn is_about_durability(self) -> bool {
        use Fault::*;
        matches!(
            self,
            Narrow
                | RestoreIsForgotten
                | IndexesAreForgotten
                | CloseLosesDeferredCommits
                | SyncDoesNothing
                | DropLosesSyncedCommits
        )
    }
}

// One fixture type for all faults: a type for each would compile every law fifty times over.
static CHOSEN: Mutex<Fault> = Mutex::new(Fault::None);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `work` while every fixture made, on whichever thread, has this fault.
pub fn with_fault<T>(fault: Fault, work: impl FnOnce() -> T) -> T {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    *CHOSEN.lock().unwrap() = fault;
    work()
}

pub fn chosen() -> Fault {
    *CHOSEN.lock().unwrap()
}
