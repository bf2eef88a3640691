//! `bank`: transfers between accounts under audit, on any engine.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use clap::Args;
use isolation::{Bank, BankReport, ThroughHandle, Violation};
use kv_api::{Error, Place, Store};
use serde_json::json;
use strata::{AnyStore, Engine, Location};

use super::Context;
use crate::arguments::pace;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, progress_steps};
use crate::stores;

#[derive(Args, Debug)]
pub struct BankArgs {
    /// The store, made if it does not exist; a temporary one of the lsm engine if none is named
    #[arg(value_name = "STORE")]
    store: Option<OsString>,
    /// Accounts, of 100 each
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    accounts: u32,
    /// Threads that move money
    #[arg(long, value_name = "N", default_value_t = 16)]
    threads: usize,
    /// For how long
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = pace)]
    lasting: Duration,
    /// Bytes behind half of the balances, so that they are stored as large values are
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    padding: usize,
    /// The same seed makes the same choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub fn run(args: &BankArgs, context: &Context, out: &mut Output) -> Outcome {
    let temporary;
    let location = match &args.store {
        Some(store) => Location::parse(store),
        None => {
            temporary = tempfile::tempdir()?;
            Location::of(Engine::Lsm, temporary.path().join("bank"))
        }
    };
    let store = stores::writing_at(&location, context.timeout)?;
    let balanced = balance(args, &store);
    store.shut_down()?;
    let report = balanced.map_err(|violation| match violation {
        Violation::Failed(error) => Failure::at(location.path().as_os_str(), error),
        violation => Failure::at(
            location.path().as_os_str(),
            Error::corrupt(
                Place::Store,
                format!("the bank does not balance: {violation}"),
            ),
        ),
    })?;
    out.put(
        || {
            format!(
                "OK: {} transfers, {} accounts opened or closed, {} audits, {} look-ups, {} conflicts",
                report.transfers, report.turnovers, report.audits, report.look_ups, report.conflicts
            )
        },
        || {
            json!({
                "transfers": report.transfers, "turnovers": report.turnovers,
                "audits": report.audits, "look_ups": report.look_ups,
                "conflicts": report.conflicts, "abandoned": report.abandoned,
            })
        },
    )
}

fn balance(args: &BankArgs, store: &AnyStore) -> Result<BankReport, Violation> {
    if let Some(db) = stores::lsm(store) {
        let chore = || {
            db.flush()?;
            db.collect().map(drop)
        };
        return transfer(args, db, &chore);
    }
    if let Some(db) = stores::flat(store) {
        return transfer(args, db, &|| Ok(()));
    }
    match store.engine_as::<txn::Db>() {
        Some(db) => transfer(args, db, &|| Ok(())),
        None => Err(Violation::Failed(Error::Unsupported {
            what: "a bank on this engine",
        })),
    }
}

fn transfer<S: Store>(
    args: &BankArgs,
    store: &S,
    chore: &(dyn Fn() -> kv_api::Result<()> + Sync),
) -> Result<BankReport, Violation> {
    let bank = Bank {
        accounts: args.accounts,
        threads: args.threads.max(1),
        lasting: args.lasting,
        padding_bytes: args.padding,
        seed: args.seed,
    };
    let bar = progress_steps("transferring");
    bar.set_length(u64::try_from(args.lasting.as_millis()).unwrap_or(u64::MAX));
    let began = Instant::now();
    let report = bank.run(&ThroughHandle::new(store), chore, &mut |_| {
        bar.set_position(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        true
    });
    bar.finish_and_clear();
    report
}
