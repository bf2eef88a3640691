//! What a store may hold: one world, or several while a commit is under way or in doubt.
//!
//! Invariants:
//! * `live` is what a running store may hold; `survivors` is what may be found after a crash, the
//!   oldest first, and contains `live`; `begun` is what either becomes if the step under
//!   way commits;
//! * contents that were once promised and then superseded are in `past`, contents that were
//!   refused are in `refused`, and neither is used but to name a failure.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use kv_api::Durability;
use xxhash_rust::xxh3::xxh3_128;

use crate::event::Mark;
use crate::model::{Digest, Model};
use crate::report::Class;
use crate::subject::{Step, Subject};

/// Worlds that may be live at once: every commit in doubt doubles them.
const LIVE_MAX: usize = 32;

/// One possible content.
#[derive(Debug, Default)]
pub(crate) struct World {
    model: Model,
    /// After a probe, by depth.
    probed: Mutex<BTreeMap<usize, Arc<World>>>,
}

impl World {
    fn after<S: Subject>(&self, subject: &S, step: Step) -> Arc<World> {
        let make = || {
            let mut model = self.model.clone();
            subject.expect(&mut model, step);
            Arc::new(World {
                model,
                probed: Mutex::default(),
            })
        };
        match step {
            // Thousands of states end in the same world, and all are probed alike.
            Step::Probe { depth } => {
                let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(probed.entry(depth).or_insert_with(make))
            }
            Step::Work { .. } => make(),
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.model.digest()
    }
}

/// All contents possible at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Worlds {
    live: Vec<Arc<World>>,
    survivors: Vec<Arc<World>>,
    begun: Vec<Arc<World>>,
    past: Arc<HashSet<Digest>>,
    refused: Arc<HashSet<Digest>>,
    opened: bool,
}

impl Default for Worlds {
    fn default() -> Worlds {
        let empty = Arc::new(World::default());
        Worlds {
            live: vec![Arc::clone(&empty)],
            survivors: vec![empty],
            begun: Vec::new(),
            past: Arc::default(),
            refused: Arc::default(),
            opened: false,
        }
    }
}

fn holds(worlds: &[Arc<World>], digest: Digest) -> bool {
    worlds.iter().any(|world| world.digest() == digest)
}

fn join(worlds: &mut Vec<Arc<World>>, more: &[Arc<World>]) {
    for world in more {
        if !holds(worlds, world.digest()) {
            worlds.push(Arc::clone(world));
        }
    }
}

impl Worlds {
    /// Takes in what the harness learned.
    pub(crate) fn take<S: Subject>(&mut self, subject: &S, mark: Mark) {
        match mark {
            Mark::Opened => self.opened = true,
            Mark::Seen(digest) => self.see(digest),
            Mark::Begin(step) => {
                let after = self.live.iter().map(|world| world.after(subject, step));
                self.begun = after.collect();
            }
            Mark::Ack(durability) => {
                let begun = std::mem::take(&mut self.begun);
                self.live = begun;
                if durability == Durability::Sync {
                    self.settle();
                } else {
                    join(&mut self.survivors, &self.live);
                }
            }
            Mark::Nack => {
                let begun = std::mem::take(&mut self.begun);
                let refused = Arc::make_mut(&mut self.refused);
                refused.extend(begun.iter().map(|world| world.digest()));
            }
            Mark::InDoubt => {
                let begun = std::mem::take(&mut self.begun);
                join(&mut self.live, &begun);
                join(&mut self.survivors, &begun);
            }
        }
    }

    /// A store just opened shows `digest`: whatever was in doubt before is decided.
    fn see(&mut self, digest: Digest) {
        let survivors = std::mem::take(&mut self.survivors);
        let (past, refused) = (
            Arc::make_mut(&mut self.past),
            Arc::make_mut(&mut self.refused),
        );
        let mut seen = None;
        for world in survivors {
            let found = world.digest();
            if found == digest {
                seen = Some(world);
            } else if seen.is_none() {
                past.insert(found);
            } else {
                refused.insert(found);
            }
        }
        self.live = seen.into_iter().collect();
        self.survivors = self.live.clone();
    }

    /// What is live is all that a crash may leave from now on.
    fn settle(&mut self) {
        let past = Arc::make_mut(&mut self.past);
        past.extend(self.survivors.iter().map(|world| world.digest()));
        self.survivors = self.live.clone();
    }

    /// The worlds as recovery meets them: nothing is under way, everything possible is live.
    pub(crate) fn after_crash(&self) -> Worlds {
        let mut after = self.clone();
        join(&mut after.survivors, &self.begun);
        after.live = after.survivors.clone();
        after.begun.clear();
        after
    }

    /// Whether a store had been opened; before that, a store cut short in its making is forgiven.
    pub(crate) fn opened(&self) -> bool {
        self.opened
    }

    /// Whether so much is in doubt that a run should end.
    pub(crate) fn is_crowded(&self) -> bool {
        self.live.len() > LIVE_MAX
    }

    /// Whether a running store may show this.
    pub(crate) fn judge_live(&self, digest: Digest) -> Result<(), Class> {
        if holds(&self.live, digest) {
            return Ok(());
        }
        Err(self.classify(digest))
    }

    fn classify(&self, digest: Digest) -> Class {
        if self.past.contains(&digest) {
            Class::Lost
        } else if self.refused.contains(&digest) || holds(&self.survivors, digest) {
            Class::Phantom
        } else {
            Class::Partial
        }
    }

    /// Tells sets of possible worlds apart.
    pub(crate) fn key(&self) -> u128 {
        let possible = self.survivors.iter().chain(&self.begun);
        let mut digests: Vec<u128> = possible.map(|world| world.digest().0).collect();
        digests.sort_unstable();
        digests.dedup();
        digests.push(u128::from(self.opened));
        let bytes: Vec<u8> = digests.iter().flat_map(|d| d.to_le_bytes()).collect();
        xxh3_128(&bytes)
    }
}
