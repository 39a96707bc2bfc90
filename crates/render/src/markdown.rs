//! The table of classes in Markdown.

use std::fmt::Write as _;

use super::{
    classes::by_count,
    units::{count, duration, share},
};
use fault_trace_analysis::Report;

/// A Markdown table with a row a class, the most frequent first.
#[must_use]
pub fn classes(report: &Report) -> String {
    let mut out = String::from(
        "| class | count | share | inferred | major | time | mean | p50 | p99 | p99.9 | max |\n\
         |:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in by_count(report) {
        let tally = &row.tally;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "| {} | {} | {} | {} | {} |",
            row.class.name(),
            count(tally.count),
            share(tally.count, report.total.count),
            count(tally.inferred),
            count(tally.major),
        );
        match tally.latency_ns {
            None => out += " - | - | - | - | - | - |",
            Some(ns) => {
                let mean = ns.mean.round() as u64;
                for value in [ns.sum, mean, ns.p50, ns.p99, ns.p999, ns.max] {
                    let _ = write!(out, " {} |", duration(value));
                }
            }
        }
        out.push('\n');
    }
    out
}

/// Text for a cell, in which Markdown and HTML read nothing but text.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', char]),
            // A link that needs no brackets: https://…, www.….
            ':' if rest.peek() == Some(&'/') => escaped += "\\:",
            '.' if escaped.ends_with("www") => escaped += "\\.",
            _ => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;
    use crate::sanitize;
    use fault_trace_model::sample::database;

    /// What a reader of Markdown makes of a table with one cell: its text, if there is nothing else.
    fn read(cell: &str) -> Result<String, String> {
        let table = format!("| x |\n|---|\n| {cell} |\n");
        let mut text = None;
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_MATH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_WIKILINKS
            | Options::ENABLE_GFM;
        for event in Parser::new_ext(&table, options) {
            match event {
                Event::Start(Tag::TableRow) => text = Some(String::new()),
                Event::Text(part) => {
                    text = text.map(|text: String| text + &part);
                }
                Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableCell)
                | Event::End(
                    TagEnd::Table | TagEnd::TableHead | TagEnd::TableCell | TagEnd::TableRow,
                ) => {}
                other => return Err(format!("{other:?} of {cell:?}")),
            }
        }
        text.ok_or_else(|| format!("no row of {cell:?}"))
    }

    #[test]
    fn what_markdown_and_html_would_read_is_text() {
        for name in [
            "a|b",
            "`code` *strong* _em_ ~~gone~~",
            "<img src=x onerror=alert(1)>",
            "&lt;&amp;",
            "[link](https://example.com) https://example.com www.example.com",
            "![image](x)",
            r"back\slash\|",
            "$x$",
            "std::vector<int>::push_back(int const&)",
        ] {
            assert_eq!(read(&escape(name)), Ok(name.to_owned()));
        }
        assert_eq!(escape("https://www.a.b"), "https\\://www\\.a.b");
        assert_eq!(escape("two\nlines"), "two lines");
    }

    proptest! {
        #[test]
        fn any_name_is_the_text_of_its_cell(name: Vec<u8>) {
            let name = sanitize(&name).into_owned();
            prop_assert_eq!(read(&escape(&name)), Ok(name.trim().to_owned()));
        }

        #[test]
        fn punctuation_is_the_text_of_its_cell(name in "[ -~]{0,40}") {
            prop_assert_eq!(read(&escape(&name)), Ok(name.trim().to_owned()));
        }
    }

    #[test]
    fn the_most_frequent_class_comes_first() {
        insta::assert_snapshot!(classes(&Report::new(&database())));
    }
}
