//! `pages`, `page` and `dump`: the file by pages.

use std::ffi::OsString;

use clap::Args;
use kv_api::{Error, ErrorKind};
use serde_json::{Value, json};
use txn::{LeafValue, MetaRecord, PageContents, PageInfo, PageUse, Snapshot};

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::Output;
use crate::{show, stores};

#[derive(Args, Debug)]
pub struct PageArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The pages
    #[arg(value_name = "PAGE", required = true)]
    pages: Vec<u64>,
}

fn name(usage: PageUse) -> &'static str {
    match usage {
        PageUse::Meta => "meta",
        PageUse::Freelist => "freelist",
        PageUse::Branch => "branch",
        PageUse::Leaf => "leaf",
        PageUse::Free => "free",
        _ => "unknown",
    }
}

/// What pages are, also where damage hides which of them are free.
struct Pages<'s> {
    snapshot: &'s Snapshot,
    free_unknown: bool,
}

impl<'s> Pages<'s> {
    fn of(snapshot: &'s Snapshot) -> Pages<'s> {
        let damaged = match snapshot.page(snapshot.info().root_page) {
            Err(error) if error.kind() == ErrorKind::Corrupt => Some(error),
            _ => None,
        };
        if let Some(error) = &damaged {
            eprintln!("strata: which pages are free is not known: {error}");
        }
        Pages {
            snapshot,
            free_unknown: damaged.is_some(),
        }
    }

    fn page(&self, id: u64) -> Outcome<Option<PageInfo>> {
        Ok(if self.free_unknown {
            self.snapshot.page_by_header(id)?
        } else {
            self.snapshot.page(id)?
        })
    }
}

pub fn table(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::inspecting(&args.store, context.timeout)?;
    let snapshot = stores::bolt(&store)?.snapshot()?;
    if !out.is_json() {
        out.line("PAGE     TYPE       ITEMS  OVERFLOW")?;
    }
    let pages = Pages::of(&snapshot);
    let mut id = 0;
    while let Some(page) = pages.page(id)? {
        let overflow = if page.overflow > 0 {
            page.overflow.to_string()
        } else {
            String::new()
        };
        let items = match page.usage {
            PageUse::Branch | PageUse::Leaf | PageUse::Freelist => page.count.to_string(),
            _ => String::new(),
        };
        out.put(
            || format!("{id:<8} {:<10} {items:<6} {overflow}", name(page.usage)).trim_end().to_owned(),
            || json!({"page": id, "type": name(page.usage), "items": page.count, "overflow": page.overflow}),
        )?;
        id += 1 + page.overflow;
    }
    Ok(())
}

fn meta_lines(meta: &MetaRecord) -> Vec<String> {
    let freelist = meta
        .freelist_page
        .map_or_else(|| "not stored".into(), |page| page.to_string());
    vec![
        format!("Page size:   {} bytes", meta.page_bytes),
        format!("Flags:       {:08x}", meta.flags),
        format!("Root:        page {}", meta.root_page),
        format!("Freelist:    {freelist}"),
        format!("High water:  {}", meta.high_water),
        format!("Transaction: {}", meta.txid),
        format!("Checksum:    {:016x}", meta.checksum),
    ]
}

fn meta_value(meta: &MetaRecord) -> Value {
    json!({
        "page_bytes": meta.page_bytes, "flags": meta.flags, "root_page": meta.root_page,
        "freelist_page": meta.freelist_page, "high_water": meta.high_water, "txid": meta.txid,
        "checksum": format!("{:016x}", meta.checksum),
    })
}

/// A line and an object for each element of a page.
fn elements(contents: &PageContents<'_>) -> Vec<(String, Value)> {
    let shown = |key: &[u8]| (show::text(key), show::value(key));
    match contents {
        PageContents::Freelist(ids) => ids
            .iter()
            .map(|id| (id.to_string(), json!({ "free": id })))
            .collect(),
        PageContents::Branch(children) => children
            .iter()
            .map(|(key, child)| {
                let (text, value) = shown(key);
                (
                    format!("{text}: page {child}"),
                    json!({"key": value, "child": child}),
                )
            })
            .collect(),
        PageContents::Leaf(entries) => entries
            .iter()
            .map(|(key, value)| leaf(shown(key), value))
            .collect(),
        _ => Vec::new(),
    }
}

fn leaf((text, key): (String, Value), value: &LeafValue<'_>) -> (String, Value) {
    match value {
        LeafValue::Value(value) => (
            format!("{text}: {}", show::text(value)),
            json!({"key": key, "value": show::value(value)}),
        ),
        LeafValue::Bucket {
            root_page,
            sequence,
        } => (
            format!("{text}: bucket, root page {root_page}, sequence {sequence}"),
            json!({"bucket": key, "root_page": root_page, "sequence": sequence}),
        ),
    }
}

pub fn show(args: &PageArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::inspecting(&args.store, context.timeout)?;
    let snapshot = stores::bolt(&store)?.snapshot()?;
    let page_bytes = u64::from(snapshot.info().page_bytes);
    let pages = Pages::of(&snapshot);
    for &id in &args.pages {
        let page = pages.page(id)?.ok_or(Error::Invalid {
            what: "a page number outside the file",
        })?;
        let usage = name(page.usage);
        let mut lines = vec![
            format!("Page:        {id}"),
            format!("Type:        {usage}"),
            format!("Total size:  {} bytes", (page.overflow + 1) * page_bytes),
        ];
        let mut object = json!({"page": id, "type": usage, "overflow": page.overflow});
        let mut add = |name: &str, value: Value| {
            if let Some(object) = object.as_object_mut() {
                object.insert(name.to_owned(), value);
            }
        };
        match page.usage {
            PageUse::Meta => {
                let [zero, one] = snapshot.metas();
                let meta = if id == 0 { zero } else { one }?;
                lines.extend(meta_lines(&meta));
                add("meta", meta_value(&meta));
            }
            PageUse::Branch | PageUse::Leaf | PageUse::Freelist => {
                let elements = elements(&snapshot.page_contents(id)?);
                lines.push(format!("Items:       {}\n", elements.len()));
                let (texts, values): (Vec<_>, Vec<_>) = elements.into_iter().unzip();
                lines.extend(texts);
                add("items", Value::Array(values));
            }
            _ => {}
        }
        out.put(|| lines.join("\n") + "\n", || object)?;
    }
    Ok(())
}

const BYTES_PER_LINE: usize = 16;

pub fn dump(args: &PageArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::inspecting(&args.store, context.timeout)?;
    let snapshot = stores::bolt(&store)?.snapshot()?;
    for &id in &args.pages {
        let image = snapshot.page_image(id)?;
        if out.is_json() {
            out.object(&json!({"page": id, "hex": show::hex(&image)}))?;
            continue;
        }
        let base = id * image.len() as u64;
        let mut before: Option<&[u8]> = None;
        let mut repeating = false;
        for (index, line) in image.chunks(BYTES_PER_LINE).enumerate() {
            let last = (index + 1) * BYTES_PER_LINE >= image.len();
            if before == Some(line) && !last {
                if !repeating {
                    out.line("*")?;
                }
                repeating = true;
                continue;
            }
            (before, repeating) = (Some(line), false);
            let groups: Vec<String> = line.chunks(2).map(show::hex).collect();
            let offset = base + (index * BYTES_PER_LINE) as u64;
            out.line(&format!("{offset:07x} {}", groups.join(" ")))?;
        }
        out.line("")?;
    }
    Ok(())
}
