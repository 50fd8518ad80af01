//! A table, as Markdown and as HTML.

use std::fmt::Write;

/// Rows of cells. The first column is text, all others are figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// What stands above the columns.
    pub(crate) head: Vec<String>,
    /// As many cells each.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one with these columns.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    /// With columns as wide as their widest cell.
    pub(crate) fn markdown(&self) -> String {
        let clean = |cell: &String| cell.replace('|', "\\|").replace('\n', " ");
        let lines: Vec<Vec<String>> = std::iter::once(&self.head)
            .chain(&self.rows)
            .map(|row| row.iter().map(clean).collect())
            .collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(2)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for (number, row) in lines.iter().enumerate() {
            text.push('|');
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                _ = if column == 0 {
                    write!(text, " {cell:<width$} |")
                } else {
                    write!(text, " {cell:>width$} |")
                };
            }
            text.push('\n');
            if number == 0 {
                text.push('|');
                for (column, width) in widths.iter().enumerate() {
                    let dashes = "-".repeat(width - usize::from(column > 0));
                    _ = write!(text, " {dashes}{} |", if column > 0 { ":" } else { "" });
                }
                text.push('\n');
            }
        }
        text
    }

    /// As one element.
    pub(crate) fn html(&self) -> String {
        let row = |tag: &str, cells: &[String]| {
            let cells: String =
                cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let rows: String = self.rows.iter().map(|cells| row("td", cells)).collect();
        format!("<table>\n{}{rows}</table>\n", row("th", &self.head))
    }
}

/// Text between tags, or in a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_aligned() {
        let mut table = Table::new(&["server", "requests/s"]);
        table.rows.push(vec!["a|b".to_owned(), "1,000".to_owned()]);
        let wanted = "| server | requests/s |\n| ------ | ---------: |\n| a\\|b   |      1,000 |\n";
        assert_eq!(table.markdown(), wanted);
    }

    #[test]
    fn html_has_no_tags_of_others() {
        let mut table = Table::new(&["server"]);
        table.rows.push(vec!["<b>&".to_owned()]);
        let wanted =
            "<table>\n<tr><th>server</th></tr>\n<tr><td>&lt;b&gt;&amp;</td></tr>\n</table>\n";
        assert_eq!(table.html(), wanted);
    }
}
