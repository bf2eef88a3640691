//! Which compaction is worth doing next: a function of a version, without side effects.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::id::FileId;
use crate::level::LEVELS;
use crate::options::Options;
use crate::table::reader::Table;
use crate::version::Version;

/// A compaction to be done.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The level whose tables go down.
    pub from: usize,
    /// The level they go to.
    pub to: usize,
    /// Tables of `from`, newest first where that is level 0.
    pub top: Vec<Arc<Table>>,
    /// Tables of `to` that they overlap.
    pub bottom: Vec<Arc<Table>>,
}

impl Job {
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> + Clone {
        self.top.iter().chain(&self.bottom)
    }

    /// The first and the last key of all its tables.
    pub fn span(&self) -> (Vec<u8>, Vec<u8>) {
        span(self.tables())
    }
}

fn span<'t>(tables: impl Iterator<Item = &'t Arc<Table>> + Clone) -> (Vec<u8>, Vec<u8>) {
    let smallest = tables
        .clone()
        .map(|table| table.meta.smallest.as_slice())
        .min();
    let biggest = tables.map(|table| table.meta.biggest.as_slice()).max();
    (
        smallest.unwrap_or_default().to_vec(),
        biggest.unwrap_or_default().to_vec(),
    )
}

/// How large levels should be, and which is the first below level 0 in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    pub base: usize,
    pub bytes: [u64; LEVELS],
}

/// Sizes that levels should have: each a share of the one below, so that nearly all is at the
/// bottom. The base is the deepest level that level 0 may be merged into without passing by a
/// level that holds something.
pub(crate) fn targets(version: &Version, options: &Options) -> Targets {
    let held = std::array::from_fn(|level| version.level_bytes(level));
    // No level above the base may hold anything that level 0 would be moved past.
    let highest = (1..LEVELS).find(|level| !version.level(*level).is_empty());
    targets_of(held, highest, options)
}

/// The same for levels that hold so many bytes, of which `highest` is the first below level 0 to
/// hold any table.
fn targets_of(held: [u64; LEVELS], highest: Option<usize>, options: &Options) -> Targets {
    let mut bytes = [options.base_level_bytes; LEVELS];
    let last = LEVELS - 1;
    let mut target = held.into_iter().max();
    let mut base = last;
    for level in (1..LEVELS).rev() {
        let size = target.unwrap_or(0);
        if let Some(slot) = bytes.get_mut(level) {
            *slot = size.max(options.base_level_bytes);
        }
        base = level;
        if size <= options.base_level_bytes {
            break;
        }
        target = Some(size / options.level_multiplier);
    }
    Targets {
        base: base.min(highest.unwrap_or(last)),
        bytes,
    }
}

/// How urgent it is to take tables out of each level, in percent; from 100 on it should be done.
pub(crate) fn scores(version: &Version, targets: &Targets, options: &Options) -> [u64; LEVELS] {
    let mut scores = [0; LEVELS];
    let zero = version.level(0).len() as u64 * 100;
    for (level, (score, target)) in scores.iter_mut().zip(targets.bytes).enumerate() {
        *score = match level {
            0 => zero / (options.level_zero_tables as u64).max(1),
            _ if level + 1 == LEVELS => 0,
            _ => version.level_bytes(level).saturating_mul(100) / target.max(1),
        };
    }
    scores
}

fn is_free(tables: &[Arc<Table>], busy: &BTreeSet<FileId>) -> bool {
    tables.iter().all(|table| !busy.contains(&table.meta.id))
}

/// The compaction of `level` into the one that follows, if none of its tables is busy.
pub(crate) fn job(
    version: &Version,
    targets: &Targets,
    level: usize,
    busy: &BTreeSet<FileId>,
) -> Option<Job> {
    if level == 0 {
        return job_from_zero(version, targets, busy);
    }
    let to = level + 1;
    if to >= LEVELS {
        return None;
    }
    let mut candidates: Vec<&Arc<Table>> = version.level(level).iter().collect();
    // Oldest data first: it has had the longest time to be replaced.
    candidates.sort_by_key(|table| table.meta.max_sequence);
    candidates.into_iter().find_map(|table| {
        let (start, end) = (&table.meta.smallest, &table.meta.biggest);
        let job = Job {
            from: level,
            to,
            top: vec![Arc::clone(table)],
            bottom: version.overlapping(to, start, end),
        };
        (is_free(&job.top, busy) && is_free(&job.bottom, busy)).then_some(job)
    })
}

