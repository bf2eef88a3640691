//! Recorder, post-crash states, fault injection and the oracle that judges recovery.
//!
//! A power cut keeps any subset of what was written since the last sync, torn at any sector, with
//! names and lengths kept or lost on their own. This kit runs an engine on a disk in memory that
//! records every call, builds the disks that a crash at any moment may leave, opens the engine on
//! each of them and says whether it kept its promises:
//!
//! * opening works (before the first opening ended, `InterruptedInit` is forgiven), the engine's
//!   own check is clean, and walking forward and backward shows the same pairs in order;
//! * the contents are those of a moment: every promised commit, no refused one, commits in doubt
//!   or under way whole or not at all. Otherwise the state is *lost*, *partial* or *phantom*;
//! * a second opening changes no byte; a further commit works and is there after the next opening;
//! * no byte changed while a view lent it, and no view was asked for bytes that no file has;
//! * all of this again for crashes during that recovery and that commit.
//!
//! # Using it
//!
//! Implement [`Subject`] for the engine: how to open it, a workload that follows from a seed, what
//! each step does to a plain [`Model`], and how to walk and check a store. Then, in a test:
//!
//! ```ignore
//! let plan = Plan { states: 50_000, threads: 2, ..Plan::default() };
//! let report = explore(&BoltSubject, &plan);
//! assert!(report.is_clean(), "{report:#}");
//! assert!(report.states >= 50_000 && report.double >= 5_000, "{report}");
//!
//! // Every sync fails, one run each; the store is reopened on the cache that still shows what
//! // the disk has lost.
//! let plan = Plan {
//!     faults: vec![Fault::once(Call::SyncData, 1, Action::Fail(5))],
//!     after_failure: AfterFailure::Reopen,
//!     states_per_point: 40,
//!     ..plan
//! };
//! assert!(sweep(&BoltSubject, &plan).is_clean());
//! ```
//!
//! A failure names its state; `println!("{}", replay(&subject, &plan, "w3:p118:+-f1").unwrap())`
//! builds it again and shows what was done to the disk before. The same subject and plan must be
//! given, and the subject must do the same every time: no clocks, no hash seeds, no threads.
//!
//! [`CrashDisk`] is of use alone, too: [`CrashDisk::arm`] makes calls fail,
//! [`CrashDisk::after_crash`] gives the disk after a power cut or a kill, and
//! [`CrashDisk::violations`] what was done to lent bytes.
//!
//! # The model, where it is stricter than some disks
//!
//! * `write_durable_at` makes the bytes it writes durable, and no others of the file.
//! * `sync_data` keeps a length only as far as the bytes written need it: growing a file with
//!   `set_len` is durable only after `sync_all`.
//! * A file's sync does not keep its name; only its directory's does.
//! * After a failed sync what was written before may be on the disk or not, whatever later syncs
//!   say; reads go on showing it, or show what was durable before, as the fault says. Names whose
//!   sync failed are kept by a later one.
//! * `rename` is one step; `rename_new` is a link and an unlink, in any order.
//! * Sectors of 512 bytes are whole, old or new, unless [`Plan::scramble`] is set.
//!
//! # Measured
//!
//! With the toy store of the kit's own tests, optimised as tests are (`opt-level = 1`), one state
//! being three openings, four checks, ten scans and a commit: about 16,000 states a second and
//! core at 30 KiB, 9,000 at 130 KiB, 5,000 at 260 KiB.

mod choice;
mod core;
mod disk;
mod enumerate;
mod event;
mod explore;
mod fault;
mod file;
mod id;
mod image;
mod judge;
mod lent;
mod medium;
mod model;
mod plan;
mod record;
mod replay;
mod report;
mod rng;
mod subject;
mod view;
mod volume;
mod worlds;

pub use crate::disk::{CrashDisk, Survivors};
pub use crate::explore::{explore, sweep};
pub use crate::fault::{Action, Call, Fault};
pub use crate::model::{Direction, Model, Scan};
pub use crate::plan::{AfterFailure, Plan};
pub use crate::replay::{Replay, replay};
pub use crate::report::{Class, Failure, Report};
pub use crate::rng::Rng;
pub use crate::subject::{Step, Subject};
