//! The ways in which the engine is used while it is crashed.

use lsm_valuelog::Compression;

use super::work::Mix;

/// One way to use the engine.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub name: &'static str,
    /// Values from here on go to the value log.
    pub threshold: usize,
    pub value_file_bytes: u64,
    pub memtable_bytes: usize,
    pub is_mapped: bool,
    pub compression: Compression,
    pub versions: usize,
    /// Encrypted, with a data key for every file, and now and then another master key.
    pub is_encrypted: bool,
    pub steps: usize,
    pub mix: Mix,
}

impl Profile {
    pub const PLAIN: Profile = Profile {
        name: "plain",
        threshold: 4096,
        value_file_bytes: 8 << 10,
        memtable_bytes: 4 << 10,
        is_mapped: false,
        compression: Compression::None,
        versions: 1,
        is_encrypted: false,
        steps: 24,
        mix: Mix {
            relaxed: 12,
            other_ends: 15,
            large: 20,
            bulk: 0,
            drops: 0,
            events: 0,
            loads: 0,
        },
    };

    /// With loads, restores, drops, bans, flattening and flushes among the commits.
    pub const EVENTS: Profile = Profile {
        name: "events",
        threshold: 150,
        steps: 16,
        mix: Mix {
            events: 45,
            drops: 8,
            large: 30,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    };

    /// The same, encrypted, with master keys that change.
    pub const SEALED_EVENTS: Profile = Profile {
        name: "events, encrypted",
        is_encrypted: true,
        compression: Compression::Lz4,
        ..Profile::EVENTS
    };

    /// With memtables so large that their logs are worth being written again.
    pub const RECYCLED: Profile = Profile {
        name: "recycled logs",
        memtable_bytes: (1 << 20) + 1,
        mix: Mix {
            events: 30,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    };

    /// With copies of changes and other loads, into stores empty and not, some of them overtaken by
    /// commits.
    pub const LOADS: Profile = Profile {
        name: "loads",
        threshold: 150,
        steps: 12,
        mix: Mix {
            loads: 65,
            drops: 4,
            large: 30,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    };

    pub fn with_mix(self, change: impl FnOnce(&mut Mix)) -> Profile {
        let mut mix = self.mix;
        change(&mut mix);
        Profile { mix, ..self }
    }
}

/// Every way that is explored.
pub const PROFILES: [Profile; 12] = [
    Profile::PLAIN,
    Profile {
        name: "value log",
        threshold: 150,
        mix: Mix {
            large: 45,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "small value files",
        threshold: 40,
        value_file_bytes: 4 << 10,
        mix: Mix {
            large: 60,
            other_ends: 25,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "bulk",
        threshold: 150,
        compression: Compression::Lz4,
        steps: 14,
        mix: Mix {
            bulk: 40,
            large: 15,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "relaxed",
        threshold: 150,
        mix: Mix {
            relaxed: 40,
            large: 30,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "mapped, versions kept",
        is_mapped: true,
        versions: 3,
        ..Profile::PLAIN
    },
    Profile {
        name: "encrypted",
        threshold: 100,
        is_encrypted: true,
        mix: Mix {
            large: 45,
            other_ends: 25,
            bulk: 4,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "drops",
        threshold: 150,
        mix: Mix {
            drops: 25,
            large: 30,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile::EVENTS,
    Profile::SEALED_EVENTS,
    Profile::RECYCLED,
    Profile::LOADS,
];
