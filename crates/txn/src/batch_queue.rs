//! Calls of `batch` that gather for one transaction.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kv_api::Result;

use crate::transaction::Transaction;

type Work = Box<dyn FnMut(&mut Transaction) -> Result<()> + Send>;

/// What became of a call.
pub(crate) enum Verdict {
    /// It ran with the others, and this is how their commit ended.
    Done(Result<()>),
    /// It failed or panicked: its own thread must run it alone.
    RunAlone(Work),
}

/// A call that waits to run with others.
pub(crate) struct Call {
    pub work: Work,
    pub tell: Sender<Verdict>,
}

/// Calls gathering for one transaction.
#[derive(Default)]
pub(crate) struct Gathering {
    calls: Mutex<Vec<Call>>,
    pub full: Condvar,
}

impl Gathering {
    /// Those that have joined.
    pub fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls of a database that are gathering now.
#[derive(Default)]
pub(crate) struct BatchQueue(Mutex<Option<Arc<Gathering>>>);

impl BatchQueue {
    /// Adds a call; answers the gathering if this call opened it and must see it through.
    pub fn join(&self, call: Call, calls_max: usize) -> Option<Arc<Gathering>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = open.is_none();
        let gathering = Arc::clone(open.get_or_insert_with(Arc::default));
        let mut calls = gathering.calls();
        calls.push(call);
        if calls.len() >= calls_max {
            *open = None;
            gathering.full.notify_all();
        }
        drop(calls);
        opened.then_some(gathering)
    }

    /// Lets no more calls join `gathering`, and takes those that have.
    pub fn close(&self, gathering: &Arc<Gathering>) -> Vec<Call> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|now| Arc::ptr_eq(now, gathering)) {
            *open = None;
        }
        std::mem::take(&mut *gathering.calls())
    }
}
