use super::*;
use proptest::prelude::*;

fn problems(lines: &[String], anchors: &[Anchor]) -> Vec<Problem> {
    super::super::verify(lines.concat().as_bytes(), SIZE, anchors).problems
}

#[test]
fn a_log_as_it_was_written_is_intact_with_an_anchor_and_unanchored_without() {
    let (lines, heads) = written(9);
    let text = lines.concat();
    let verdict = super::super::verify(text.as_bytes(), SIZE, &[anchor(&heads[5])]);
    assert_eq!((verdict.problems.as_slice(), verdict.anchored, &verdict.head), (&[][..], Some(6), &heads[8]));
    assert!(verdict.is_intact());
    let verdict = super::super::verify(text.as_bytes(), SIZE, &[]);
    assert_eq!((verdict.problems.as_slice(), verdict.anchored), (&[][..], None));
    assert!(!verdict.is_intact());
}

#[test]
fn an_edited_line_is_named() {
    for edited in 0..9 {
        let (mut lines, _) = written(9);
        lines[edited] = lines[edited].replace("worker-1", "worker-7");
        let number = edited as u64 + 1;
        assert_eq!(problems(&lines, &[]), [Problem::Edited { line: edited + 1, number }]);
    }
}

#[test]
fn a_line_rewritten_with_a_hash_of_its_own_is_named() {
    for edited in 0..8 {
        let (mut lines, heads) = written(9);
        let before = if edited == 0 { Head::empty() } else { heads[edited - 1].clone() };
        lines[edited] = entry::write(&before, &entry(77)).unwrap().0;
        let number = edited as u64 + 1;
        assert_eq!(problems(&lines, &[]), [Problem::Rewritten { line: edited + 1, number }]);
    }
}

#[test]
fn removed_lines_are_named() {
    for first in 0..8 {
        let (mut lines, _) = written(9);
        lines.remove(first);
        let number = first as u64 + 1;
        let removed = Problem::Removed { line: first + 1, first: number, last: number };
        assert_eq!(problems(&lines, &[]), [removed]);
    }
    let (mut lines, _) = written(9);
    lines.drain(2..5);
    assert_eq!(problems(&lines, &[]), [Problem::Removed { line: 3, first: 3, last: 5 }]);
}

#[test]
fn reordered_and_repeated_lines_are_named() {
    let (mut lines, _) = written(9);
    lines.swap(3, 4);
    assert!(problems(&lines, &[]).contains(&Problem::OutOfPlace { line: 4, number: 5 }));
    let (mut lines, _) = written(9);
    lines.insert(4, lines[3].clone());
    assert!(problems(&lines, &[]).contains(&Problem::OutOfPlace { line: 5, number: 4 }));
}

#[test]
fn a_cut_shows_against_an_anchor_and_only_against_one() {
    let (lines, heads) = written(9);
    let cut = &lines[..6];
    assert_eq!(problems(cut, &[]), []);
    let by = "worker-2".to_owned();
    assert_eq!(problems(cut, &[anchor(&heads[7])]), [Problem::Cut { last: 6, seen: 8, by: by.clone() }]);
    assert_eq!(problems(&[], &[anchor(&heads[7])]), [Problem::Cut { last: 0, seen: 8, by }]);
    assert_eq!(problems(cut, &[anchor(&heads[5])]), []);
}

#[test]
fn a_log_written_anew_as_a_whole_contradicts_its_anchors() {
    let (lines, _) = written(9);
    let (_, others) = {
        let (mut head, mut heads) = (Head::empty(), Vec::new());
        for number in 1..=9 {
            head = entry::write(&head, &entry(number + 100 - 100 + 3)).unwrap().1;
            heads.push(head.clone());
        }
        ((), heads)
    };
    let by = "worker-2".to_owned();
    let found = problems(&lines, &[anchor(&others[4])]);
    assert_eq!(found, [Problem::Contradicted { line: 5, number: 5, by }]);
}

#[test]
fn a_torn_line_is_named() {
    let (lines, _) = written(3);
    let text = lines.concat();
    let found = super::super::verify(&text.as_bytes()[..text.len() - 4], SIZE, &[]);
    assert_eq!(found.problems, [Problem::Torn { line: 3 }]);
    assert_eq!(found.head.number, 2);
}

proptest! {
    #[test]
    fn no_byte_can_be_changed_without_it_showing(at in 0..10_000usize, to in any::<u8>()) {
        let (lines, heads) = written(6);
        let mut text = lines.concat().into_bytes();
        let at = at % text.len();
        prop_assume!(text[at] != to);
        text[at] = to;
        prop_assert!(!super::super::verify(&text, SIZE, &[anchor(&heads[5])]).is_intact());
    }

    #[test]
    fn no_text_makes_it_fail(text in prop::collection::vec(any::<u8>(), 0..400)) {
        let verdict = super::super::verify(&text, SIZE, &[]);
        prop_assert_eq!(verdict.problems.is_empty(), text.is_empty());
    }
}
