//! The values of filters, read and written as on the command line.

use std::time::Duration;

use fault_trace_common::{
    Class, Family,
    wire::{COMM_LEN, comm_bytes},
};

use fault_trace_text::choice::Choice;

/// A process by its id, or processes by their newest name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProcessName {
    Pid(u32),
    Comm(String),
}

impl ProcessName {
    pub(super) fn write(&self) -> String {
        match self {
            Self::Pid(pid) => pid.to_string(),
            Self::Comm(name) => name.clone(),
        }
    }
}

/// `10s`, `50us`, `1m 30s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = moment(text)?;
    if duration.is_zero() {
        return Err("a duration must be longer than 0".into());
    }
    Ok(duration)
}

/// A duration from the start of a run; 0 is one.
pub(super) fn moment(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with a unit, as in 10s or 50us"))
}

/// A duration as one types it, in no unit above hours: `99h`, `1m 30s`, `50us`.
pub fn write_duration(duration: &Duration) -> String {
    const HOUR: u64 = 3600;
    let hours = duration.as_secs() / HOUR;
    let rest = duration.saturating_sub(Duration::from_secs(hours * HOUR));
    let rest_text = humantime::format_duration(rest);
    match (hours, rest.is_zero()) {
        (0, _) => rest_text.to_string(),
        (_, true) => format!("{hours}h"),
        (_, false) => format!("{hours}h {rest_text}"),
    }
}

/// A process's id, or a name.
pub(super) fn process(text: &str) -> Result<ProcessName, String> {
    match text.parse() {
        Ok(pid) => Ok(ProcessName::Pid(pid)),
        Err(_) if text.is_empty() => Err("write the number or the name of a process".into()),
        Err(_) => Ok(ProcessName::Comm(text.to_owned())),
    }
}

/// `0x7f0000000000-0x7f0000001000`: first address, and the first beyond.
pub(super) fn addresses(text: &str) -> Result<(u64, u64), String> {
    let form = || "write LO-HI, as in 0x7f0000000000-0x7f0000001000".to_owned();
    let (low, high) = text.split_once('-').ok_or_else(form)?;
    let (low, high) = (
        address(low).ok_or_else(form)?,
        address(high).ok_or_else(form)?,
    );
    if low >= high {
        return Err("the range is empty: LO must be below HI".into());
    }
    Ok((low, high - 1))
}

fn address(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn write_addresses((first, last): &(u64, u64)) -> String {
    format!("{first:#x}-{:#x}", last.saturating_add(1))
}

/// `1/64`: 64.
pub(super) fn fraction(text: &str) -> Result<u32, String> {
    text.split_once('/')
        .filter(|(one, _)| one.trim() == "1")
        .and_then(|(_, many)| many.trim().parse().ok())
        .filter(|&many| many > 0)
        .ok_or_else(|| "write 1/N, as in 1/64".into())
}

/// The name of a class.
pub(super) fn class(text: &str) -> Result<Class, String> {
    Class::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Class::ALL.iter().map(|class| class.name()).collect();
        format!("there is no such class; classes are {}", names.join(", "))
    })
}

/// The name of a family.
pub(super) fn family(text: &str) -> Result<Family, String> {
    Family::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
        format!("there is no such family; families are {}", names.join(", "))
    })
}

/// One of a list.
pub(super) fn choice<T: Choice>(text: &str) -> Result<T, String> {
    T::from_name(text).ok_or_else(|| "there is no such value".to_owned())
}

/// Says that an option matches less than the name that was given; `None` where it matches all of it.
pub fn shortened(option: &str, name: &str) -> Option<String> {
    let kept = comm_bytes(name.as_bytes());
    (kept.len() < name.len()).then(|| {
        format!(
            "the kernel keeps {} bytes of a name: {option} {name} matches {}",
            COMM_LEN - 1,
            String::from_utf8_lossy(kept)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_takes_a_unit() {
        assert_eq!(duration("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "10", "-1s", "0s", "1 parsec"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_may_be_the_start() {
        assert_eq!(moment("0s"), Ok(Duration::ZERO));
        assert!(moment("5").is_err());
    }

    #[test]
    fn a_duration_is_written_as_it_may_be_typed() {
        for text in ["99h", "1h 2m", "1m 30s", "50us", "0s", "8760h 1ns"] {
            let duration = moment(text).expect("is one");
            assert_eq!(write_duration(&duration), text);
        }
    }

    #[test]
    fn a_process_is_an_id_or_a_name() {
        assert_eq!(process("12"), Ok(ProcessName::Pid(12)));
        assert_eq!(process("12x"), Ok(ProcessName::Comm("12x".into())));
        assert!(process("").is_err());
    }

    #[test]
    fn a_range_of_addresses_leaves_out_its_end() {
        assert_eq!(addresses("0x1000-0x2000"), Ok((0x1000, 0x1fff)));
        assert_eq!(addresses("16-32"), Ok((16, 31)));
        for wrong in ["", "1", "0x2000-0x1000", "5-5", "0xg-0x1", "1-2-3"] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_sample_is_one_in_many() {
        assert_eq!(fraction("1/64"), Ok(64));
        for wrong in ["64", "2/64", "1/0", "1/", "/", "1/-3"] {
            assert!(fraction(wrong).is_err(), "{wrong}");
        }
    }
}
