//! The fields of a view: text, Markdown, CSV and JSON all read the one list.

use super::{of::Of, value::Value};

/// A piece of what is shown of a group.
#[derive(Debug)]
pub struct Field {
    /// The column in CSV and the key in JSON.
    pub name: &'static str,
    pub in_csv: bool,
    pub in_json: bool,
    /// The column in text and Markdown.
    pub column: Option<Column>,
    pub(super) value: fn(&Of<'_>) -> Value,
}

/// A view's fields are told apart by their names and columns.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.column == other.column
    }
}

/// A column for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    pub title: &'static str,
    /// Whether it holds text, on the left.
    pub left: bool,
    /// Where the table is too wide, the columns with the largest number go first; 0 stays.
    pub drop: u8,
    pub emphasis: Emphasis,
}

/// How much a column stands out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emphasis {
    /// It names the row: what is not known is said to be so.
    Strong,
    Plain,
    Faint,
}

impl Column {
    const fn new(title: &'static str, left: bool, drop: u8, emphasis: Emphasis) -> Self {
        Self {
            title,
            left,
            drop,
            emphasis,
        }
    }

    /// The name of the row.
    pub(crate) const fn key(title: &'static str) -> Self {
        Self::new(title, true, 0, Emphasis::Strong)
    }

    /// The name of the row where it is a number.
    pub(crate) const fn number_key(title: &'static str) -> Self {
        Self::new(title, false, 0, Emphasis::Strong)
    }

    /// A number that names something.
    pub(crate) const fn id(title: &'static str, drop: u8) -> Self {
        Self::new(title, false, drop, Emphasis::Faint)
    }

    pub(crate) const fn text(title: &'static str, drop: u8) -> Self {
        Self::new(title, true, drop, Emphasis::Plain)
    }

    pub(crate) const fn number(title: &'static str, drop: u8) -> Self {
        Self::new(title, false, drop, Emphasis::Plain)
    }
}

impl Field {
    /// A field for programs: in CSV and JSON.
    pub(crate) const fn data(name: &'static str, value: fn(&Of<'_>) -> Value) -> Self {
        Self {
            name,
            in_csv: true,
            in_json: true,
            column: None,
            value,
        }
    }

    /// A field of CSV, which has no nested values.
    pub(crate) const fn csv(name: &'static str, value: fn(&Of<'_>) -> Value) -> Self {
        let field = Self::data(name, value);
        Self {
            in_json: false,
            ..field
        }
    }

    /// A field of JSON.
    pub(crate) const fn json(name: &'static str, value: fn(&Of<'_>) -> Value) -> Self {
        let field = Self::data(name, value);
        Self {
            in_csv: false,
            ..field
        }
    }

    /// A field for people: in text and Markdown.
    pub(crate) const fn shown(column: Column, value: fn(&Of<'_>) -> Value) -> Self {
        Self {
            name: "",
            in_csv: false,
            in_json: false,
            column: Some(column),
            value,
        }
    }

    /// The same field, for people, too.
    pub(crate) const fn and_shown(self, column: Column) -> Self {
        Self {
            column: Some(column),
            ..self
        }
    }
}
