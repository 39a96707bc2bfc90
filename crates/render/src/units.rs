//! Numbers with their units, in fixed widths. Every text output takes them from here.

/// The widest [`duration`] below 1,000 s.
pub const DURATION_WIDTH: usize = 7;

/// A duration, three digits: `980 ns`, `1.23 µs`, `45.6 ms`, `7.89 s`; whole seconds from 1,000 s.
#[must_use]
pub fn duration(ns: u64) -> String {
    duration_aligned(ns).trim_end().to_owned()
}

/// A [`duration`] whose unit takes two columns, so that right-aligned numbers stand below one another.
#[must_use]
pub fn duration_aligned(ns: u64) -> String {
    if ns < 1000 {
        return format!("{ns} ns");
    }
    let mut value = ns as f64 / 1e3;
    for unit in ["µs", "ms"] {
        if let Some(digits) = three_digits(value) {
            return format!("{digits} {unit}");
        }
        value /= 1e3;
    }
    let digits = three_digits(value).unwrap_or_else(|| count(value.round() as u64));
    format!("{digits} s ")
}

/// `value` with three digits; `None` if it rounds to 1,000 or more.
fn three_digits(value: f64) -> Option<String> {
    match value {
        ..9.995 => Some(format!("{value:.2}")),
        ..99.95 => Some(format!("{value:.1}")),
        ..999.5 => Some(format!("{value:.0}")),
        _ => None,
    }
}

/// A count with thousands separators: `1,234,567`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of something: `1 fault`, `1,234 faults`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share in percent, at most five columns: `100%`, `63.2%`, `0%`. What is not nothing is at least
/// `<0.1%`, and what is not all is at most `99.9%`.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    if part == whole {
        return "100%".to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    match percent {
        ..0.1 => "<0.1%".to_owned(),
        99.9..100.0 => "99.9%".to_owned(),
        ..99.9 => format!("{percent:.1}%"),
        _ => format!("{percent:.0}%"),
    }
}

/// A size: `512 B`, `1.5 KiB`, `3.0 GiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_three_digits() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 µs"),
            (9_994, "9.99 µs"),
            (9_996, "10.0 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (45_600_000, "45.6 ms"),
            (7_890_000_000, "7.89 s"),
            (3_600_000_000_000, "3,600 s"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn shares_never_round_to_nothing_or_all() {
        for (part, whole, text) in [
            (0, 5, "0%"),
            (0, 0, "0%"),
            (5, 5, "100%"),
            (1, 1_000_000, "<0.1%"),
            (999_999, 1_000_000, "99.9%"),
            (1, 3, "33.3%"),
            (3, 2, "150%"),
        ] {
            assert_eq!(share(part, whole), text);
        }
    }

    #[test]
    fn counts_and_sizes_read_easily() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "fault", "faults"), "1 fault");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(4096), "4.0 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
    }

    proptest! {
        #[test]
        fn durations_keep_their_width(ns in 0..999_500_000_000_u64) {
            prop_assert!(duration_aligned(ns).chars().count() <= DURATION_WIDTH);
        }

        #[test]
        fn shares_keep_their_width((part, whole) in (1..u64::MAX).prop_flat_map(|whole| (0..=whole, Just(whole)))) {
            prop_assert!(share(part, whole).len() <= 5);
        }
    }
}
