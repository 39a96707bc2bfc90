//! Values of options that are no filters: names, ids, sizes, choices.

use bytesize::ByteSize;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::choice::Choice;

/// One of `all`, by its name.
pub(super) fn one_of<T: Choice>(
    all: impl IntoIterator<Item = T>,
    meaning: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let value = |value: T| {
        let possible = PossibleValue::new(value.name());
        match meaning(value) {
            "" => possible,
            meaning => possible.help(meaning),
        }
    };
    let names: Vec<PossibleValue> = all.into_iter().map(value).collect();
    PossibleValuesParser::new(names)
        .try_map(|name| T::from_name(&name).ok_or("there is no such value"))
}

/// One of its list, by its name.
pub(super) fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    one_of(T::ALL.iter().copied(), T::meaning)
}

/// A thread's name, of which the kernel keeps 15 bytes.
pub(super) fn comm(text: &str) -> Result<String, String> {
    match text {
        "" => Err("write a name, as `ps -eLo comm` shows it".into()),
        name => Ok(name.to_owned()),
    }
}

/// A user's name or number.
pub(super) fn user(text: &str) -> Result<String, String> {
    match text {
        "" => Err("write the name or the number of a user, as `getent passwd` shows it".into()),
        user => Ok(user.to_owned()),
    }
}

/// A process's id.
pub(super) fn pid(text: &str) -> Result<u32, String> {
    id(text).ok_or_else(|| {
        "write the number of a process, as `ps -e` shows it; --comm takes a name".into()
    })
}

/// A thread's id.
pub(super) fn tid(text: &str) -> Result<u32, String> {
    id(text).ok_or_else(|| {
        "write the number of a thread, as `ps -eL` shows it; --comm takes a name".into()
    })
}

/// The kernel's numbers are positive and signed.
fn id(text: &str) -> Option<u32> {
    const LARGEST: u32 = i32::MAX as u32;
    text.parse().ok().filter(|id| (1..=LARGEST).contains(id))
}

/// `64M`: the next power of two from a page to 1 GiB, bytes.
pub(super) fn ring_bytes(text: &str) -> Result<u32, String> {
    const SMALLEST: u64 = 4096;
    const LARGEST: u64 = 1 << 30;
    let ByteSize(bytes) = text
        .parse::<ByteSize>()
        .map_err(|_| "write a number with a unit, as in 64M".to_owned())?;
    if bytes > LARGEST {
        return Err("the buffer can have at most 1GiB".into());
    }
    if bytes < SMALLEST {
        return Err("the buffer needs at least 4KiB, a page".into());
    }
    u32::try_from(bytes.next_power_of_two()).map_err(|error| error.to_string())
}

/// A number of faults to list.
pub(super) fn faults(text: &str) -> Result<usize, String> {
    const MOST: usize = 10_000;
    text.parse()
        .ok()
        .filter(|faults| (1..=MOST).contains(faults))
        .ok_or_else(|| format!("write a number from 1 to {MOST}"))
}

#[cfg(test)]
mod tests;
