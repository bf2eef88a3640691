//! Where a store is, and which engine it belongs to if that was said.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::engine::Engine;

/// Where a store is: a path, with or without an engine in front.
///
/// ```
/// use strata::{Engine, Location};
///
/// let said = Location::parse("bolt:/var/lib/app.db");
/// assert_eq!(said.engine(), Some(Engine::Bolt));
/// assert_eq!(said.path().to_str(), Some("/var/lib/app.db"));
///
/// // A colon alone makes no engine, and `./` keeps a name from being taken for one.
/// assert_eq!(Location::parse("backup-12:30.db").engine(), None);
/// assert_eq!(Location::parse("./bolt:odd").engine(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    engine: Option<Engine>,
    path: PathBuf,
}

impl Location {
    /// Reads `bolt:FILE`, `lsm:DIR`, `flat:DIR` or a plain path. Any text is a location; one that
    /// begins with no known engine is a path.
    pub fn parse(text: impl AsRef<OsStr>) -> Location {
        let text = text.as_ref();
        let scheme = Engine::ALL.into_iter().find_map(|engine| {
            let rest = text
                .as_encoded_bytes()
                .strip_prefix(engine.name().as_bytes())?;
            rest.strip_prefix(b":").map(|rest| (engine, rest.len()))
        });
        match scheme {
            Some((engine, rest_bytes)) => Location {
                engine: Some(engine),
                path: tail(text, rest_bytes),
            },
            None => Location::new(PathBuf::from(text)),
        }
    }

    /// A path whose engine is to be recognised.
    pub fn new(path: impl Into<PathBuf>) -> Location {
        Location {
            engine: None,
            path: path.into(),
        }
    }

    /// A path that belongs to `engine`.
    pub fn of(engine: Engine, path: impl Into<PathBuf>) -> Location {
        Location {
            engine: Some(engine),
            path: path.into(),
        }
    }

    /// The engine, if it was said.
    pub fn engine(&self) -> Option<Engine> {
        self.engine
    }

    /// The file or directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The last `bytes` bytes of `text`, which stand behind an ASCII character.
fn tail(text: &OsStr, bytes: usize) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let all = text.as_bytes();
    let rest = all.get(all.len() - bytes..).unwrap_or_default();
    PathBuf::from(OsStr::from_bytes(rest))
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Location {
        Location::parse(path)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.engine {
            Some(engine) => write!(f, "{engine}:{}", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_a_scheme_and_nothing_else_is() {
        for engine in Engine::ALL {
            let said = Location::parse(format!("{engine}:some/where"));
            assert_eq!(said, Location::of(engine, "some/where"));
            assert_eq!(Location::parse(said.to_string()), said);
        }
        for plain in ["bolt", "bolts:x", "sled:x", "/bolt:x", "", ":x"] {
            assert_eq!(Location::parse(plain), Location::new(plain), "{plain}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let text = OsStr::from_bytes(b"bolt:\xff/\xfe");
        assert_eq!(
            Location::parse(text).path().as_os_str().as_bytes(),
            b"\xff/\xfe"
        );
    }
}
