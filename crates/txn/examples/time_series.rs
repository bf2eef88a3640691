//! Time series: a bucket for each metric, times in RFC 3339 as keys, ranges with both ends.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use txn::{Db, Result};

/// Stores one measurement. RFC 3339 times in one zone sort as text.
fn store(db: &Db, metric: &str, time: &str, value: f64) -> Result<()> {
    db.update_grouped(|tx| {
        let mut metrics = tx.create_bucket_if_missing("metrics")?;
        metrics
            .create_bucket_if_missing(metric)?
            .put(time, value.to_le_bytes())
    })
}

/// The measurements from one time to another, both included.
fn between(db: &Db, metric: &str, from: &str, to: &str) -> Result<Vec<(String, f64)>> {
    db.view(|tx| {
        let series = tx.bucket("metrics")?.bucket(metric)?;
        let measured = series.range(from..=to).map(|pair| {
            let (time, value) = pair?;
            let value = value
                .first_chunk()
                .map_or(f64::NAN, |bytes| f64::from_le_bytes(*bytes));
            Ok((String::from_utf8_lossy(time).into_owned(), value))
        });
        measured.collect()
    })
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(txn::Error::other)?;
    let db = Db::open(directory.path().join("metrics.db"))?;
    // Sensors report at the same time; those that meet share one commit.
    std::thread::scope(|scope| {
        let sensors: Vec<_> = ["load", "temperature"]
            .into_iter()
            .map(|metric| {
                let db = &db;
                scope.spawn(move || {
                    (1980..2010_u32).try_for_each(|year| {
                        store(
                            db,
                            metric,
                            &format!("{year}-06-01T12:00:00Z"),
                            f64::from(year) / 10.0,
                        )
                    })
                })
            })
            .collect();
        sensors
            .into_iter()
            .try_for_each(|sensor| match sensor.join() {
                Ok(stored) => stored,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;

    let nineties = between(&db, "load", "1990-01-01T00:00:00Z", "2000-01-01T00:00:00Z")?;
    for (time, value) in &nineties {
        println!("{time}  {value:.1}");
    }
    assert_eq!(nineties.len(), 10);
    let exact = between(&db, "load", "1990-06-01T12:00:00Z", "1992-06-01T12:00:00Z")?;
    assert_eq!(exact.len(), 3, "both ends are in the range");
    Ok(())
}
