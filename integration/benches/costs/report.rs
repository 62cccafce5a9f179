//! What was measured, as tables that people read in a terminal and in a document alike.

use std::fmt;

/// The results of one bench.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// What was done, in a few sentences.
    pub(crate) how: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) musts: Vec<Must>,
}

/// What the design demands, and what came out.
#[derive(Clone, Debug)]
pub(crate) struct Must {
    pub(crate) what: String,
    pub(crate) must: String,
    pub(crate) measured: String,
    pub(crate) kept: bool,
}

impl Must {
    /// That a ratio is at most so much.
    pub(crate) fn at_most(what: &str, limit: f64, of: &str, measured: f64) -> Self {
        Self {
            what: what.into(),
            must: format!("at most {limit} x {of}"),
            measured: format!("{measured:.2} x"),
            kept: measured <= limit,
        }
    }
}

impl Section {
    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.how)?;
        table(f, &self.columns, &self.rows)
    }
}

/// All demands in one table.
pub(crate) fn musts(f: &mut impl fmt::Write, sections: &[Section]) -> fmt::Result {
    let all = sections.iter().flat_map(|section| &section.musts);
    let row = |m: &Must| {
        let kept = if m.kept { "yes" } else { "**no**" };
        vec![m.what.clone(), m.must.clone(), m.measured.clone(), kept.to_owned()]
    };
    table(f, &["what", "must", "measured", "kept"], &all.map(row).collect::<Vec<_>>())
}

/// A Markdown table with its columns aligned; those of numbers to the right.
fn table(f: &mut impl fmt::Write, columns: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        cells.chain([columns[i].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let numbers: Vec<bool> =
        (0..columns.len()).map(|i| i > 0 && rows.iter().all(|r| is_number(r.get(i)))).collect();
    let line = |f: &mut dyn fmt::Write, cells: &[&str]| {
        for (i, cell) in cells.iter().enumerate() {
            let width = widths[i];
            if numbers[i] { write!(f, "| {cell:>width$} ")? } else { write!(f, "| {cell:<width$} ")? }
        }
        writeln!(f, "|")
    };
    line(f, columns)?;
    for (width, number) in widths.iter().zip(&numbers) {
        write!(f, "|{}{}", "-".repeat(width + 1), if *number { ":" } else { "-" })?;
    }
    writeln!(f, "|")?;
    rows.iter().try_for_each(|row| line(f, &row.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn is_number(cell: Option<&String>) -> bool {
    cell.is_none_or(|cell| {
        let first = cell.chars().next();
        first.is_none_or(|c| c.is_ascii_digit() || c == '-' || c == '+' || c == '–')
    })
}

/// A number of nanoseconds or the like, whole.
pub(crate) fn whole(number: f64) -> String {
    format!("{number:.0}")
}
