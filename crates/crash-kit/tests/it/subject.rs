//! The toy store as the kit sees it, with a seeded workload.

use std::sync::Arc;

use crash_kit::{Direction, Model, Rng, Scan, Step, Subject};
use disk::Disk;
use kv_api::{Durability, Result};

use crate::toy::{Bug, Toy};

pub struct ToySubject {
    pub bug: Option<Bug>,
    /// What its commits claim to promise.
    pub promise: Durability,
    pub value_bytes_max: usize,
    /// Whether something is done behind each commit that it does not wait for.
    pub tidies: bool,
}

impl Default for ToySubject {
    fn default() -> ToySubject {
        ToySubject {
            bug: None,
            promise: Durability::Sync,
            value_bytes_max: 1500,
            tidies: false,
        }
    }
}

impl ToySubject {
    pub fn broken(bug: Bug) -> ToySubject {
        ToySubject {
            bug: Some(bug),
            ..ToySubject::default()
        }
    }
}

/// A key and what becomes of it.
type Change = (Vec<u8>, Option<Vec<u8>>);

/// What a step does, from its numbers alone.
fn changes(step: Step, value_bytes_max: usize) -> Vec<Change> {
    let (seed, index) = match step {
        Step::Probe { depth } => {
            let key = format!("probe-{depth}").into_bytes();
            return vec![(key, Some(vec![depth as u8; 300]))];
        }
        Step::Work { seed, index } => (seed, index),
    };
    let mut rng = Rng::new(seed << 16 | index as u64);
    // The first change of a step is always new, so that no two versions are alike.
    let mut changes = vec![(b"step".to_vec(), Some(index.to_string().into_bytes()))];
    for _ in 0..1 + rng.below(3) {
        let key = format!("key-{}", rng.below(12)).into_bytes();
        let value = (!rng.percent(25)).then(|| {
            let mut value = vec![0; 1 + rng.below(value_bytes_max)];
            rng.fill(&mut value);
            value
        });
        changes.push((key, value));
    }
    changes
}

impl Subject for ToySubject {
    type Store = Toy;

    fn name(&self) -> &str {
        "toy"
    }

    fn steps(&self, _seed: u64) -> usize {
        12
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Toy> {
        Toy::open(&*disk, self.bug)
    }

    fn apply(&self, store: &mut Toy, step: Step) -> Result<Durability> {
        if matches!(step, Step::Work { index, .. } if index % 3 == 1) {
            store.toggle_reader()?;
        }
        let mut pairs = store.current().pairs()?;
        for (key, value) in changes(step, self.value_bytes_max) {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        store.commit(&pairs)?;
        if self.tidies {
            store.tidy();
        }
        Ok(self.promise)
    }

    fn expect(&self, model: &mut Model, step: Step) {
        for (key, value) in changes(step, self.value_bytes_max) {
            match value {
                Some(value) => model.put(b"", &key, &value),
                None => model.delete(b"", &key),
            }
        }
    }

    fn scan(&self, store: &Toy, direction: Direction, scan: &mut Scan) -> Result<()> {
        let pairs = store.current().pairs()?;
        let mut pair = |(key, value): (&Vec<u8>, &Vec<u8>)| scan.pair(b"", key, value);
        let skipped = usize::from(store.has(Bug::BackwardSkipsOne));
        match direction {
            Direction::Forward => pairs.iter().for_each(&mut pair),
            Direction::Backward => pairs.iter().rev().skip(skipped).for_each(&mut pair),
        }
        Ok(())
    }

    fn check(&self, store: &Toy) -> Result<Vec<String>> {
        let pairs = store.current().pairs()?;
        let too_long = pairs.keys().filter(|key| key.len() > 8);
        Ok(too_long.map(|key| format!("strange key {key:?}")).collect())
    }
}
