//! The demo's output: headings, sentences, aligned tables.

use std::process::Command;

use ringfence_bootstrap::progress;

/// How many columns a sentence may take.
const WIDTH: usize = 96;

/// What all of it is about.
pub(super) fn title(text: &str) {
    println!("{text}\n{}", "=".repeat(text.chars().count()));
}

/// A new part.
pub(super) fn heading(text: &str) {
    println!("\n{text}\n{}\n", "-".repeat(text.chars().count()));
}

/// A paragraph, broken into lines; white space in it means nothing.
pub(super) fn say(text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            println!("{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    println!("{line}\n");
}

/// A command as one would type it.
pub(super) fn prompt(command: &Command) {
    println!("  $ {}", progress::show(command));
}

/// What a command printed, or a part of it.
pub(super) fn quote<'a>(lines: impl IntoIterator<Item = &'a str>) {
    let mut any = false;
    for line in lines {
        println!("  {line}");
        any = true;
    }
    if any {
        println!();
    }
}

/// Rows under their heading, each column as wide as its widest cell.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        cells.chain([columns[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let print = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        println!("  {}", line.trim_end());
    };
    print(&mut columns.iter().copied());
    print(&mut widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().iter().map(String::as_str));
    for row in rows {
        print(&mut row.iter().map(String::as_str));
    }
    println!();
}
