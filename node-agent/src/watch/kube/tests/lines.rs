use super::super::lines::Lines;

fn fed(chunks: &[&str]) -> Vec<String> {
    let mut lines = Lines::default();
    let text = |line: Vec<u8>| String::from_utf8(line).unwrap();
    chunks.iter().flat_map(|chunk| lines.feed(chunk.as_bytes()).unwrap()).map(text).collect()
}

#[test]
fn a_line_is_whole_however_it_was_cut() {
    for cut in 0.."one\ntwo\n".len() {
        let (head, tail) = "one\ntwo\n".split_at(cut);
        assert_eq!(fed(&[head, tail]), ["one", "two"], "cut at {cut}");
    }
}

#[test]
fn what_has_no_end_yet_is_kept_back_and_empty_lines_are_none() {
    assert_eq!(fed(&["\n\none\n\n", "tw"]), ["one"]);
}

#[test]
fn a_line_that_never_ends_is_an_error_not_a_full_memory() {
    let mut lines = Lines::default();
    let chunk = vec![b'x'; 1 << 20];
    let fed = (0..64).map(|_| lines.feed(&chunk)).find(Result::is_err);
    assert!(fed.is_some());
}