/// All of level 0 into the base: what stays of it could be older than what goes.
fn job_from_zero(version: &Version, targets: &Targets, busy: &BTreeSet<FileId>) -> Option<Job> {
    let top = version.level(0).to_vec();
    if top.is_empty() {
        return None;
    }
    let (start, end) = span(top.iter());
    let job = Job {
        from: 0,
        to: targets.base,
        bottom: version.overlapping(targets.base, &start, &end),
        top,
    };
    (is_free(&job.top, busy) && is_free(&job.bottom, busy)).then_some(job)
}

/// The most urgent compaction.
pub(crate) fn pick(version: &Version, options: &Options, busy: &BTreeSet<FileId>) -> Option<Job> {
    let targets = targets(version, options);
    let scores = scores(version, &targets, options);
    let mut urgent: Vec<(u64, usize)> = scores
        .iter()
        .enumerate()
        .filter(|(_, score)| **score >= 100)
        .map(|(level, score)| (*score, level))
        .collect();
    urgent.sort_by(|a, b| b.cmp(a));
    urgent
        .into_iter()
        .find_map(|(_, level)| job(version, &targets, level, busy))
}

/// From which share of deletions and expired records on, in percent, an idle store rids itself of
/// them: a table of the last level is written anew, or what lies above it is merged down.
pub(crate) const WASTE_SHARE_MIN: u64 = 5;

/// Whether what lies above the last level in use is more than it is worth keeping apart, so that
/// an idle store should merge it down; answers the highest level that holds something.
pub(crate) fn untidy(version: &Version) -> Option<usize> {
    let filled: Vec<usize> = (0..LEVELS)
        .filter(|level| !version.level(*level).is_empty())
        .collect();
    let (first, last) = (*filled.first()?, *filled.last()?);
    let weight = |level: usize| {
        let tables = version.level(level).iter();
        let bytes = tables.map(|table| table.meta.bytes + table.meta.referenced_bytes());
        bytes.sum::<u64>()
    };
    let above: u64 = (first..last).map(weight).sum();
    let is_heavy = above * 10 > weight(last);
    // Deletions weigh little, and may keep much below alive.
    let count = |level: usize, of: fn(&Table) -> u64| {
        let tables = version.level(level).iter();
        tables.map(|table| of(table)).sum::<u64>()
    };
    let deletions: u64 = (first..last)
        .map(|level| count(level, |table| table.meta.tombstones))
        .sum();
    let records = count(last, |table| table.meta.entries);
    let is_heavy = is_heavy || deletions * 100 > records * WASTE_SHARE_MIN;
    let is_stacked = first == 0 && version.level(0).len() > 1;
    (first == 0 && (is_stacked || is_heavy || last == 0) || first < last && is_heavy)
        .then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_base_below_level_zero_and_above_nothing_it_would_pass_for_every_size() {
        let sizes = || (0..=53).flat_map(|power| [(1_u64 << power) - 1, 1 << power, 10 << power]);
        for (base, multiplier) in [(1, 2), (10 << 20, 10), (u64::MAX, 2), (1, u64::MAX)] {
            let options = Options::new().base_level_bytes(base);
            let options = options.level_multiplier(multiplier);
            for (size, level) in sizes().flat_map(|size| (0..LEVELS).map(move |at| (size, at))) {
                let mut held = [0; LEVELS];
                if let Some(slot) = held.get_mut(level) {
                    *slot = size;
                }
                let highest = (level > 0 && size > 0).then_some(level);
                let targets = targets_of(held, highest, &options);
                let about = format!("{size} in {level}, base {base}: {targets:?}");
                assert!((1..LEVELS).contains(&targets.base), "{about}");
                assert!(highest.is_none_or(|level| targets.base <= level), "{about}");
                assert!(targets.bytes.iter().all(|bytes| *bytes >= base), "{about}");
                let below = targets.bytes.get(targets.base..).unwrap_or_default();
                assert!(below.is_sorted(), "{about}");
            }
        }
    }
}
