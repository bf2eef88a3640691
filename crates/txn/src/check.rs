//! Accounting for every page of a version: reached once or free once, with keys in order.
//!
//! A finding does not end the check; it goes on beside it, so that one report shows all damage.

use btree::{BucketHeader, Elements, EntryKind, TreeRef, Walk, WalkStep, entry_kind};
use kv_api::capability::{CheckSummary, Finding};
use kv_api::{Error, Place, Result};
use pager::{Extents, NO_FREELIST, PageId, PageSet, PageSource, PageView};

use crate::error::{from_pager, from_tree};
use crate::snapshot::Snapshot;
use crate::version::Version;

/// Checks the whole of `snapshot`: every page below the high-water mark is a meta, part of the
/// freelist, free, or reached exactly once; keys ascend within pages and keep the bounds above
/// them; inline buckets are examined like any others.
pub fn check(snapshot: &Snapshot, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
    check_version(snapshot.version(), report)
}

impl Snapshot {
    /// Everything that [`check`] finds; nothing, for a sound version.
    pub fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        check(self, &mut |finding| findings.push(finding))?;
        Ok(findings)
    }
}

/// Checks the tree that begins at page `from`, without accounting for the other pages.
///
/// # Errors
///
/// `Invalid` for a page that no tree can begin at.
pub fn check_from_page(
    snapshot: &Snapshot,
    from: u64,
    report: &mut dyn FnMut(Finding),
) -> Result<CheckSummary> {
    let pages = snapshot.pages();
    if from < 2 || from >= pages.high_water().0 {
        return Err(Error::Invalid {
            what: "a page number outside the file",
        });
    }
    let mut checker = Checker::new(pages, report);
    checker.tree(PageId(from));
    checker.nested_buckets();
    Ok(checker.summary)
}

fn check_version(version: &Version, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
    let mut checker = Checker::new(&version.pages, report);
    let stored = version.meta.freelist;
    if stored == NO_FREELIST {
        checker.tree(version.meta.root);
        checker.nested_buckets();
        // Free pages are whatever is not reached, so nothing can be missing.
        return Ok(checker.summary);
    }
    let free = checker.stored_freelist(version);
    checker.tree(version.meta.root);
    checker.nested_buckets();
    if free {
        checker.unaccounted();
    }
    Ok(checker.summary)
}

/// For strict commits: the version must be sound, and its free pages exactly `free`.
pub(crate) fn expect_clean(version: &Version, free: &Extents) -> Result<()> {
    let mut first = None;
    check_version(version, &mut |finding| {
        first.get_or_insert(finding);
    })?;
    if let Some(finding) = first {
        return Err(Error::corrupt(finding.place, finding.what));
    }
    if version.free_pages()? != free {
        return Err(Error::corrupt(
            Place::Store,
            "free pages in memory are not those of the tree",
        ));
    }
    Ok(())
}

struct Checker<'a, 'r> {
    pages: &'a PageView,
    report: &'r mut dyn FnMut(Finding),
    summary: CheckSummary,
    reached: PageSet,
    free: Extents,
    nested: Vec<&'a [u8]>,
}

impl<'a, 'r> Checker<'a, 'r> {
    fn new(pages: &'a PageView, report: &'r mut dyn FnMut(Finding)) -> Checker<'a, 'r> {
        Checker {
            pages,
            report,
            summary: CheckSummary::default(),
            reached: PageSet::new(),
            free: Extents::new(),
            nested: Vec::new(),
        }
    }

    fn found(&mut self, page: PageId, what: impl Into<String>) {
        self.summary.findings += 1;
        (self.report)(Finding {
            place: Place::Page(page.0),
            what: what.into(),
        });
    }

    fn failed(&mut self, error: Error) {
        let (place, what) = match error {
            Error::Corrupt { place, what } => (place, what),
            other => (Place::Store, other.to_string()),
        };
        self.summary.findings += 1;
        (self.report)(Finding { place, what });
    }

    /// Loads the stored freelist; answers whether it could be read.
    fn stored_freelist(&mut self, version: &Version) -> bool {
        let loaded = version.free_pages().cloned().and_then(|free| {
            let run = self
                .pages
                .page(version.meta.freelist)
                .map_err(from_pager)?
                .run_pages();
            Ok((free, run))
        });
        match loaded {
            Ok((free, run)) => {
                self.free = free;
                self.reached.insert(version.meta.freelist, run);
                self.summary.units += run;
                true
            }
            Err(error) => {
                self.failed(error);
                false
            }
        }
    }

