//! Names that somebody else chose, made safe for a terminal.

use std::{borrow::Cow, fmt::Write as _};

use fault_trace_text::plain::is_plain;

/// `bytes` as text in which whatever a terminal would obey, hide or reorder is a visible escape:
/// `\n`, `\x1b`, `\xff` for a byte that is not UTF-8, `\u{202e}`, and `\\` for a backslash.
#[must_use]
pub fn sanitize(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && text.chars().all(is_safe)
    {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|char| push(&mut safe, char));
        for byte in chunk.invalid() {
            push_escape(&mut safe, format_args!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(safe)
}

/// A message that may hold such names, line by line.
#[must_use]
pub fn sanitize_lines(message: &str) -> String {
    let lines = message.split('\n').map(|line| sanitize(line.as_bytes()));
    lines.collect::<Vec<_>>().join("\n")
}

fn push(safe: &mut String, char: char) {
    match char {
        _ if is_safe(char) => safe.push(char),
        '\\' | '\n' | '\r' | '\t' => safe.extend(char.escape_default()),
        '\0'..='\x7f' => push_escape(safe, format_args!("\\x{:02x}", char as u32)),
        _ => safe.extend(char.escape_unicode()),
    }
}

fn push_escape(safe: &mut String, escape: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = safe.write_fmt(escape);
}

/// Whether `char` is plain, and does not begin an escape.
const fn is_safe(char: char) -> bool {
    char != '\\' && is_plain(char)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn harmless_names_stay_as_they_are() {
        for name in ["postgres", "kworker/0:1-ev", "数据库", "café", "(sd-pam)"] {
            assert!(matches!(sanitize(name.as_bytes()), Cow::Borrowed(same) if same == name));
        }
    }

    #[test]
    fn what_a_terminal_would_obey_becomes_visible() {
        for (bytes, text) in [
            (&b"\x1b[31mred"[..], r"\x1b[31mred"),
            (b"two\nlines\ttab\r", r"two\nlines\ttab\r"),
            (b"nul\0del\x7f", r"nul\x00del\x7f"),
            ("c1\u{9b}".as_bytes(), r"c1\u{9b}"),
            ("bidi\u{202e}cod".as_bytes(), r"bidi\u{202e}cod"),
            ("zero\u{200b}width".as_bytes(), r"zero\u{200b}width"),
            (b"bad\xffutf8\xc3", r"bad\xffutf8\xc3"),
            (br"fake\x1b", r"fake\\x1b"),
        ] {
            assert_eq!(sanitize(bytes), text);
        }
    }

    #[test]
    fn the_lines_of_a_message_stay() {
        assert_eq!(
            sanitize_lines("bad \x1b[m\n  remedy: …"),
            "bad \\x1b[m\n  remedy: …"
        );
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_through(bytes: Vec<u8>) {
            let safe = sanitize(&bytes);
            prop_assert!(safe.chars().all(is_plain));
        }

        #[test]
        fn different_bytes_look_different(one: Vec<u8>, other: Vec<u8>) {
            prop_assert_eq!(sanitize(&one) == sanitize(&other), one == other);
        }

        #[test]
        fn every_char_has_the_width_a_table_counts_on(char: char) {
            prop_assert!(sanitize(char.to_string().as_bytes()).width() <= 10);
        }
    }
}
