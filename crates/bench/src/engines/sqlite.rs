//! SQLite: a table without row ids, in WAL mode. A handle serves one thread, so each thread that
//! calls takes one from a pool.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer,
};
use crate::engines::sqlite_texts;

const GET: &str = "SELECT value FROM bench WHERE key = ?1";
const SCAN: &str = "SELECT key, value FROM bench WHERE key >= ?1 ORDER BY key";
const SCAN_BACK: &str = "SELECT key, value FROM bench WHERE key >= ?1 ORDER BY key DESC";
const PUT: &str = "INSERT OR REPLACE INTO bench (key, value) VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM bench WHERE key = ?1";

/// How the bench runs it. Unsynced is `synchronous = OFF`: the log is written, not synced.
pub const KIND: Kind = Kind {
    name: "sqlite",
    version: || rusqlite::version().to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: Some(sqlite_texts::KIND),
};

struct Sqlite {
    file: PathBuf,
    opening: Opening,
    pool: Mutex<Vec<Connection>>,
}

pub(super) fn connect(file: &Path, opening: Opening) -> Result<Connection> {
    let connection = Connection::open(file)?;
    let synchronous = match opening.keeping {
        Keeping::Durable => "FULL",
        Keeping::Unsynced => "OFF",
    };
    let cache_kib = opening.cache_bytes >> 10;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
         PRAGMA cache_size = -{cache_kib}; PRAGMA mmap_size = {};
         PRAGMA busy_timeout = 60000;",
        opening.cache_bytes,
    ))?;
    Ok(connection)
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let file = directory.join("bench.sqlite");
    let connection = connect(&file, opening)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS bench (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
    )?;
    Ok(Box::new(Sqlite {
        file,
        opening,
        pool: Mutex::new(vec![connection]),
    }))
}

fn compact(directory: &Path) -> Result<()> {
    let opening = Opening {
        keeping: Keeping::Durable,
        cache_bytes: CACHE_BYTES,
    };
    let connection = connect(&directory.join("bench.sqlite"), opening)?;
    Ok(connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?)
}

impl Sqlite {
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let pooled = self.pool.lock().map_err(|_| "a thread panicked")?.pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => connect(&self.file, self.opening)?,
        };
        let done = work(&mut connection);
        let mut pool = self.pool.lock().map_err(|_| "a thread panicked")?;
        pool.push(connection);
        done
    }
}

impl Engine for Sqlite {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            work(&View(&transaction))
        })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        self.with(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            work(&mut Change(&transaction))?;
            Ok(transaction.commit()?)
        })
    }
}

struct View<'c>(&'c Connection);

impl View<'_> {
    fn rows(&self, query: &str, from: &[u8], visit: &mut Visit) -> Result<()> {
        let mut statement = self.0.prepare_cached(query)?;
        let mut rows = statement.query([from])?;
        while let Some(row) = rows.next()? {
            if !visit(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?) {
                break;
            }
        }
        Ok(())
    }
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let mut statement = self.0.prepare_cached(GET)?;
        let found = statement
            .query_row([key], |row| {
                show(row.get_ref(0)?.as_blob()?);
                Ok(())
            })
            .optional()?;
        Ok(found.is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        self.rows(SCAN, from, visit)
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        self.rows(SCAN_BACK, &[], visit)
    }
}

struct Change<'c>(&'c Connection);

impl Writer for Change<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.prepare_cached(PUT)?.execute((key, value))?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.0.prepare_cached(DELETE)?.execute([key])?;
        Ok(())
    }
}
