//! Aligned text tables that fit the terminal.

use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::{Paint, Style};

/// Columns between columns, and before the first.
const GAP: usize = 2;
/// A text column is not cut shorter than this.
const SHORTEST: usize = 8;

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    /// Left-aligned columns hold text, which is cut where even the kept columns are too wide.
    pub left: bool,
    /// Where the table is too wide, the columns with the largest number go first; 0 stays.
    pub drop: u8,
}

/// One cell: text that is safe for a terminal.
#[derive(Clone, Default, Debug)]
pub struct Cell {
    pub text: String,
    pub paint: Paint,
}

impl Cell {
    /// A plain cell.
    pub fn new(text: impl Into<String>) -> Self {
        Self::painted(Paint::Plain, text)
    }

    /// A painted cell.
    pub fn painted(paint: Paint, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            paint,
        }
    }

    /// What stands for nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::painted(Paint::Dim, "-")
    }
}

/// The table as lines of at most `width` columns, as far as dropping and cutting columns gets it
/// there. Each row has a cell a column.
#[must_use]
pub fn table(columns: &[Column], rows: &[Vec<Cell>], width: usize, style: Style) -> String {
    let mut widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            rows.iter()
                .map(|row| row[index].text.width())
                .chain([columns[index].title.width()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let shown = fit(columns, &mut widths, width);
    let header: Vec<Cell> = columns
        .iter()
        .map(|column| Cell::painted(Paint::Dim, column.title))
        .collect();
    let mut out = String::new();
    for row in [&header].into_iter().chain(rows) {
        let mut pending = 0;
        for &index in &shown {
            let cell = &row[index];
            let text = cut(&cell.text, widths[index]);
            let space = widths[index] - text.width();
            let (before, after) = if columns[index].left {
                (0, space)
            } else {
                (space, 0)
            };
            out.extend(std::iter::repeat_n(' ', pending + GAP + before));
            let trimmed = text.trim_end();
            out += &style.paint(cell.paint, trimmed);
            pending = after + text.width() - trimmed.width();
        }
        out.push('\n');
    }
    out
}

/// The columns that fit, and their widths cut to fit.
fn fit(columns: &[Column], widths: &mut [usize], width: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let total = |shown: &[usize], widths: &[usize]| -> usize {
        shown.iter().map(|&index| widths[index] + GAP).sum()
    };
    while total(&shown, widths) > width {
        let Some(&drop) = shown
            .iter()
            .filter(|&&index| columns[index].drop > 0)
            .max_by_key(|&&index| columns[index].drop)
        else {
            break;
        };
        shown.retain(|&index| index != drop);
    }
    let mut excess = total(&shown, widths).saturating_sub(width);
    for &index in shown.iter().filter(|&&index| columns[index].left) {
        let less = excess.min(widths[index].saturating_sub(SHORTEST));
        widths[index] -= less;
        excess -= less;
    }
    shown
}

/// `text` in at most `width` columns, ending in `…` where it was cut.
#[must_use]
pub fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut short = String::new();
    let mut used = 1;
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(char);
    }
    if width > 0 {
        short.push('…');
    }
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [Column; 3] = [
        Column {
            title: "name",
            left: true,
            drop: 0,
        },
        Column {
            title: "extra",
            left: false,
            drop: 1,
        },
        Column {
            title: "count",
            left: false,
            drop: 0,
        },
    ];

    fn shown(name: &str, width: usize) -> String {
        let row = [name, "7", "123"].map(Cell::new).to_vec();
        table(&COLUMNS, &[row], width, Style::default())
    }

    #[test]
    fn wide_characters_are_aligned() {
        assert_eq!(
            shown("数据", 80),
            "  name  extra  count\n  数据      7    123\n"
        );
    }

    #[test]
    fn columns_are_dropped_before_text_is_cut() {
        assert_eq!(
            shown("name-of-12ch", 21),
            "  name-of-12ch  count\n".replace("name-of-12ch", "name        ")
                + "  name-of-12ch    123\n"
        );
        assert_eq!(
            shown("name-of-12ch", 18),
            "  name       count\n  name-of-…    123\n"
        );
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in "\\PC{0,20}", width in 0..12_usize) {
            prop_assert!(cut(&text, width).width() <= width);
        }
    }
}
