//! Median and quartiles.

/// The middle of some values, and the middles of their halves.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Spread {
    pub(super) lower: f64,
    pub(super) median: f64,
    pub(super) upper: f64,
}

impl Spread {
    /// Of a value that does not vary.
    pub(super) const fn exactly(value: f64) -> Self {
        Self {
            lower: value,
            median: value,
            upper: value,
        }
    }

    /// In another unit; `change` keeps the order.
    pub(super) fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            lower: change(self.lower),
            median: change(self.median),
            upper: change(self.upper),
        }
    }
}

/// `None` without values.
pub(super) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    Some(Spread {
        lower: quantile(&sorted, 0.25)?,
        median: quantile(&sorted, 0.5)?,
        upper: quantile(&sorted, 0.75)?,
    })
}

/// Between two values it is interpolated linearly.
fn quantile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? as f64 * fraction;
    let (low, high) = (
        *sorted.get(place.floor() as usize)?,
        *sorted.get(place.ceil() as usize)?,
    );
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_values_does_not_matter() {
        let expected = Spread {
            lower: 2.0,
            median: 3.0,
            upper: 4.0,
        };
        assert_eq!(spread([5.0, 1.0, 4.0, 2.0, 3.0]), Some(expected));
        assert_eq!(spread([1.0, 2.0, 3.0, 4.0, 5.0]), Some(expected));
    }

    #[test]
    fn between_two_values_it_is_interpolated() {
        let expected = Spread {
            lower: 12.5,
            median: 15.0,
            upper: 17.5,
        };
        assert_eq!(spread([20.0, 10.0]), Some(expected));
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_median() {
        assert_eq!(spread([7.0]), Some(Spread::exactly(7.0)));
        assert_eq!(spread([]), None);
    }

    #[test]
    fn an_outlier_does_not_move_the_median() {
        let median = spread([1.0, 2.0, 1e9]).map(|spread| spread.median);
        assert_eq!(median, Some(2.0));
    }
}
