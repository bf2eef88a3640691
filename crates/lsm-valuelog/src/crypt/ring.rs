//! The keys of an open store: it makes the key of each new file, opens those of old ones, and
//! makes a new data key when the newest has grown old.
//!
//! Invariant: a data key is durable in the registry before any file's key is sealed under it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::Disk;
use kv_api::{Error, Result};
use zeroize::Zeroizing;

use crate::crypt::cipher::{KEY_BYTES, NONCE_BYTES, Opener, Sealer, open_with, seal_with};
use crate::crypt::envelope::{Envelope, FileKind};
use crate::crypt::master::MasterKey;
use crate::crypt::registry::{DataKey, KEYS_MAX, NAME, Registry};
use crate::error::{damage, locked};
use crate::id::FileId;
use aes_gcm::{Aes256Gcm, KeyInit};

/// Where random bytes come from.
pub(crate) type Entropy = Arc<dyn Fn(&mut [u8]) -> std::io::Result<()> + Send + Sync>;

/// What a ring asks of the world.
#[derive(Clone)]
pub(crate) struct Means {
    pub disk: Arc<dyn Disk>,
    pub directory: PathBuf,
    pub entropy: Entropy,
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// How old the newest data key may be when a file is made.
    pub period: Duration,
}

struct Held {
    master: MasterKey,
    registry: Registry,
}

/// The keys of an open store.
pub(crate) struct KeyRing {
    means: Means,
    held: Mutex<Held>,
}

fn draw<const N: usize>(entropy: &Entropy) -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    entropy(&mut *bytes).map_err(|error| Error::io("drawing random bytes", error))?;
    Ok(bytes)
}

fn context(kind: FileKind, id: FileId) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = id.0.to_le_bytes();
    [kind.code(), a, b, c, d, e, f, g, h]
}

impl KeyRing {
    /// The ring of a store that has one; `None` for a store that is not encrypted.
    pub fn load(means: Means, master: Option<&MasterKey>) -> Result<Option<KeyRing>> {
        let registry = Registry::read(&*means.disk, &means.directory, master)?;
        let held = registry.zip(master).map(|(registry, master)| Held {
            master: master.clone(),
            registry,
        });
        Ok(held.map(|held| KeyRing {
            means,
            held: Mutex::new(held),
        }))
    }

    /// Gives a store without one a ring. `takes_plain` says whether it has files already.
    pub fn create(means: Means, master: &MasterKey, takes_plain: bool) -> Result<KeyRing> {
        let ring = KeyRing {
            means,
            held: Mutex::new(Held {
                master: master.clone(),
                registry: Registry {
                    takes_plain,
                    ..Registry::default()
                },
            }),
        };
        {
            let held = locked(&ring.held);
            ring.write(&held.registry, &held.master)?;
        }
        Ok(ring)
    }

    fn write(&self, registry: &Registry, master: &MasterKey) -> Result<()> {
        let nonce = draw::<NONCE_BYTES>(&self.means.entropy)?;
        registry.write(&*self.means.disk, &self.means.directory, master, *nonce)
    }

    /// The newest data key, or a new one if that has grown old.
    fn data_key(&self) -> Result<(u64, DataKey)> {
        let mut held = locked(&self.held);
        let now = (self.means.clock)();
        let newest = held.registry.keys.last_key_value();
        let is_full = held.registry.keys.len() >= KEYS_MAX;
        if let Some((id, key)) = newest
            && (is_full || now.saturating_sub(key.created) < self.means.period.as_secs())
        {
            return Ok((*id, key.clone()));
        }
        let id = newest.map_or(1, |(id, _)| id.saturating_add(1));
        let key = DataKey {
            created: now,
            key: draw::<KEY_BYTES>(&self.means.entropy)?,
        };
        let mut registry = held.registry.clone();
        registry.keys.insert(id, key.clone());
        self.write(&registry, &held.master)?;
        held.registry = registry;
        tracing::info!(id, "a new data key");
        Ok((id, key))
    }

