//! Values of options: durations, sizes, ranges, fractions.

use std::time::Duration;

use bytesize::ByteSize;
use fault_trace_common::{Class, Family};

use crate::options::ProcessName;

/// `10s`, `50us`, `1m 30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
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

/// A process's id, or a name.
pub(super) fn process(text: &str) -> Result<ProcessName, String> {
    match text.parse() {
        Ok(pid) => Ok(ProcessName::Pid(pid)),
        Err(_) if text.is_empty() => Err("write the number or the name of a process".into()),
        Err(_) => Ok(ProcessName::Comm(text.to_owned())),
    }
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

/// `1/64`: one in so many.
pub(super) fn fraction(text: &str) -> Result<u32, String> {
    text.split_once('/')
        .filter(|(one, _)| one.trim() == "1")
        .and_then(|(_, many)| many.trim().parse().ok())
        .filter(|&many| many > 0)
        .ok_or_else(|| "write 1/N, as in 1/64".into())
}

/// A number of faults to list.
pub(super) fn faults(text: &str) -> Result<usize, String> {
    const MOST: usize = 10_000;
    text.parse()
        .ok()
        .filter(|faults| (1..=MOST).contains(faults))
        .ok_or_else(|| format!("write a number from 1 to {MOST}"))
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
    fn a_process_is_an_id_or_a_name() {
        assert_eq!(process("12"), Ok(ProcessName::Pid(12)));
        assert_eq!(process("12x"), Ok(ProcessName::Comm("12x".into())));
        assert!(process("").is_err());
    }

    #[test]
    fn an_id_is_a_number_that_the_kernel_gives() {
        assert_eq!(pid("1"), Ok(1));
        assert_eq!(tid("4194304"), Ok(4_194_304));
        for wrong in ["", "0", "-1", "abc", "1x", "4294967295", "99999999999"] {
            assert!(pid(wrong).is_err() && tid(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_buffer_is_rounded_up_to_a_power_of_two() {
        assert_eq!(ring_bytes("64M"), Ok(64 << 20));
        assert_eq!(ring_bytes("4KiB"), Ok(4096));
        assert_eq!(ring_bytes("5000"), Ok(8192));
        for wrong in ["", "M", "2GiB", "-1", "0", "1k", "4095"] {
            assert!(ring_bytes(wrong).is_err(), "{wrong}");
        }
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
