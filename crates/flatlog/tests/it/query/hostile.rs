//! Queries that mean harm end fast.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use flatlog::query::{Limits, QueryError, explain, parse, run};

use super::memory::Memory;

/// Runs `work`, which has five seconds of a processor: on a busy machine it may take longer.
fn fast<T>(work: impl FnOnce() -> T) -> T {
    let begun = cpu_time();
    let result = work();
    let took = cpu_time().saturating_sub(begun);
    assert!(took < Duration::from_secs(5), "{took:?}");
    result
}

/// The time this thread had a processor; where the system does not tell, the time that passed.
fn cpu_time() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

fn unlimited() -> Limits {
    Limits {
        query_bytes_max: usize::MAX,
        ..Limits::default()
    }
}

#[test]
fn nesting_stops_at_its_limit_and_names_the_place() {
    let limits = unlimited();
    for opening in ["(", "not "] {
        let deep = opening.repeat(1_000_000);
        let error = fast(|| parse(&deep, &limits)).unwrap_err();
        let position = 100 * opening.len();
        assert_eq!(
            error,
            QueryError::TooDeep {
                position,
                depth_max: 100
            }
        );
        let allowed = format!("{}key = 'a'", "not ".repeat(100));
        assert!(parse(&allowed, &limits).is_ok());
    }
    let wide = vec!["(key = 'a')"; 10_000].join(" or ");
    assert!(fast(|| parse(&wide, &limits)).is_ok(), "wide is not deep");
}

#[test]
fn a_text_above_its_limit_is_not_read() {
    let long = format!("key like '{}'", "*?".repeat(500_000));
    let error = fast(|| parse(&long, &Limits::default())).unwrap_err();
    assert_eq!(
        error,
        QueryError::TooLong {
            bytes: long.len(),
            bytes_max: 64 << 10
        }
    );
}

#[test]
fn a_megabyte_of_wildcards_matches_fast() {
    let mut memory = Memory::new(true);
    memory.put(0, b"long", "a".repeat(1 << 20).as_bytes());
    memory.put(0, b"short", b"a");
    let limits = unlimited();
    let text = format!("value like '{}'", "*?".repeat(500_000));
    let (rows, _) = fast(|| memory.snapshot(0).ask(&text, &limits));
    assert_eq!(rows.len(), 1);
    let text = format!("value like '*{}*b'", "?a*".repeat(300_000));
    assert!(fast(|| memory.snapshot(0).ask(&text, &limits)).0.is_empty());
}

#[test]
fn a_query_ends_when_its_time_is_over() {
    let mut memory = Memory::new(false);
    let value = "a".repeat(1 << 20);
    for key in 0..50u8 {
        memory.put(0, &[key], value.as_bytes());
    }
    let limits = Limits {
        time_budget: Some(Duration::from_millis(30)),
        ..unlimited()
    };
    let text = format!("value like '*{}b*'", "?a".repeat(20_000));
    let query = parse(&text, &limits).unwrap();
    let snapshot = memory.snapshot(0);
    let error = fast(|| explain(&query, &snapshot, &limits)).unwrap_err();
    let over = Some(&QueryError::OutOfTime { budget_ms: 30 });
    assert_eq!(error.downcast_ref::<QueryError>(), over);
    let mut rows = run(&query, &snapshot, &limits).unwrap();
    for _ in 0..3 {
        let error = fast(|| rows.next()).unwrap().err().unwrap();
        assert_eq!(error.downcast_ref::<QueryError>(), over, "an error stays");
    }
}

#[test]
fn an_answer_that_goes_on_may_have_its_time_again_with_each_row() {
    let mut memory = Memory::new(false);
    let value = "a".repeat(1 << 16);
    for key in 0..40u8 {
        memory.put(0, &[key], value.as_bytes());
    }
    let limits = Limits {
        time_budget: Some(Duration::from_millis(100)),
        ..unlimited()
    };
    let query = parse("not value like '*b*'", &limits).unwrap();
    let snapshot = memory.snapshot(0);
    let shown = |renews: bool| {
        let mut rows = run(&query, &snapshot, &limits).unwrap();
        let mut shown = 0;
        while let Some(Ok(_)) = rows.next() {
            shown += 1;
            std::thread::sleep(Duration::from_millis(5));
            if renews {
                rows.renew_time();
            }
        }
        shown
    };
    assert_eq!(shown(true), 40, "200 ms in all");
    assert!(shown(false) < 40);
}

#[test]
fn huge_limits_and_offsets_are_only_numbers() {
    let mut memory = Memory::with(true, &[("a", "x"), ("b", "x")]);
    let snapshot = memory.snapshot(0);
    let most = u64::MAX;
    for order in ["key", "CommitIndex desc"] {
        let text = format!("value like 'x' order by {order} limit {most} offset");
        assert_eq!(fast(|| snapshot.keys(&format!("{text} 0"))).len(), 2);
        assert_eq!(fast(|| snapshot.keys(&format!("{text} {most}"))).len(), 0);
    }
    assert_eq!(snapshot.keys("limit 0").len(), 0);
}

#[test]
fn thousands_of_key_ranges_are_walked_as_what_they_are() {
    let mut memory = Memory::new(false);
    for number in 0..2000u32 {
        memory.put(0, &number.to_be_bytes(), b"");
    }
    let terms: Vec<_> = (0..6000u32)
        .map(|number| {
            let bytes = (number * 2).to_be_bytes();
            let text: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("key = '{text}'")
        })
        .collect();
    let (rows, _) = fast(|| memory.snapshot(0).ask(&terms.join(" or "), &unlimited()));
    assert_eq!(rows.len(), 1000);
}
