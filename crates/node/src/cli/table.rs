//! Plain tables: columns as wide as they must be, two spaces between, no lines.

use std::fmt::{self, Display};

use anstyle::Style;

use super::style;

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Without colour.
    pub(crate) fn plain(text: impl Display) -> Self {
        Self { text: text.to_string(), style: style::PLAIN }
    }

    /// With colour.
    pub(crate) fn styled(text: impl Display, style: Style) -> Self {
        Self { text: text.to_string(), style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// A table; `Display` renders it with a line end after every row.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Columns with their headings.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let heading = columns.iter().map(|(name, _)| Cell::styled(name, style::FAINT)).collect();
        Self { aligns: columns.iter().map(|(_, align)| *align).collect(), rows: vec![heading] }
    }

    /// One more row, a cell a column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(Cell::width).max();
        let widths: Vec<usize> = (0..self.aligns.len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            // Nothing trails the last cell that says something.
            let said = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
            for (column, cell) in row[..said].iter().enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                let fill = " ".repeat(widths.get(column).map_or(0, |width| width - cell.width()));
                let (style, text) = (cell.style, &cell.text);
                match self.aligns.get(column) {
                    Some(Align::Right) => write!(f, "{gap}{fill}{style}{text}{style:#}")?,
                    _ if column + 1 == said => write!(f, "{gap}{style}{text}{style:#}")?,
                    _ => write!(f, "{gap}{style}{text}{style:#}{fill}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table =
            Table::new(&[("filter", Align::Left), ("qos", Align::Right), ("options", Align::Left)]);
        table.row(vec![Cell::plain("a/#"), Cell::plain(2), Cell::plain("")]);
        table.row(vec![Cell::plain("größe/+"), Cell::styled(10, style::BAD), Cell::plain("no local")]);
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "filter   qos  options\na/#        2\ngröße/+   10  no local\n");
    }
}
