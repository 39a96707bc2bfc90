//! Names that are written with every fault, in bounded length.

use std::borrow::Cow;

/// Bytes that a name has at most where it is written with every fault.
pub const LONGEST: usize = 1024;
/// What stands for the middle of a longer one.
const MARK: &str = "…";
/// Bytes kept of either end.
const END: usize = (LONGEST - MARK.len()) / 2;

/// A name of at most [`LONGEST`] bytes: of a longer one both ends, for paths differ in their ends and
/// functions in their beginnings.
#[must_use]
pub fn short(name: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if name.len() <= LONGEST {
        return name;
    }
    // Not within a character: at most three bytes follow the first.
    let is_within = |&byte: &u8| byte & 0xc0 == 0x80;
    let mut head = END;
    while head > END - 3 && name.get(head).is_some_and(is_within) {
        head -= 1;
    }
    let mut tail = name.len() - END;
    while tail < name.len() - END + 3 && name.get(tail).is_some_and(is_within) {
        tail += 1;
    }
    Cow::Owned([&name[..head], MARK.as_bytes(), &name[tail..]].concat())
}

/// The same of text.
#[must_use]
pub fn short_text(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= LONGEST {
        return name;
    }
    let short = short(Cow::Borrowed(name.as_bytes()));
    Cow::Owned(String::from_utf8_lossy(&short).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_name_keeps_both_ends() {
        let name = format!("/first/{}/last.so", "x".repeat(5000));
        let cut = short_text(name.as_str().into());
        assert!(cut.starts_with("/first/") && cut.ends_with("/last.so"));
        assert!(cut.contains("x…x") && cut.len() <= LONGEST, "{}", cut.len());
        let just = "y".repeat(LONGEST);
        assert!(matches!(short_text(just.as_str().into()), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn text_stays_text(head in "\\PC{0,600}", tail in "\\PC{0,600}") {
            let name = format!("{head}{}{tail}", "€".repeat(300));
            let cut = short_text(name.as_str().into());
            prop_assert!(cut.len() <= LONGEST.max(name.len().min(LONGEST)));
            prop_assert!(!cut.contains(char::REPLACEMENT_CHARACTER) || name.contains(char::REPLACEMENT_CHARACTER));
        }

        #[test]
        fn any_bytes_are_bounded(name in prop::collection::vec(any::<u8>(), 0..3000)) {
            let cut = short(name.as_slice().into());
            prop_assert!(cut.len() <= LONGEST);
            prop_assert_eq!(cut == name, name.len() <= LONGEST);
        }
    }
}
