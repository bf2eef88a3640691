//! Cycles: where they are, and the shortest of each knot.

use std::collections::{HashMap, VecDeque};

use crate::history::anomaly::{CycleKind, Edge, Step};
use crate::history::graph::Graph;
use crate::history::record::TransactionId;

/// Knots: sets of nodes each of which can be come to from each other, of two nodes or more.
pub(crate) fn knots(graph: &Graph) -> Vec<Vec<u32>> {
    let nodes = graph.nodes();
    let mut search = Search {
        graph,
        order: vec![0; nodes],
        low: vec![0; nodes],
        is_open: vec![false; nodes],
        open: Vec::new(),
        count: 0,
        knots: Vec::new(),
    };
    for node in 0..u32::try_from(nodes).unwrap_or(u32::MAX) {
        if search.order.get(node as usize) == Some(&0) {
            search.visit(node);
        }
    }
    search.knots
}

/// Tarjan's search for strongly connected components, without recursion.
struct Search<'g> {
    graph: &'g Graph,
    /// When a node was first met, from 1; 0 for never.
    order: Vec<u32>,
    low: Vec<u32>,
    is_open: Vec<bool>,
    open: Vec<u32>,
    count: u32,
    knots: Vec<Vec<u32>>,
}

fn set<T>(list: &mut [T], node: u32, value: T) {
    if let Some(slot) = list.get_mut(node as usize) {
        *slot = value;
    }
}

fn get<T: Copy + Default>(list: &[T], node: u32) -> T {
    list.get(node as usize).copied().unwrap_or_default()
}

impl Search<'_> {
    fn enter(&mut self, node: u32) {
        self.count += 1;
        set(&mut self.order, node, self.count);
        set(&mut self.low, node, self.count);
        set(&mut self.is_open, node, true);
        self.open.push(node);
    }

    fn visit(&mut self, root: u32) {
        self.enter(root);
        let mut path: Vec<(u32, usize)> = vec![(root, 0)];
        while let Some((node, at)) = path.last_mut() {
            let node = *node;
            let next = self.graph.from(node).get(*at).map(|(to, _)| *to);
            *at += 1;
            let low = get(&self.low, node);
            match next {
                Some(to) if get(&self.order, to) == 0 => {
                    self.enter(to);
                    path.push((to, 0));
                }
                Some(to) if get(&self.is_open, to) => {
                    set(&mut self.low, node, low.min(get(&self.order, to)));
                }
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        let lowest = low.min(get(&self.low, *parent));
                        set(&mut self.low, *parent, lowest);
                    }
                    if low == get(&self.order, node) {
                        self.close(node);
                    }
                }
            }
        }
    }

    fn close(&mut self, root: u32) {
        let mut knot = Vec::new();
        while let Some(node) = self.open.pop() {
            set(&mut self.is_open, node, false);
            knot.push(node);
            if node == root {
                break;
            }
        }
        if knot.len() > 1 {
            self.knots.push(knot);
        }
    }
}

/// How many nodes of a knot a cycle is looked for from.
const STARTS_MAX: usize = 64;

/// A shortest cycle of a knot, and its name. `transactions` is the number of nodes that are not
/// moments.
pub(crate) fn cycle_in(graph: &Graph, knot: &[u32], transactions: usize) -> (CycleKind, Vec<Step>) {
    let inside: std::collections::HashSet<u32> = knot.iter().copied().collect();
    let is_transaction = |node: u32| (node as usize) < transactions;
    let starts = knot.iter().copied().filter(|node| is_transaction(*node));
    let cycles = starts
        .take(STARTS_MAX)
        .filter_map(|start| around(graph, &inside, start));
    let steps = cycles.min_by_key(Vec::len).unwrap_or_default();
    let edges: Vec<Edge> = steps.iter().map(|(_, edge)| *edge).collect();
    let steps = steps
        .into_iter()
        .filter(|(node, _)| is_transaction(*node))
        .map(|(node, edge)| Step {
            transaction: TransactionId(node),
            edge,
        });
    (kind_of(&edges), steps.collect())
}

/// The shortest way from `start` back to it.
fn around(
    graph: &Graph,
    inside: &std::collections::HashSet<u32>,
    start: u32,
) -> Option<Vec<(u32, Edge)>> {
    let mut came_from: HashMap<u32, (u32, Edge)> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for (to, edge) in graph.from(node) {
            if *to == start {
                let mut steps = vec![(node, *edge)];
                let mut at = node;
                while at != start {
                    let (before, edge) = *came_from.get(&at)?;
                    steps.push((before, edge));
                    at = before;
                }
                steps.reverse();
                return Some(steps);
            }
            if inside.contains(to) && !came_from.contains_key(to) {
                came_from.insert(*to, (node, *edge));
                queue.push_back(*to);
            }
        }
    }
    None
}

fn kind_of(edges: &[Edge]) -> CycleKind {
    let count = |wanted: Edge| edges.iter().filter(|edge| **edge == wanted).count();
    let overtaken = count(Edge::ReadWrite) + count(Edge::Phantom);
    match (count(Edge::Time), overtaken) {
        (1.., _) => CycleKind::Stale,
        (0, _) if count(Edge::Phantom) > 0 => CycleKind::Phantom,
        (0, 0) if count(Edge::WriteRead) > 0 => CycleKind::CircularInformation,
        (0, 0) => CycleKind::WriteCycle,
        (0, 1) => CycleKind::ReadSkew,
        (0, _) => CycleKind::WriteSkew,
    }
}
