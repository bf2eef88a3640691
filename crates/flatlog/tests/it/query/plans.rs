//! Which way a query takes, told by what it touches.

use flatlog::query::{Explanation, Limits, Touched, explain, parse};

use super::memory::Memory;

/// A thousand rows, ten of them with a word that ends in the middle of another.
fn thousand() -> Memory {
    let mut memory = Memory::new(true);
    for number in 0..1000 {
        let key = format!("log:{number:04}");
        let value = match number % 100 {
            7 => "an uncritical remark".to_string(),
            _ => format!("plain remark {number}"),
        };
        memory.put(0, key.as_bytes(), value.as_bytes());
    }
    memory
}

fn touched(memory: &mut Memory, text: &str) -> Touched {
    explained(memory, text).touched
}

fn explained(memory: &mut Memory, text: &str) -> Explanation {
    // In a thousand rows, some are few enough to be looked up.
    let limits = Limits {
        lookup_cost: 100,
        ..Limits::default()
    };
    explain(&parse(text, &limits).unwrap(), &memory.snapshot(0), &limits).unwrap()
}

fn counts(keys: u64, values: u64, rows: u64) -> Touched {
    Touched { keys, values, rows }
}

#[test]
fn the_middle_of_a_word_is_found_without_reading_other_values() {
    let mut memory = thousand();
    assert_eq!(
        touched(&mut memory, "value like '*critical*'"),
        counts(10, 0, 10)
    );
    assert_eq!(
        touched(&mut memory, "value like '*uncrit*'"),
        counts(10, 0, 10)
    );
    assert_eq!(
        touched(&mut memory, "value like '*critical remark'"),
        counts(10, 10, 10)
    );
    assert_eq!(
        touched(&mut memory, "value like '*absent*'"),
        counts(0, 0, 0)
    );
}

#[test]
fn words_are_answered_by_the_index_alone() {
    let mut memory = thousand();
    assert_eq!(
        touched(&mut memory, "value like 'uncritical'"),
        counts(10, 0, 10)
    );
    assert_eq!(
        touched(&mut memory, "value like 'uncritical remark'"),
        counts(10, 0, 10)
    );
    assert_eq!(
        touched(&mut memory, "value like 'remark 42'"),
        counts(1, 0, 1)
    );
    let both = "value like '41' or value like '42'";
    assert_eq!(touched(&mut memory, both), counts(2, 0, 2));
    let neither = "value like 'uncritical' and not value like 'an'";
    assert_eq!(touched(&mut memory, neither), counts(10, 0, 0));
    let rest = "not value like 'uncritical'";
    assert_eq!(touched(&mut memory, rest), counts(1000, 0, 990));
}

#[test]
fn a_changed_row_is_judged_by_its_value_in_an_older_snapshot() {
    let mut memory = thousand();
    let before = memory.snapshot(0);
    memory.put(0, b"log:0007", b"something else");
    memory.put(0, b"log:0008", b"uncritical now");
    memory.delete(0, b"log:0107");
    let limits = Limits::default();
    let query = parse("value like 'uncritical'", &limits).unwrap();
    let told = explain(&query, &before, &limits).unwrap();
    assert_eq!(told.touched, counts(11, 3, 10));
    assert!(told.to_string().contains("(3 changed since)"), "{told}");
    let told = explain(&query, &memory.snapshot(0), &limits).unwrap();
    assert_eq!(told.touched, counts(9, 0, 9));
}

#[test]
fn a_key_is_looked_up_and_a_range_is_walked() {
    let mut memory = thousand();
    assert_eq!(touched(&mut memory, "key = 'log:0500'"), counts(1, 0, 1));
    assert_eq!(touched(&mut memory, "key = 'nothing'"), counts(0, 0, 0));
    assert_eq!(
        touched(&mut memory, "key like 'log:05*'"),
        counts(100, 0, 100)
    );
    let ends = "key >= 'log:0500' and key < 'log:0510' and not key = 'log:0505'";
    assert_eq!(touched(&mut memory, ends), counts(9, 0, 9));
    let two = "key like 'log:000*' or key > 'log:0990' order by key desc";
    assert_eq!(touched(&mut memory, two), counts(19, 0, 19));
    assert_eq!(
        touched(&mut memory, "key < 'a' and key > 'b'"),
        counts(0, 0, 0)
    );
    assert_eq!(
        touched(&mut memory, "not key like 'log:0*'"),
        counts(0, 0, 0)
    );
}

#[test]
fn a_limit_stops_the_walk_and_the_reading() {
    let mut memory = thousand();
    assert_eq!(
        touched(&mut memory, "limit 10 offset 20"),
        counts(30, 0, 10)
    );
    assert_eq!(
        touched(&mut memory, "order by key desc limit 3"),
        counts(3, 0, 3)
    );
    assert_eq!(
        touched(&mut memory, "value like '*critical r*' limit 2"),
        counts(2, 2, 2)
    );
    assert_eq!(
        touched(
            &mut memory,
            "CommitIndex > 990 order by CommitIndex limit 1"
        ),
        counts(1000, 0, 1)
    );
}

#[test]
fn a_few_rows_are_read_rather_than_searched_for() {
    let mut memory = thousand();
    let told = explained(
        &mut memory,
        "key like 'log:000*' and value like '*critical*'",
    );
    assert_eq!(told.touched, counts(10, 10, 1));
}

#[test]
fn the_plan_is_told_in_words() {
    let mut memory = thousand();
    let told = explained(
        &mut memory,
        "key like 'log:*' and value like '*critical*' limit 5",
    );
    let expected = r#"stop after 5
  filter
    all of
      key like "log:*"
      value like "*critical*" (value index: exactly 10 rows by 1 tokens)
    walk one key range among 10 ids (about 1000 rows)
      "log:" <= key < "log;"
touched 5 keys and 0 values for 5 rows"#;
    assert_eq!(told.to_string(), expected);
    let told = explained(&mut memory, "value like '42' order by key desc");
    let expected = r#"sort by key, descending, N rows at a time
  filter
    value has the tokens 42 (value index: exactly 1 rows by 1 tokens)
    look up 1 rows by their ids
touched 1 keys and 0 values for 1 rows"#;
    let shown = told.to_string();
    let (before, after) = shown.split_once("descending, ").unwrap();
    let (_, after) = after.split_once(" rows at a time").unwrap();
    assert_eq!(
        format!("{before}descending, N rows at a time{after}"),
        expected
    );
    let told = explained(&mut memory, "key = 'a' or key > 'x' order by key desc");
    assert_eq!(
        told.plan.inputs[1].step,
        "walk 2 key ranges backwards (about 1 rows)"
    );
    assert_eq!(told.plan.inputs[1].inputs[0].step, "key = \"a\"");
}
