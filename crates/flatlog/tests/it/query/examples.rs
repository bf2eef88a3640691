//! The six queries of the engine's description.

use super::memory::Memory;

fn stores() -> [Memory; 2] {
    [false, true].map(|indexed| {
        let mut memory = Memory::new(indexed);
        for number in 0..1200 {
            let key = format!("user:{number:04}");
            memory.put(0, key.as_bytes(), b"active since yesterday");
        }
        memory.put(0, b"log:1", b"an uncritical remark");
        memory.put(0, b"log:2", b"CRITICAL: disk");
        memory.put(0, b"log:3", b"a critical error, and more");
        memory.put(0, b"note:1", b"critical of error");
        memory.put(0, b"note:2", b"errors happen");
        memory
    })
}

#[test]
fn an_exact_key_finds_its_row() {
    for mut memory in stores() {
        assert_eq!(
            memory.snapshot(0).keys("key = \"user:1001\""),
            ["user:1001"]
        );
    }
}

#[test]
fn a_prefix_finds_all_its_keys() {
    for mut memory in stores() {
        let keys = memory.snapshot(0).keys("key like \"user:*\"");
        assert_eq!(keys.len(), 1200);
        assert_eq!(
            (keys[0].as_str(), keys[1199].as_str()),
            ("user:0000", "user:1199")
        );
    }
}

#[test]
fn a_word_finds_the_values_that_have_it() {
    for mut memory in stores() {
        assert_eq!(
            memory.snapshot(0).keys("value like \"error\""),
            ["log:3", "note:1"]
        );
    }
}

#[test]
fn a_prefix_and_a_part_of_a_value_combine() {
    for mut memory in stores() {
        let keys = memory
            .snapshot(0)
            .keys("key like \"log:*\" AND value like \"*critical*\"");
        assert_eq!(keys, ["log:1", "log:3"]);
    }
}

#[test]
fn limit_and_offset_give_a_page() {
    for mut memory in stores() {
        let keys = memory
            .snapshot(0)
            .keys("key like \"user:*\" LIMIT 10 OFFSET 20");
        let expected: Vec<_> = (20..30).map(|number| format!("user:{number:04}")).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn a_commit_index_finds_what_was_written_later() {
    for mut memory in stores() {
        let keys = memory.snapshot(0).keys("CommitIndex > 1000");
        assert_eq!(keys.len(), 205);
        assert_eq!(keys[0], "log:1");
        assert_eq!(keys[5], "user:1000");
    }
}
