//! Numbers that JSON shows as text: `"0x7f00"`.

use serde::Serializer;

// serde passes a reference.
pub(super) fn hex<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: std::fmt::LowerHex,
    S: Serializer,
{
    serializer.collect_str(&format_args!("{value:#x}"))
}

pub(super) fn hex_option<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: std::fmt::LowerHex,
    S: Serializer,
{
    match value {
        Some(value) => hex(value, serializer),
        None => serializer.serialize_none(),
    }
}
