//! Text in labelled paragraphs that are wrapped to the terminal.

use textwrap::{Options, WordSplitter};

/// Narrower than this, lines are not wrapped any further.
const MIN_WIDTH: usize = 40;
const LABEL_WIDTH: usize = 10;

/// Text that grows by wrapped paragraphs.
pub(super) struct Page {
    pub(super) text: String,
    width: usize,
}

impl Page {
    /// An empty page whose lines have at most `width` columns, where words allow it.
    pub(super) fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width: width.max(MIN_WIDTH),
        }
    }

    pub(super) fn labelled(&mut self, label: &str, text: &str) {
        self.paragraph(&format!("{label:<LABEL_WIDTH$}"), text);
    }

    /// Adds a paragraph whose further lines are indented by the first one's prefix.
    pub(super) fn paragraph(&mut self, prefix: &str, text: &str) {
        let indent = " ".repeat(prefix.chars().count());
        let options = Options::new(self.width)
            .initial_indent(prefix)
            .subsequent_indent(&indent)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        self.text.push_str(&textwrap::fill(text, options));
        self.text.push('\n');
    }
}
