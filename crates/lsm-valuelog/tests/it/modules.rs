//! The shape of the sources: files that can be read at a sitting, and modules that know no one who
//! knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Lines of a file of sources, and of tests, at most.
const SOURCE_LINES_MAX: usize = 400;
const TEST_LINES_MAX: usize = 500;

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whom each module below the root names, by paths that begin at the root, its tests aside.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn graph() -> Graph {
    let root = home().join("src");
    let mut graph = Graph::new();
    for file in rust_files(&root) {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let first = inside.components().next().unwrap().as_os_str();
        let module = first.to_str().unwrap().to_owned();
        graph.entry(module).or_default();
    }
    // The root names all, and those tests look into all.
    graph.retain(|module, _| module != "lib" && module != "planted");
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    for file in rust_files(&root) {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let first = inside.components().next().unwrap().as_os_str();
        let Some(named) = graph.get_mut(first.to_str().unwrap()) else {
            continue;
        };
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        // What is re-exported at the root is named in documentation only.
        let lines = text.lines().filter(|line| !line.trim().starts_with("//"));
        for line in lines {
            for path in line.split("crate::").skip(1) {
                let end = path.find(|c: char| c != '_' && !c.is_alphanumeric());
                let name = &path[..end.unwrap_or(path.len())];
                if modules.contains(name) {
                    named.insert(name.to_owned());
                }
            }
        }
        named.remove(first.to_str().unwrap());
    }
    graph
}

/// What is left of `graph` once all that name nobody who is left are taken away, again and again:
/// nothing, unless there is a cycle.
fn cycles(mut graph: Graph) -> Graph {
    loop {
        let left: BTreeSet<String> = graph.keys().cloned().collect();
        graph.values_mut().for_each(|named| {
            named.retain(|name| left.contains(name));
        });
        graph.retain(|_, named| !named.is_empty());
        if graph.len() == left.len() {
            return graph;
        }
    }
}

#[test]
fn no_module_names_one_that_names_it_by_whatever_way() {
    let graph = graph();
    let arrows: usize = graph.values().map(BTreeSet::len).sum();
    assert!(graph.len() > 90 && arrows > 500, "{graph:?}");
    let cycles = cycles(graph);
    assert!(
        cycles.is_empty(),
        "a cycle, and who leads to it: {cycles:?}"
    );
}

#[test]
fn no_file_is_longer_than_can_be_read_at_a_sitting() {
    for (directory, lines_max) in [("src", SOURCE_LINES_MAX), ("tests", TEST_LINES_MAX)] {
        for file in rust_files(&home().join(directory)) {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= lines_max, "{lines} lines in {}", file.display());
        }
    }
}
