//! The counters of losses and anomalies.

use std::collections::BTreeMap;

use fault_trace_common::Counter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Anomalies and losses, by [`Counter`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CounterTotals(pub [u64; Counter::ALL.len()]);

impl CounterTotals {
    /// The value of one counter.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }
}

/// A map from name to value.
impl Serialize for CounterTotals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Counter::ALL.map(|counter| (counter.name(), self.get(counter))))
    }
}

impl<'de> Deserialize<'de> for CounterTotals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_name = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let value = |counter: Counter| by_name.get(counter.name()).copied().unwrap_or(0);
        Ok(Self(Counter::ALL.map(value)))
    }
}
