//! The sum of all numbers in a JSON value, without keeping it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The sum of the whole numbers above 0, at any depth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum(pub(super) u128);

/// Keys of numbers that are never added up: the wall clock.
const LEFT_OUT: [&str; 1] = ["unix_ns"];

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Sum;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Sum, E> {
        Ok(Sum(number.into()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Sum, E> {
        Ok(Sum::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Sum, E> {
        Ok(Sum::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Sum, E> {
        Ok(Sum::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Sum, E> {
        Ok(Sum::default())
    }

    fn visit_unit<E>(self) -> Result<Sum, E> {
        Ok(Sum::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Sum, A::Error> {
        let mut sum = Sum::default();
        while let Some(Sum(more)) = values.next_element()? {
            sum.0 = sum.0.saturating_add(more);
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Sum, A::Error> {
        let mut sum = Sum::default();
        while let Some(key) = values.next_key::<String>()? {
            if LEFT_OUT.contains(&key.as_str()) {
                values.next_value::<IgnoredAny>()?;
            } else {
                let Sum(more) = values.next_value()?;
                sum.0 = sum.0.saturating_add(more);
            }
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_any_depth_are_added_up() {
        let text = r#"{"a":[1,[2]],"b":{"c":3,"unix_ns":9},"d":"4","e":null,"f":-5,"g":true}"#;
        assert_eq!(serde_json::from_str::<Sum>(text).expect("JSON"), Sum(6));
        let text = format!("[{0},{0}]", u64::MAX);
        let twice = u128::from(u64::MAX) * 2;
        assert_eq!(
            serde_json::from_str::<Sum>(&text).expect("JSON"),
            Sum(twice)
        );
    }
}
