//! How a query is written, and how a wrong one is refused.

use flatlog::query::ast::{Column, Comparison, Expression, Predicate};
use flatlog::query::{Direction, Limits, Query, QueryError, parse};

use super::memory::Memory;

fn read(text: &str) -> Query {
    parse(text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> (usize, String, String) {
    match parse(text, &Limits::default()) {
        Err(QueryError::Syntax {
            position,
            expected,
            found,
        }) => (position, expected.into(), found),
        other => panic!("{text}: {other:?}"),
    }
}

fn index(number: u64) -> Expression {
    Expression::Predicate(Predicate::CommitIndex(Comparison::Equal, number))
}

fn key_text(text: &str) -> Vec<u8> {
    match read(&format!("key = {text}")).filter {
        Some(Expression::Predicate(Predicate::Key(Comparison::Equal, bytes))) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    let (a, b, c) = ("CommitIndex=1", "CommitIndex=2", "CommitIndex=3");
    let not = |inner| Expression::Not(Box::new(inner));
    let cases = [
        (
            format!("{a} or {b} and {c}"),
            Expression::Or(vec![index(1), Expression::And(vec![index(2), index(3)])]),
        ),
        (
            format!("({a} or {b}) and {c}"),
            Expression::And(vec![Expression::Or(vec![index(1), index(2)]), index(3)]),
        ),
        (
            format!("not {a} and {b}"),
            Expression::And(vec![not(index(1)), index(2)]),
        ),
        (
            format!("not ({a} and {b})"),
            not(Expression::And(vec![index(1), index(2)])),
        ),
        (format!("not not {a}"), not(not(index(1)))),
        (
            format!("{a} and {b} or {c} and {a}"),
            Expression::Or(vec![
                Expression::And(vec![index(1), index(2)]),
                Expression::And(vec![index(3), index(1)]),
            ]),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(&text).filter, Some(expected), "{text}");
    }
}

#[test]
fn keywords_are_read_in_any_case_and_strings_in_either_quotes() {
    let wanted = read("key = 'a' and value like 'b' order by commitindex desc limit 1 offset 2");
    let shouted = read("KEY=\"a\"AND VALUE LIKE\"b\"ORDER BY COMMITINDEX DESC LIMIT 1 OFFSET 2");
    assert_eq!(wanted, shouted);
    assert_eq!(wanted.order_by, Column::CommitIndex);
    assert_eq!(wanted.direction, Direction::Descending);
    assert_eq!((wanted.limit, wanted.offset), (Some(1), 2));
    assert_eq!(read("  \n\t "), read(""));
    assert_eq!(read("ORDER BY key ASC"), read(""));
    assert_eq!(read("OFFSET 7").offset, 7);
}

#[test]
fn a_keyword_may_be_a_string() {
    assert_eq!(key_text("'limit'"), b"limit");
    assert_eq!(key_text("\"not (\""), b"not (");
}

#[test]
fn escapes_in_strings_mean_their_bytes() {
    assert_eq!(key_text(r#"'a\n\r\t\0\\\"\'\*\?b'"#), b"a\n\r\t\0\\\"'*?b");
    assert_eq!(key_text(r"'\x00\xff\xC3\xa9'"), b"\x00\xff\xC3\xa9");
    assert_eq!(key_text("\"it's\""), b"it's");
    assert_eq!(key_text("'é日'"), "é日".as_bytes());
    assert_eq!(key_text("'a*b?c'"), b"a*b?c");
    assert_eq!(key_text("''"), b"");
}

#[test]
fn every_error_names_its_place_and_what_was_expected() {
    let comparisons = "one of = != < <= > >=";
    let cases = [
        (
            "foo = 'a'",
            0,
            "`key`, `value`, `CommitIndex`, `NOT` or `(`",
            "`foo`",
        ),
        (
            "key",
            3,
            "`LIKE` or one of = != < <= > >=",
            "the end of the query",
        ),
        ("key 'a'", 4, "`LIKE` or one of = != < <= > >=", "a string"),
        ("key = 7", 6, "a string in quotes", "`7`"),
        ("key like key", 9, "a string in quotes", "`key`"),
        (
            "key = 'a",
            8,
            "the closing quote",
            "the end of a string that began at byte 6",
        ),
        ("key = 'a\\q'", 8, "an escape", "`\\q`"),
        ("key = 'a\\x0'", 8, "two hexadecimal digits", "`0`"),
        ("key = 'a\\xé'", 8, "two hexadecimal digits", "`é`"),
        ("key = 'a\\", 8, "an escape", "a backslash at the end"),
        ("value < 'a'", 6, "`LIKE`, = or !=", "`<`"),
        (
            "value like",
            10,
            "a string in quotes",
            "the end of the query",
        ),
        ("CommitIndex like 'a'", 12, comparisons, "`like`"),
        ("CommitIndex = 'a'", 14, "an integer", "a string"),
        (
            "CommitIndex = 18446744073709551616",
            14,
            "an integer of at most",
            "`18446744073709551616`",
        ),
        ("CommitIndex = -1", 14, "a word, a number", "`-`"),
        (
            "(key = 'a'",
            10,
            "`AND`, `OR` or `)`",
            "the end of the query",
        ),
        (
            "key = 'a')",
            9,
            "`AND`, `OR`, `ORDER BY`, `LIMIT`, `OFFSET` or the end",
            "`)`",
        ),
        ("()", 1, "`key`", "`)`"),
        ("key = 'a' and", 13, "`key`", "the end of the query"),
        ("not", 3, "`key`", "the end of the query"),
        ("key = 'a' or or", 13, "`key`", "`or`"),
        ("key = 'a' key = 'b'", 10, "`AND`, `OR`", "`key`"),
        ("order", 5, "`BY`", "the end of the query"),
        ("order by value", 9, "`key` or `CommitIndex`", "`value`"),
        (
            "order by key up",
            13,
            "`ASC`, `DESC`, `LIMIT`, `OFFSET` or the end",
            "`up`",
        ),
        (
            "order by key asc desc",
            17,
            "`LIMIT`, `OFFSET` or the end",
            "`desc`",
        ),
        ("limit", 5, "an integer", "the end of the query"),
        ("limit 'a'", 6, "an integer", "a string"),
        ("limit 1 limit 2", 8, "`OFFSET` or the end", "`limit`"),
        ("offset 1 limit 2", 9, "the end", "`limit`"),
        ("key = 'é' ;", 11, "a word, a number", "`;`"),
        ("key == 'a'", 5, "a string in quotes", "`=`"),
        ("key ! 'a'", 4, "a word, a number", "`!`"),
    ];
    for (text, position, expected, found) in cases {
        let error = refused(text);
        assert_eq!((error.0, error.2.as_str()), (position, found), "{text}");
        assert!(error.1.starts_with(expected), "{text}: {}", error.1);
    }
}

#[test]
fn an_error_reaches_the_caller_through_the_engines_own() {
    let error = parse("key = ", &Limits::default()).unwrap_err();
    let engines = kv_api::Error::from(error.clone());
    assert_eq!(engines.downcast_ref::<QueryError>(), Some(&error));
    assert_eq!(
        engines.to_string(),
        "at byte 6 of the query: expected a string in quotes, found the end of the query"
    );
}

#[test]
fn order_ties_and_directions_are_what_the_page_says() {
    let mut memory = Memory::with(true, &[("c", "x"), ("a", "x"), ("b", "y")]);
    let snapshot = memory.snapshot(0);
    assert_eq!(snapshot.keys(""), ["a", "b", "c"]);
    assert_eq!(snapshot.keys("order by key desc"), ["c", "b", "a"]);
    assert_eq!(snapshot.keys("order by CommitIndex"), ["c", "a", "b"]);
    assert_eq!(
        snapshot.keys("order by CommitIndex desc limit 2"),
        ["b", "a"]
    );
    assert_eq!(
        snapshot.keys("value = 'x' order by CommitIndex desc offset 1"),
        ["c"]
    );
}
