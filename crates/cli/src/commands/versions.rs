//! `scan --versions`: every version of every key, with what is kept beside it.

use kv_api::{Error, KeyRange, Reader, Space};
use serde_json::json;
use strata::lsm::Versioned;

use super::Context;
use super::read::BucketsArgs;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::{show, stores};

pub fn scan(
    args: &BucketsArgs,
    keys: KeyRange,
    limit: usize,
    context: &Context,
    out: &mut Output,
) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let snapshot = stores::only_lsm(&store, "versions, which only lsm stores keep")?.snapshot()?;
    let space = match args.path.names()[..] {
        [] => Space::DEFAULT,
        [name] => snapshot
            .space(name)?
            .ok_or(Error::NotFound { what: "space" })?,
        _ => return Err(Error::NotFound { what: "bucket" }.into()),
    };
    let stream = snapshot.stream().space(space).keys(keys);
    let (mut left, mut printed) = (limit, Ok(()));
    let streamed = stream.versions(usize::MAX).deletions(true).run(|batch| {
        for version in batch.iter() {
            if left == 0 {
                return Err(Error::other("enough"));
            }
            left -= 1;
            if let Err(failure) = print(&version, out) {
                printed = Err(failure);
                return Err(Error::other("nobody reads"));
            }
        }
        Ok(())
    });
    printed?;
    match streamed {
        Err(Error::Other(_)) if left == 0 => Ok(()),
        streamed => streamed.map(drop).map_err(Failure::from),
    }
}

fn print(version: &Versioned<'_>, out: &mut Output) -> Outcome {
    out.put(
        || {
            let value = version
                .value
                .map_or_else(|| "deleted".to_owned(), show::text);
            let (key, at) = (show::text(version.key), version.version);
            let (meta, expires) = (version.user_meta, version.expires_at);
            format!("{key} @{at} meta={meta} expires={expires}: {value}")
        },
        || {
            json!({
                "key": show::value(version.key), "version": version.version.0,
                "value": version.value.map(show::value), "user_meta": version.user_meta,
                "expires_at": version.expires_at, "discards_earlier": version.discards_earlier,
            })
        },
    )
}
