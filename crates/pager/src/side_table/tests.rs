//! Tests of the words beside pages.

use std::sync::atomic::AtomicBool;

use super::*;

fn visit_until_worth_it(table: &SideTable, id: PageId) -> u64 {
    while !table.is_warm() {}
    (1..=10).find(|_| table.visit(id)).unwrap_or(0)
}

#[test]
fn words_are_kept_from_the_third_visit_until_the_page_is_forgotten() {
    let table = SideTable::new(8, 64, 1, 1 << 20);
    let page = PageId(1000);
    assert!(table.read(page, |words| Some(words.get(0))).is_none());
    assert_eq!(visit_until_worth_it(&table, page), 2);
    table.keep(page, &[7, 8]);
    assert_eq!(
        table.read(page, |words| Some((words.get(0), words.get(1)))),
        Some((7, 8))
    );
    assert!(!table.visit(page), "kept already");
    table.forget(page);
    assert!(table.read(page, |words| Some(words.get(0))).is_none());
    assert_eq!(visit_until_worth_it(&table, page), 2);
}

#[test]
fn a_page_does_not_push_another_out_of_a_table_that_is_too_small() {
    let table = SideTable::new(8, 128, 1, 64 * 128);
    let (first, second) = (PageId(5), PageId(5 + 128));
    assert_eq!(visit_until_worth_it(&table, first), 2);
    table.keep(first, &[1]);
    assert_eq!(visit_until_worth_it(&table, second), 0);
    table.keep(second, &[2]);
    assert_eq!(table.read(first, |words| Some(words.get(0))), Some(1));
    assert!(table.read(second, |words| Some(words.get(0))).is_none());
    table.forget(second);
    assert_eq!(table.read(first, |words| Some(words.get(0))), Some(1));
}

#[test]
fn words_and_visits_follow_a_page_to_its_new_place() {
    let table = SideTable::new(8, 64, 1, 1 << 20).worth_it_from(3);
    let [old, new, newest] = [5, 6, 7].map(PageId);
    while !table.is_warm() {}
    assert!(!table.visit(old));
    table.carry(old, new, |_| unreachable!("nothing is kept yet"));
    assert!(!table.visit(new), "the second");
    assert!(table.visit(new), "the third");
    table.keep(new, &[1, 2]);
    table.note_written(newest, true);
    table.carry(new, newest, |words| {
        words.iter_mut().skip(1).take(1).for_each(|word| *word = 9);
    });
    let read = |id| table.read(id, |words| Some((words.get(0), words.get(1))));
    assert_eq!((read(new), read(newest)), (Some((1, 2)), Some((1, 9))));
    assert!(table.was_written(newest) && !table.was_written(new));
    table.forget(new);
    table.carry(new, old, |_| unreachable!("nothing is kept any more"));
    assert_eq!(read(old), None);
}

#[test]
fn a_page_with_a_choice_of_slots_finds_one_and_is_forgotten_in_all() {
    let table = SideTable::new(8, 1, 2, 64 * 8);
    // Pages 3 and 7 have the same two slots.
    let pages = [PageId(3), PageId(7), PageId(11)];
    for (page, worth_it) in pages.into_iter().zip([2, 2, 0]) {
        assert_eq!(visit_until_worth_it(&table, page), worth_it);
        table.keep(page, &[page.0]);
    }
    let kept = || pages.map(|page| table.read(page, |words| Some(words.get(0))));
    assert_eq!(kept(), [Some(3), Some(7), None]);
    table.forget(pages[0]);
    table.forget(pages[2]);
    assert_eq!(kept(), [None, Some(7), None]);
    assert_eq!(visit_until_worth_it(&table, pages[2]), 2);
}

#[test]
fn a_table_without_room_keeps_nothing_and_says_so() {
    let table = SideTable::new(8, 128, 2, 0);
    assert_eq!(visit_until_worth_it(&table, PageId(3)), 0);
    table.keep(PageId(3), &[1]);
    assert!(table.read(PageId(3), |words| Some(words.get(0))).is_none());
}

/// Two pages take turns in one slot while readers look: words of one are never taken for the
/// other's, nor half of each for a whole.
#[test]
fn words_read_while_a_slot_changes_hands_belong_together() {
    let table = SideTable::new(32, 128, 1, 64 * 4 * 128);
    let pages = [PageId(9), PageId(9 + 128)];
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0_u64;
            while !done.load(Ordering::Relaxed) || seen == 0 {
                for id in pages {
                    let words = table.read(id, |words| {
                        Some((0..31).map(|index| words.get(index)).collect::<Vec<u64>>())
                    });
                    if let Some(words) = words {
                        assert!(words.iter().all(|word| *word == id.0), "{id:?}: {words:?}");
                        seen += 1;
                    }
                }
            }
            seen
        });
        for id in pages.into_iter().cycle().take(20_000) {
            while !table.visit(id) {}
            table.keep(id, &[id.0; 31]);
            std::thread::yield_now();
            table.forget(id);
        }
        table.keep(PageId(9), &[9; 31]);
        done.store(true, Ordering::Relaxed);
        reader.join()
    });
    assert!(seen.is_ok_and(|seen| seen > 0));
}
