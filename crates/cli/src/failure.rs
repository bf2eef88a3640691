//! What went wrong, told to a person, and the exit code that tells it to a program.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use kv_api::{Error, ErrorKind, Place};
use strata::flat::query::QueryError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The store or the system refused.
    Store(Error),
    /// The same while opening or making this file.
    At(PathBuf, Error),
    /// Standard output or another stream failed.
    Stream(io::Error),
    /// A check found damage, which has been printed.
    Findings(u64),
    /// What was asked makes no sense.
    Usage(String),
}

/// What every command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Store(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Stream(error)
    }
}

/// Whether a file or a directory was to be opened that is not there.
fn is_missing(error: &Error) -> bool {
    match error {
        Error::Io { doing, source } => {
            doing.starts_with("opening") && source.kind() == io::ErrorKind::NotFound
        }
        _ => false,
    }
}

/// Whether a snapshot is damaged, rather than a store.
fn is_of_stream(error: &Error) -> bool {
    match error {
        Error::Corrupt {
            place: Place::Offset { file, .. },
            ..
        } => file == "snapshot stream",
        _ => false,
    }
}

fn is_out_of_time(error: &Error) -> bool {
    let query = error.downcast_ref::<QueryError>();
    matches!(query, Some(QueryError::OutOfTime { .. }))
}

impl Failure {
    /// `error` with the name of the file it is about, unless it says that itself.
    pub fn at(name: &OsStr, error: Error) -> Failure {
        match error {
            Error::AlreadyOpen { .. } | Error::Locked { .. } | Error::InterruptedInit { .. } => {
                Failure::Store(error)
            }
            error => Failure::At(name.into(), error),
        }
    }

    /// The exit code, documented in `docs/cli.md`.
    fn code(&self) -> u8 {
        match self {
            Failure::Findings(_) => 3,
            Failure::Usage(_) => 2,
            Failure::Stream(_) => 1,
            Failure::Store(error) | Failure::At(_, error) => match error.kind() {
                ErrorKind::Corrupt | ErrorKind::InterruptedInit => 3,
                ErrorKind::Locked | ErrorKind::AlreadyOpen => 4,
                ErrorKind::NotFound => 5,
                _ => 1,
            },
        }
    }

    /// What a person may do next, where the error itself does not say.
    fn hint(&self) -> Option<&'static str> {
        match self {
            Failure::Findings(_) => {
                Some("restore a backup, or save what can be read with `strata export`")
            }
            Failure::At(_, error) if is_missing(error) => {
                Some("nothing has that name; `strata put STORE / KEY VALUE --create` makes a store")
            }
            Failure::At(_, error) if is_of_stream(error) => Some(
                "this is no whole snapshot: write it again with `strata snapshot`; the store is as it was",
            ),
            Failure::At(_, error) if error.kind() == ErrorKind::Exists => {
                Some("nothing is written over: name one that is not there")
            }
            Failure::At(_, error) if error.kind() == ErrorKind::Corrupt => {
                Some("if it was a store, restore a backup: it cannot be opened any more")
            }
            Failure::Store(error) => match error.kind() {
                ErrorKind::Corrupt => {
                    Some("`strata check` lists all damage; `strata export` saves what can be read")
                }
                ErrorKind::Locked => Some("wait longer with --timeout, for example --timeout 30s"),
                ErrorKind::AlreadyApplied => Some("what it stands for is in the store already"),
                ErrorKind::NotFound => Some("`strata inspect` shows the buckets there are"),
                ErrorKind::Other if is_out_of_time(error) => {
                    Some("ask about fewer keys (key like \"…*\" AND …), or with --value-index")
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Tells it and answers the code.
    pub fn report(self) -> ExitCode {
        let what = match &self {
            // Whoever read the output has seen enough: `strata keys my.db | head`.
            Failure::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            // The same where the engine wrote: `strata snapshot my-state - | head -c 100`.
            Failure::Store(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::BrokenPipe =>
            {
                return ExitCode::SUCCESS;
            }
            Failure::Stream(error) => error.to_string(),
            Failure::Store(error) => error.to_string(),
            Failure::At(name, error) => format!("{}: {error}", name.display()),
            Failure::Findings(count) => format!("{count} errors found"),
            Failure::Usage(what) => what.clone(),
        };
        eprintln!("strata: {what}");
        if let Some(hint) = self.hint() {
            eprintln!("  {hint}");
        }
        ExitCode::from(self.code())
    }
}