    /// A key for a file that is being made: the only sealer there will ever be under it, and what
    /// the file's header has to say.
    pub fn new_file(&self, kind: FileKind, id: FileId) -> Result<(Sealer, Envelope)> {
        let (data_key, sealing) = self.data_key()?;
        let key = draw::<KEY_BYTES>(&self.means.entropy)?;
        let nonce = *draw::<NONCE_BYTES>(&self.means.entropy)?;
        let mut sealed = *key;
        let cipher = Aes256Gcm::new(&(*sealing.key).into());
        let tag = seal_with(&cipher, nonce, &context(kind, id), &mut sealed);
        let envelope = Envelope {
            data_key,
            nonce,
            key: sealed,
            tag: tag.ok_or(Error::Invalid {
                what: "a file's key cannot be sealed",
            })?,
        };
        Ok((Sealer::new(&key), envelope))
    }

    /// What opens the units of the file `name`, whose header says `envelope`; `None` for a file in
    /// clear, where the store may have such.
    pub fn open_file(
        &self,
        name: &str,
        (kind, id): (FileKind, FileId),
        envelope: &Envelope,
    ) -> Result<Option<Opener>> {
        let held = locked(&self.held);
        if *envelope == Envelope::NONE {
            if held.registry.takes_plain {
                return Ok(None);
            }
            return Err(damage(
                name,
                0,
                "the file is in clear in an encrypted store",
            ));
        }
        let sealing = held.registry.keys.get(&envelope.data_key).ok_or_else(|| {
            let what = format!(
                "there is no data key {}, which {name} needs",
                envelope.data_key
            );
            damage(NAME, 0, what)
        })?;
        let mut key = Zeroizing::new(envelope.key);
        let cipher = Aes256Gcm::new(&(*sealing.key).into());
        let context = context(kind, id);
        if !open_with(&cipher, envelope.nonce, &context, &mut *key, envelope.tag) {
            return Err(damage(
                name,
                0,
                "the file's key is damaged or another file's",
            ));
        }
        Ok(Some(Opener::new(&key)))
    }

    /// Has another master key seal the registry from now on.
    pub fn rotate_master(&self, master: MasterKey) -> Result<()> {
        let mut held = locked(&self.held);
        self.write(&held.registry, &master)?;
        held.master = master;
        Ok(())
    }

    /// Data keys made so far.
    pub fn data_keys(&self) -> usize {
        locked(&self.held).registry.keys.len()
    }
}

/// The same for a store that may have no ring.
pub(crate) fn open_file(
    ring: Option<&KeyRing>,
    name: &str,
    file: (FileKind, FileId),
    envelope: &Envelope,
) -> Result<Option<Opener>> {
    match ring {
        Some(ring) => ring.open_file(name, file, envelope),
        None if *envelope == Envelope::NONE => Ok(None),
        None => {
            let what = format!("the key registry is missing, which {name} needs");
            Err(damage(NAME, 0, what))
        }
    }
}

/// The same for making a file.
pub(crate) fn new_file(
    ring: Option<&KeyRing>,
    kind: FileKind,
    id: FileId,
) -> Result<(Option<Sealer>, Envelope)> {
    match ring {
        Some(ring) => {
            let (sealer, envelope) = ring.new_file(kind, id)?;
            Ok((Some(sealer), envelope))
        }
        None => Ok((None, Envelope::NONE)),
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing")
    }
}

#[cfg(test)]
mod tests {
    use disk::MemoryDisk;

    use super::*;

    #[test]
    fn no_period_makes_so_many_data_keys_that_the_registry_is_not_believed() -> Result<()> {
        let means = || Means {
            disk: Arc::<MemoryDisk>::default(),
            directory: PathBuf::new(),
            entropy: Arc::new(|bytes| {
                bytes.fill(7);
                Ok(())
            }),
            clock: Arc::new(|| 1_000),
            period: Duration::ZERO,
        };
        let (means, master) = (means(), MasterKey::new(&[1; 16])?);
        let ring = KeyRing::create(means.clone(), &master, false)?;
        let key = DataKey {
            created: u64::MAX,
            key: Zeroizing::new([3; KEY_BYTES]),
        };
        // As many as there may be but one, with the longest numbers.
        let ids = u64::MAX - KEYS_MAX as u64 + 1..u64::MAX;
        locked(&ring.held).registry.keys = ids.map(|id| (id, key.clone())).collect();
        for file in 1..4 {
            ring.new_file(FileKind::Table, FileId(file))?;
        }
        assert_eq!(ring.data_keys(), KEYS_MAX);
        let again = KeyRing::load(means, Some(&master))?;
        assert_eq!(again.map(|ring| ring.data_keys()), Some(KEYS_MAX));
        Ok(())
    }
}
