//! Colour, only where it was asked for.

use anstyle::{AnsiColor, Style as Ansi};

/// Whether text is coloured. Passed to every renderer; the default is plain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    pub colour: bool,
}

/// Looks of a text, which every renderer of text takes.
#[derive(Clone, Copy, Debug)]
pub struct SummaryOptions {
    /// Columns of the terminal.
    pub width: usize,
    pub style: Style,
    /// Whether the run goes on, so that nothing is final yet.
    pub live: bool,
}

/// What a piece of text is, which decides how it looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Paint {
    #[default]
    Plain,
    Strong,
    Dim,
    /// Bars.
    Bar,
    Warn,
    Bad,
}

impl Style {
    /// `text`, painted. The text must be safe for a terminal.
    #[must_use]
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let ansi = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Strong => Ansi::new().bold(),
            Paint::Dim => Ansi::new().dimmed(),
            Paint::Bar => AnsiColor::Cyan.on_default(),
            Paint::Warn => AnsiColor::Yellow.on_default(),
            Paint::Bad => AnsiColor::Red.on_default().bold(),
        };
        if self.colour && !text.is_empty() {
            format!("{ansi}{text}{ansi:#}")
        } else {
            text.to_owned()
        }
    }
}
