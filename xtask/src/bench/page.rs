//! Keeps results in docs/cost.md, between marks, and the picture beside it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Where the page and its picture are, from the root of the workspace.
pub(super) const PAGE: &str = "docs/cost.md";
pub(super) const PICTURE: &str = "docs/cost.svg";

const END: &str = "<!-- End of what is written. -->\n";

/// What writes a part of the page.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Costs,
    Endurance,
}

impl Part {
    const fn mark(self) -> &'static str {
        match self {
            Self::Costs => "<!-- Written by `cargo xtask bench --write`. -->\n",
            Self::Endurance => "<!-- Written by `cargo xtask bench --endurance --write`. -->\n",
        }
    }
}

/// Replaces this part of the page.
pub(super) fn write(root: &Path, part: Part, text: &str) -> Result<()> {
    let path = root.join(PAGE);
    let page =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let page = replaced(&page, part.mark(), text)
        .with_context(|| format!("{} has lost its mark: {}", path.display(), part.mark()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn replaced(page: &str, mark: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(mark)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{mark}{}\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("a\n<!-- x -->\nold\n{END}b\n<!-- y -->\nkept\n{END}");
        let expected = format!("a\n<!-- x -->\nnew\n{END}b\n<!-- y -->\nkept\n{END}");
        assert_eq!(replaced(&page, "<!-- x -->\n", "new\n\n"), Some(expected));
        assert_eq!(replaced(&page, "<!-- z -->\n", "new"), None);
    }
}
