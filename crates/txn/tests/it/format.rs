//! The file format, byte for byte, against vectors taken from bbolt.

use sha2::{Digest, Sha256};
use txn::{FreelistStorage, Options};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_fresh_file_is_bbolts_to_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fresh.db");
    drop(Options::new().page_bytes(4096).open(&path).unwrap());
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 16_384);
    let sum = "f80ea184425737cdc7de57b1c8d4797e8a57ccee797991395e3800cd4ed0ac1e";
    assert_eq!(hex(&Sha256::digest(&bytes)), sum);
}

#[test]
fn a_first_bucket_lands_where_bbolt_puts_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("widgets.db");
    let options = Options::new()
        .page_bytes(4096)
        .freelist(FreelistStorage::Always);
    let db = options.open(&path).unwrap();
    db.update(|tx| tx.create_bucket("widgets").map(drop))
        .unwrap();
    db.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let root = hex(&bytes[4 * 4096..4 * 4096 + 71]);
    let header = "04000000000000000200010000000000";
    let element = "01000000100000000700000020000000";
    let inline = "0000000000000000".repeat(2) + "00000000000000000200000000000000";
    assert_eq!(
        root,
        format!("{header}{element}{}{inline}", hex(b"widgets"))
    );
    let freelist = hex(&bytes[5 * 4096..5 * 4096 + 32]);
    assert_eq!(
        freelist,
        "0500000000000000100002000000000002000000000000000300000000000000"
    );
    // Freelist, high-water mark, transaction and checksum of the meta in slot 0.
    let words = [5_u64, 6, 2, 0xeef9_6d7a_2c1b_336e];
    assert_eq!(bytes[48..80], words.map(u64::to_le_bytes).concat());
}

#[test]
fn an_inline_bucket_is_laid_out_as_bbolt_lays_it_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inline.db");
    let db = Options::new().page_bytes(4096).open(&path).unwrap();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("widgets")?;
        bucket.set_sequence(0x1122)?;
        bucket.put("foo", "bar")
    })
    .unwrap();
    drop(db);
    let bytes = std::fs::read(&path).unwrap();
    let value = hex(&bytes[4 * 4096 + 39..4 * 4096 + 39 + 54]);
    let expected = "0000000000000000".to_owned()
        + "2211000000000000"
        + "00000000000000000200010000000000"
        + "00000000100000000300000003000000"
        + "666f6f626172";
    assert_eq!(value, expected);
}
