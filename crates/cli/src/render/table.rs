//! Writes tables.

use std::io::{self, Write};

/// The heading of a column, and the side at which its cells begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// A column of words, aligned at the left.
    Left(&'static str),
    /// A column of numbers, aligned at the right.
    Right(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Self::Left(heading) | Self::Right(heading) => heading,
        }
    }
}

/// Writes `rows`, with headings above them if `headed`. Each column is as wide as its longest cell.
pub(super) fn table<const N: usize>(
    out: &mut impl Write,
    columns: [Column; N],
    rows: &[[String; N]],
    headed: bool,
) -> io::Result<()> {
    let headings = columns.map(|column| column.heading().to_owned());
    let headings = std::slice::from_ref(&headings);
    let widths: [usize; N] = std::array::from_fn(|i| {
        let cells = headings
            .iter()
            .chain(rows)
            .map(|row| row[i].chars().count());
        cells.max().unwrap_or(0)
    });
    let headings = if headed { headings } else { &[] };
    for row in headings.iter().chain(rows) {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
            line.push_str(&match column {
                Column::Left(_) => format!("{cell:<width$}  "),
                Column::Right(_) => format!("{cell:>width$}  "),
            });
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::render::tests::text;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell_in_characters() {
        let columns = [
            Column::Left("id"),
            Column::Right("points"),
            Column::Left(""),
        ];
        let rows = [
            ["été".to_owned(), "7".to_owned(), "x".to_owned()],
            ["b".to_owned(), "1234567".to_owned(), String::new()],
        ];
        let page = text(|out| table(out, columns, &rows, true));
        assert_eq!(page, "id    points\nété        7  x\nb    1234567\n");
        let next = text(|out| table(out, columns, &rows[..1], false));
        assert_eq!(next, "été       7  x\n");
    }
}
