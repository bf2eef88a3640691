//! Files and directories that appear whole under their names or not at all.

use std::path::{Path, PathBuf};

use kv_api::Error;

use crate::failure::{Failure, Outcome};

/// Refuses a target that exists.
pub fn must_not_exist(path: &Path) -> Outcome {
    match path.symlink_metadata() {
        Ok(_) => {
            let exists = Error::Exists { what: "the target" };
            Err(Failure::at(path.as_os_str(), exists))
        }
        Err(_) => Ok(()),
    }
}

/// A name beside `path` for what is not finished.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".unfinished-{}", std::process::id()));
    path.with_file_name(name)
}

/// Makes the name `path` durable.
fn sync_parent(path: &Path) -> Outcome {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    Ok(std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?)
}

/// Gives the path of something unfinished to `make`, which makes it durable there, and then its
/// own name, `path`, to what was made.
pub fn put_in_place<T>(path: &Path, make: impl FnOnce(&Path) -> Outcome<T>) -> Outcome<T> {
    let unfinished = unfinished(path);
    let done = make(&unfinished).and_then(|made| {
        // Both names are in one directory.
        std::fs::rename(&unfinished, path)?;
        sync_parent(path).map(|()| made)
    });
    if done.is_err() {
        // Best effort: the name says what it is.
        let _ = std::fs::remove_file(&unfinished).or_else(|_| std::fs::remove_dir_all(&unfinished));
    }
    done
}

/// Bytes of a file, or of the files in a directory.
pub fn size_of(path: &Path) -> std::io::Result<u64> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let files = std::fs::read_dir(path)?;
    files.map(|file| Ok(file?.metadata()?.len())).sum()
}
