//! Telling at a steady pace what a database has done since the last time.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::db::Db;
use crate::statistics::Statistics;

/// Calls a function with the difference of two statistics at a steady pace, until dropped.
///
/// ```
/// # fn main() -> txn::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let db = txn::Db::open(directory.path().join("my.db"))?;
/// use std::time::Duration;
///
/// let ticker = txn::Ticker::start(&db, Duration::from_secs(10), |since| {
///     eprintln!("{}", since.to_json());
/// });
/// // ... work ...
/// drop(ticker);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking on a thread of its own. Ends by itself when the database is closed.
    pub fn start(
        db: &Db,
        every: Duration,
        mut tell: impl FnMut(&Statistics) + Send + 'static,
    ) -> Ticker {
        let db = db.clone();
        let (stop, stopped) = channel::<()>();
        // Here, so that nothing is missed that happens before the thread gets to run.
        let earlier = db.statistics();
        let thread = std::thread::spawn(move || {
            let Ok(mut earlier) = earlier else {
                return;
            };
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let Ok(now) = db.statistics() else { return };
                tell(&now.since(&earlier));
                earlier = now;
            }
        });
        Ticker {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the caller's function has been reported by its own thread.
            let _ = thread.join();
        }
    }
}

impl Statistics {
    /// The figures as one JSON object on one line.
    pub fn to_json(&self) -> String {
        let fields = self
            .fields()
            .map(|(name, figure)| format!("\"{name}\":{figure}"));
        format!("{{{}}}", fields.join(","))
    }
}
