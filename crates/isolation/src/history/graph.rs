//! Which transaction must come before which, and why.

use crate::history::anomaly::Edge;
use crate::history::key_index::{KeyIndex, Versions, last_writes};
use crate::history::record::{
    History, Key, Operation, Outcome, RecordedTransaction, TransactionId, Version,
};

/// Edges of all transactions, by the one they leave. Nodes behind the transactions stand for
/// moments, so that time needs few edges.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    starts: Vec<u32>,
    edges: Vec<(u32, Edge)>,
}

impl Graph {
    pub fn nodes(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub fn edges_len(&self) -> usize {
        self.edges.len()
    }

    pub fn from(&self, node: u32) -> &[(u32, Edge)] {
        let bounds = self
            .starts
            .get(node as usize)
            .zip(self.starts.get(node as usize + 1));
        bounds
            .and_then(|(start, end)| self.edges.get(*start as usize..*end as usize))
            .unwrap_or_default()
    }

    fn build(nodes: usize, mut list: Vec<(u32, u32, Edge)>) -> Graph {
        list.sort_unstable();
        list.dedup();
        let mut starts = vec![0; nodes + 1];
        for (from, ..) in &list {
            if let Some(count) = starts.get_mut(*from as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let edges = list.into_iter().map(|(_, to, edge)| (to, edge)).collect();
        Graph { starts, edges }
    }

    /// The dependencies of a history, with the clock's if `time` asks for them.
    pub fn of(history: &History, keys: &KeyIndex, time: bool) -> Graph {
        let mut list = Vec::new();
        for (id, transaction) in history.numbered() {
            if transaction.outcome != Outcome::Committed {
                continue;
            }
            add_operations(&mut list, history, keys, id, transaction);
        }
        for (_, versions) in keys.all() {
            for (deleted, inserted) in versions.absences.successions() {
                list.push((deleted.writer.0, inserted.writer.0, Edge::WriteWrite));
            }
        }
        list.retain(|(from, to, _)| from != to);
        let mut nodes = history.transactions().len();
        if time {
            nodes = add_time(&mut list, history);
        }
        Graph::build(nodes, list)
    }
}

type Edges = Vec<(u32, u32, Edge)>;

/// Adds what follows from the reads and writes of one transaction.
fn add_operations(
    list: &mut Edges,
    history: &History,
    keys: &KeyIndex,
    id: TransactionId,
    transaction: &RecordedTransaction,
) {
    for write in last_writes(&transaction.operations) {
        if let Some(Some(before)) = write.replaced {
            list.push((before.writer.0, write.version.writer.0, Edge::WriteWrite));
        }
    }
    // What the transaction itself has written says nothing of others.
    let mut own: Vec<Key> = Vec::new();
    for operation in &transaction.operations {
        match operation {
            Operation::Read(key, Some(version)) => {
                found(list, history, keys, (id, *key, *version));
            }
            Operation::Read(key, None) if !own.contains(key) => {
                missed(list, keys.get(*key), (id, transaction), Edge::ReadWrite);
            }
            Operation::Read(_, None) => {}
            Operation::Range { first, last, seen } => {
                for seen in seen {
                    found(list, history, keys, (id, seen.key, seen.version));
                }
                for (key, versions) in keys.between(*first, *last) {
                    if !own.contains(key) && !seen.iter().any(|seen| seen.key == *key) {
                        missed(list, Some(versions), (id, transaction), Edge::Phantom);
                    }
                }
            }
            Operation::Write(key, _) | Operation::Delete(key, _) => own.push(*key),
        }
    }
}

/// Adds what follows from reading a version.
fn found(
    list: &mut Edges,
    history: &History,
    keys: &KeyIndex,
    (reader, key, version): (TransactionId, Key, Version),
) {
    let writer = history.get(version.writer);
    if writer.is_none_or(|writer| writer.outcome != Outcome::Committed) {
        return;
    }
    list.push((version.writer.0, reader.0, Edge::WriteRead));
    if let Some(next) = keys.get(key).and_then(|versions| versions.after(version)) {
        list.push((reader.0, next.writer.0, Edge::ReadWrite));
    }
}

/// Adds what follows from finding nothing.
fn missed(
    list: &mut Edges,
    versions: Option<&Versions>,
    (reader, transaction): (TransactionId, &RecordedTransaction),
    against: Edge,
) {
    let Some(versions) = versions else { return };
    let (before, after) = versions.absences.around(transaction);
    list.extend(
        before
            .iter()
            .map(|version| (version.writer.0, reader.0, Edge::WriteRead)),
    );
    list.extend(
        after
            .iter()
            .map(|version| (reader.0, version.writer.0, against)),
    );
}

/// Adds a node for each moment at which a transaction ended: it comes behind all that had ended,
/// and before all that began later. Answers the number of nodes.
fn add_time(list: &mut Vec<(u32, u32, Edge)>, history: &History) -> usize {
    let mut ends: Vec<(u64, u32)> = history
        .numbered()
        .filter(|(_, transaction)| transaction.outcome == Outcome::Committed)
        .map(|(id, transaction)| (transaction.ended, id.0))
        .collect();
    ends.sort_unstable();
    let first = u32::try_from(history.transactions().len()).unwrap_or(u32::MAX);
    let mut moment = first;
    for (_, id) in &ends {
        list.push((*id, moment, Edge::Time));
        if moment > first {
            list.push((moment - 1, moment, Edge::Time));
        }
        moment += 1;
    }
    for (id, transaction) in history.numbered() {
        let passed = ends.partition_point(|(end, _)| *end < transaction.begun);
        let passed = u32::try_from(passed).unwrap_or(0);
        if passed > 0 && transaction.outcome == Outcome::Committed {
            list.push((first + passed - 1, id.0, Edge::Time));
        }
    }
    moment as usize
}
