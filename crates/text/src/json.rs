//! The only JSON writer: what a terminal would obey, hide or reorder is an escape in its strings.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::plain::is_plain;

/// A value as JSON for people, with a final newline.
///
/// # Errors
/// None that plain values can cause.
pub fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    write_pretty(&mut text, value)?;
    text.push(b'\n');
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Writes a value in one line.
///
/// # Errors
/// What `out` reports.
pub fn write(out: impl Write, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut Serializer::with_formatter(
        out,
        Harmless(CompactFormatter),
    ))
}

/// Writes a value for people, without a final newline.
///
/// # Errors
/// What `out` reports.
pub fn write_pretty(out: impl Write, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut Serializer::with_formatter(
        out,
        Harmless(PrettyFormatter::new()),
    ))
}

/// A form of JSON in whose strings only plain characters stand for themselves.
struct Harmless<F>(F);

/// Passes on what decides how the text is laid out.
macro_rules! laid_out {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            fn $name<W: Write + ?Sized>(&mut self, out: &mut W $(, $argument: $type)*) -> io::Result<()> {
                self.0.$name(out $(, $argument)*)
            }
        )*
    };
}

impl<F: Formatter> Formatter for Harmless<F> {
    laid_out! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    /// The library has escaped quotes, backslashes and what is below U+0020.
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut written = 0;
        for (index, char) in fragment.char_indices() {
            if is_plain(char) {
                continue;
            }
            out.write_all(&fragment.as_bytes()[written..index])?;
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            written = index + char.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[written..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_laid_out_as_the_library_does() {
        let value = serde_json::json!({"a": [1, [], {}], "b": {"c": "d\n\"\\"}});
        let mut compact = Vec::new();
        write(&mut compact, &value).expect("a Vec takes everything");
        assert_eq!(compact, value.to_string().as_bytes());
        let pretty = pretty(&value).expect("it serialises");
        let expected = serde_json::to_string_pretty(&value).expect("it serialises");
        assert_eq!(pretty, expected + "\n");
    }

    #[test]
    fn what_reorders_text_or_is_a_control_becomes_an_escape() {
        let mut text = Vec::new();
        write(&mut text, &"a\u{202e}b\u{9b}c\u{7f}d\u{2028}e\u{e0041}").expect("it serialises");
        let expected = r#""a\u202eb\u009bc\u007fd\u2028e\udb40\udc41""#;
        assert_eq!(str::from_utf8(&text), Ok(expected));
    }

    proptest! {
        #[test]
        fn any_text_reads_back_and_no_unsafe_character_is_raw(text in any::<String>(), extra in any::<char>()) {
            let text = format!("{text}{extra}");
            let mut json = Vec::new();
            write(&mut json, &text).expect("a Vec takes everything");
            let json = String::from_utf8(json).expect("JSON is UTF-8");
            prop_assert!(json.chars().all(is_plain), "{json:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("it is JSON"), text);
        }
    }
}
