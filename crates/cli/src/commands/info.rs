//! `info`: what a store is.

use serde_json::json;

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::Output;
use crate::stores;

pub fn run(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::inspecting(&args.store, context.timeout)?;
    let snapshot = stores::bolt(&store)?.snapshot()?;
    let info = snapshot.info();
    let metas = snapshot.metas();
    let freelist = info
        .freelist_page
        .map_or_else(|| "not stored".to_owned(), |page| format!("page {page}"));
    let states = metas.map(|meta| match meta {
        Ok(meta) => (meta.txid, "valid".to_owned()),
        Err(error) => (0, error.to_string()),
    });
    if out.is_json() {
        let metas = states.map(|(txid, state)| json!({"txid": txid, "state": state}));
        return out.object(&json!({
            "engine": store.engine_name(), "page_bytes": info.page_bytes, "txid": info.txid,
            "high_water": info.high_water, "size_bytes": info.size_bytes,
            "root_page": info.root_page, "freelist_page": info.freelist_page, "metas": metas,
        }));
    }
    out.line(&format!("Engine:      {}", store.engine_name()))?;
    out.line(&format!("Page size:   {} bytes", info.page_bytes))?;
    out.line(&format!("Pages:       {}", info.high_water))?;
    out.line(&format!("Size:        {} bytes", info.size_bytes))?;
    out.line(&format!("Transaction: {}", info.txid))?;
    out.line(&format!("Root:        page {}", info.root_page))?;
    out.line(&format!("Freelist:    {freelist}"))?;
    for (slot, (txid, state)) in states.iter().enumerate() {
        out.line(&format!("Meta {slot}:      {state}, transaction {txid}"))?;
    }
    Ok(())
}
