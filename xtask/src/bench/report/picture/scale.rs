//! From ns to places, and numbers as people read them.

use super::{BARS, Bar};

/// What the right edge stands for: a little more than the longest bar.
pub(super) fn edge_ns(bars: &[Bar]) -> f64 {
    let whole = bars.iter().filter(|bar| !bar.is_cut);
    let longest = whole.map(|bar| bar.added_ns.upper).fold(0.0, f64::max);
    // With none but cut ones any edge will do.
    if longest > 0.0 {
        longest * 1.05
    } else {
        1000.0
    }
}

pub(super) fn x(ns: f64, edge_ns: f64) -> i32 {
    let share = (ns / edge_ns).clamp(0.0, 1.0);
    BARS.0 + (f64::from(BARS.1 - BARS.0) * share).round() as i32
}

/// 1, 2 or 5 times a power of ten: at most ten lines, and at least four.
pub(super) fn step_ns(edge_ns: f64) -> f64 {
    let power = 10_f64.powf((edge_ns / 10.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fitting = steps.into_iter().find(|step| edge_ns / step <= 10.0);
    fitting.unwrap_or(edge_ns)
}

/// 12345.6 as 12,346.
pub(super) fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::from(if number <= -0.5 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::picture::tests::bar;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(12_345.6), "12,346");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(-1500.0), "-1,500");
        assert_eq!(thousands(-0.2), "0");
    }

    #[test]
    fn lines_stand_at_round_numbers() {
        for (edge, step) in [
            (1000.0, 100.0),
            (1050.0, 200.0),
            (2600.0, 500.0),
            (90.0, 10.0),
        ] {
            assert!((step_ns(edge) - step).abs() < 1e-6, "{edge}");
        }
    }

    #[test]
    fn a_bar_that_is_cut_does_not_shrink_the_others() {
        let bars = [bar("record", 1000.0, false), bar("slow", 15_000.0, true)];
        let edge = edge_ns(&bars);
        assert!((edge - 1050.0).abs() < 1e-6);
        assert_eq!(x(15_000.0, edge), BARS.1);
    }
}