    /// Follows the tree at `root`, noting the buckets in it.
    fn tree(&mut self, root: PageId) {
        let mut walk = Walk::new(self.pages, root);
        let mut last_key: Option<&'a [u8]> = None;
        while let Some(step) = walk.next() {
            let step = match step {
                Ok(step) => step,
                Err(error) => {
                    self.failed(from_pager(error));
                    continue;
                }
            };
            self.summary.units += step.pages;
            if self.free.overlaps(step.id, step.pages) {
                self.found(step.id, "reachable freed");
            }
            if !self.reached.insert(step.id, step.pages) {
                self.found(step.id, "multiple references");
                walk.skip_children();
                continue;
            }
            if let Err(error) = self.keys(&step, &mut last_key) {
                self.failed(from_pager(error));
            }
        }
    }

    /// The order of keys on one page, against the bounds above it and the leaf before it.
    fn keys(&mut self, step: &WalkStep<'a>, last_key: &mut Option<&'a [u8]>) -> pager::Result<()> {
        let elements = step.elements;
        let mut previous: Option<&[u8]> = None;
        for index in 0..elements.count() {
            let key = elements.key(index)?;
            if key.is_empty() {
                self.found(step.id, format!("element {index}: an empty key"));
            }
            if previous.is_some_and(|previous| key <= previous) {
                self.found(
                    step.id,
                    format!("element {index}: not above the key before it"),
                );
            }
            if step.lower.is_some_and(|lower| key < lower) {
                self.found(
                    step.id,
                    format!("element {index}: below its ancestor's key"),
                );
            }
            if step.upper.is_some_and(|upper| key >= upper) {
                self.found(
                    step.id,
                    format!("element {index}: not below its ancestor's next key"),
                );
            }
            if index == 0 && last_key.is_some_and(|last| key <= last) {
                self.found(step.id, "its first key is not above the leaf before it");
            }
            previous = Some(key);
        }
        if elements.is_leaf() {
            *last_key = previous.or(*last_key);
            self.note_buckets(elements)?;
        }
        Ok(())
    }

    fn note_buckets(&mut self, elements: Elements<'a>) -> pager::Result<()> {
        for index in 0..elements.count() {
            if entry_kind(elements.flags(index)?) == EntryKind::Bucket {
                self.nested.push(elements.value(index)?);
            } else {
                elements.value(index)?;
            }
        }
        Ok(())
    }

    /// Follows every bucket noted, and those noted meanwhile.
    fn nested_buckets(&mut self) {
        while let Some(value) = self.nested.pop() {
            match BucketHeader::decode(value) {
                Ok(header) if header.is_inline() => self.inline_bucket(value),
                Ok(header) if self.reached.contains(header.root) => {
                    self.found(header.root, "multiple references");
                }
                Ok(header) => self.tree(header.root),
                Err(error) => self.failed(from_tree(error)),
            }
        }
    }

    fn inline_bucket(&mut self, value: &'a [u8]) {
        let checked = TreeRef::of_bucket(self.pages, value)
            .map_err(from_tree)
            .and_then(|(_, tree)| {
                let mut cursor = tree.cursor();
                let mut entry = cursor.first().map_err(from_tree)?;
                let mut previous: Option<&[u8]> = None;
                while let Some(found) = entry {
                    if previous.is_some_and(|previous| found.key <= previous) {
                        return Err(Error::corrupt(
                            Place::Store,
                            "an inline bucket's keys out of order",
                        ));
                    }
                    if entry_kind(found.flags) == EntryKind::Bucket {
                        tree.open_bucket(found).map_err(from_tree)?;
                    }
                    previous = Some(found.key);
                    entry = cursor.next().map_err(from_tree)?;
                }
                Ok(())
            });
        if let Err(error) = checked {
            self.failed(error);
        }
    }

    /// Pages that are neither reached nor free.
    fn unaccounted(&mut self) {
        let mut known = self.reached.clone();
        for (start, pages) in self.free.iter() {
            // Overlaps have been reported as reachable freed.
            known.insert(start, pages);
        }
        let mut next = 2;
        let end = (self.pages.high_water(), 0);
        let runs: Vec<(PageId, u64)> = known.runs().chain([end]).collect();
        for (start, pages) in runs {
            for page in next..start.0 {
                self.found(PageId(page), "unreachable unfreed");
            }
            next = start.0 + pages;
        }
    }
}
