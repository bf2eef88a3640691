//! `check`: looking for damage.

use std::ffi::OsString;

use clap::Args;
use kv_api::Error;
use kv_api::capability::Finding;
use serde_json::json;

use super::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::stores;

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// Check only the tree that begins at this page
    #[arg(long, value_name = "PAGE")]
    from_page: Option<u64>,
}

pub fn run(args: &CheckArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::inspecting(&args.store, context.timeout)?;
    let mut printed = Ok(());
    let mut report = |finding: Finding| {
        if printed.is_ok() {
            let place = finding.place.to_string();
            printed = out.put(
                || format!("{place}: {}", finding.what),
                || json!({"place": place, "what": finding.what}),
            );
        }
    };
    let summary = match args.from_page {
        Some(page) => {
            let snapshot = stores::bolt(&store)?.snapshot()?;
            txn::check_from_page(&snapshot, page, &mut report)?
        }
        None => {
            let check = store.as_check();
            check
                .ok_or(Error::Unsupported { what: "a check" })?
                .check(&mut report)?
        }
    };
    printed?;
    let object = || json!({"findings": summary.findings, "units": summary.units});
    if summary.findings > 0 {
        if out.is_json() {
            out.object(&object())?;
        }
        // The findings come before the verdict on standard error.
        out.flush()?;
        return Err(Failure::Findings(summary.findings));
    }
    out.put(|| "OK".to_owned(), object)
}
