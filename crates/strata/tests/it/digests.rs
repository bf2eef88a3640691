//! Digests of real files, against those their makers' own library gives.

use std::path::PathBuf;

use strata::{Digest, OpenOptions};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The names and expected lines of `fixtures/digests.txt`.
fn expected() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(fixtures().join("digests.txt")).unwrap();
    let split = |line: &str| {
        let (name, digest) = line.split_once(' ').unwrap();
        (name.to_owned(), digest.to_owned())
    };
    text.lines().map(split).collect()
}

#[test]
fn every_fixture_has_the_digest_its_maker_gives() {
    let expected = expected();
    assert!(expected.len() >= 8, "the list is not cut short");
    for untrusted in [false, true] {
        for (name, digest) in &expected {
            let options = OpenOptions::new().read_only(true).untrusted(untrusted);
            let store = options.open(fixtures().join(name)).unwrap();
            let found = store.open_snapshot().unwrap().digest().unwrap();
            assert_eq!(found.to_string(), *digest, "{name}");
        }
    }
}

#[test]
fn no_fixture_is_left_out() {
    let listed: Vec<String> = expected().into_iter().map(|(name, _)| name).collect();
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".db") {
            assert!(listed.contains(&name), "{name}");
        }
    }
}

#[test]
fn the_digest_sees_what_a_count_cannot() {
    use kv_api::capability::BucketVisitor;
    let of = |show: &dyn Fn(&mut strata::Digester)| -> Digest {
        let mut digester = strata::Digester::new();
        show(&mut digester);
        digester.finish()
    };
    let base = of(&|d| {
        d.enter(b"b", 7).unwrap();
        d.pair(b"ab", b"c").unwrap();
        d.leave().unwrap();
    });
    let sequence = of(&|d| {
        d.enter(b"b", 8).unwrap();
        d.pair(b"ab", b"c").unwrap();
        d.leave().unwrap();
    });
    let border = of(&|d| {
        d.enter(b"b", 7).unwrap();
        d.pair(b"a", b"bc").unwrap();
        d.leave().unwrap();
    });
    let outside = of(&|d| {
        d.enter(b"b", 7).unwrap();
        d.leave().unwrap();
        d.pair(b"ab", b"c").unwrap();
    });
    for other in [sequence, border, outside] {
        assert_eq!((other.buckets, other.keys, other.bytes), (1, 1, 3));
        assert_ne!(other.sha256, base.sha256);
    }
}
