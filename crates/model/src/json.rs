//! How the model looks in JSON where it differs from its Rust form: compact, readable without this
//! program, and tolerant of names that a newer version added.

use std::collections::BTreeMap;

use fault_trace_common::Class;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A task's name: text where it is UTF-8, else `{"bytes":[…]}`.
pub(super) mod comm {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Comm {
        Text(String),
        Raw { bytes: Vec<u8> },
    }

    pub(crate) fn serialize<S: Serializer>(comm: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(comm) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Comm::Raw {
                bytes: comm.to_vec(),
            }
            .serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        Ok(match Comm::deserialize(deserializer)? {
            Comm::Text(text) => text.into_bytes(),
            Comm::Raw { bytes } => bytes,
        })
    }
}

/// A latency histogram: pairs of a bucket's smallest value (ns) and its count, empty buckets left out.
pub(super) mod buckets {
    use fault_trace_common::histogram::{BUCKETS, bucket_low, bucket_of};

    use super::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        buckets: &[u64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let filled = buckets.iter().enumerate().filter(|&(_, &count)| count != 0);
        serializer.collect_seq(filled.map(|(bucket, &count)| (bucket_low(bucket), count)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u64>, D::Error> {
        let mut buckets = vec![0_u64; BUCKETS];
        for (low_ns, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            let bucket = &mut buckets[bucket_of(low_ns)];
            *bucket = bucket.saturating_add(count);
        }
        Ok(buckets)
    }
}

/// The time in each measured phase by its name, ns; a newer version's phases are passed over.
pub(super) mod phases {
    use fault_trace_common::phase::{MEASURED, Phase, Spent};

    use super::{BTreeMap, Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        spent_ns: &Spent,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let names = Phase::MEASURED.map(|(phase, _)| phase.name());
        serializer.collect_map(names.iter().zip(spent_ns))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Spent, D::Error> {
        let by_name = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let mut spent_ns = [0; MEASURED];
        for (spent_ns, (phase, _)) in spent_ns.iter_mut().zip(Phase::MEASURED) {
            *spent_ns = by_name.get(phase.name()).copied().unwrap_or(0);
        }
        Ok(spent_ns)
    }
}

/// A class by its name; a newer version's class reads as [`Class::Unknown`].
pub(super) fn class_or_unknown<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Class, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(Class::from_name(&name).unwrap_or(Class::Unknown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Counts, ProcessTotals, Totals,
        totals::{ClassTotals, CounterTotals, KernelCounts},
    };
    use fault_trace_common::{
        Counter, Hook, Hooks,
        histogram::{BUCKETS, bucket_low},
    };
    use proptest::prelude::*;
    use serde_json::json;

    fn class_totals() -> impl Strategy<Value = ClassTotals> {
        let buckets = prop::collection::btree_map(0..BUCKETS, 1_u64..1 << 40, 0..20);
        let class = prop::sample::select(Class::ALL.to_vec());
        (class, any::<[u64; 5]>(), any::<[Option<u64>; 2]>(), buckets).prop_map(
            |(class, [inferred, major, untimed, pages, sum_ns], [min_ns, max_ns], filled)| {
                let mut totals = ClassTotals {
                    inferred,
                    major,
                    untimed,
                    pages,
                    sum_ns,
                    min_ns,
                    max_ns,
                    ..ClassTotals::empty(class)
                };
                for (bucket, count) in filled {
                    totals.buckets[bucket] = count;
                }
                totals
            },
        )
    }

    fn round_trip<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        let text = serde_json::to_string(value).expect("serialises");
        serde_json::from_str(&text).expect("reads back")
    }

    proptest! {
        #[test]
        fn totals_survive_json(
            classes in prop::collection::vec(class_totals(), 0..4),
            comm in prop::collection::vec(any::<u8>(), 0..16),
            started: u64,
            kernel in any::<Option<(u64, u64)>>(),
            counters: [u64; Counter::ALL.len()],
        ) {
            let mut classes = classes;
            classes.sort_by_key(|totals| totals.class);
            classes.dedup_by_key(|totals| totals.class);
            let counts = Counts { started, ..Counts::default() };
            let kernel = kernel.map(|(minor, major)| KernelCounts { minor, major });
            let totals = Totals {
                counts,
                classes,
                processes: vec![ProcessTotals { pid: 7, comm, counts, kernel, cpu_ns: Some(started) }],
                threads: Vec::new(),
                counters: CounterTotals(counters),
            };
            prop_assert_eq!(round_trip(&totals), totals);
        }

        #[test]
        fn a_set_of_hooks_survives_json(
            hooks in prop::sample::subsequence(Hook::ALL.to_vec(), 0..=Hook::COUNT),
        ) {
            let hooks: Hooks = hooks.into_iter().collect();
            prop_assert_eq!(round_trip(&hooks), hooks);
        }
    }

    #[test]
    fn a_histogram_lists_its_filled_buckets_by_their_smallest_value() {
        let mut totals = ClassTotals::empty(Class::CowAnon);
        totals.buckets[100] = 3;
        let json = serde_json::to_value(&totals).expect("serialises");
        assert_eq!(json["buckets"], json!([[bucket_low(100), 3]]));
    }

    #[test]
    fn a_name_is_text_unless_it_is_not_utf_8() {
        #[derive(Serialize)]
        struct Named(#[serde(with = "comm")] Vec<u8>);
        let json = |name: &[u8]| serde_json::to_value(Named(name.to_vec())).expect("serialises");
        assert_eq!(json(b"ls"), json!("ls"));
        assert_eq!(json(&[0xff, b'a']), json!({"bytes": [255, 97]}));
    }

    #[test]
    fn names_of_a_newer_version_are_tolerated() {
        let hooks: Hooks =
            serde_json::from_value(json!(["rss_stat", "from_the_future"])).expect("reads");
        assert_eq!(hooks, Hooks::default().with(Hook::RssStat));

        let counters: CounterTotals =
            serde_json::from_value(json!({"pid_reused": 4, "from_the_future": 9})).expect("reads");
        assert_eq!(counters.get(Counter::PidReused), 4);
        assert_eq!(counters.0.iter().sum::<u64>(), 4);
    }

    #[test]
    fn classes_of_a_newer_version_are_added_to_unknown() {
        let mut newer = ClassTotals::empty(Class::CowAnon);
        (newer.untimed, newer.buckets[20]) = (2, 3);
        (newer.min_ns, newer.max_ns) = (Some(20), Some(21));
        let mut json = serde_json::to_value(Totals {
            classes: vec![newer.clone(), newer],
            ..Totals::default()
        })
        .expect("serialises");
        json["classes"][0]["class"] = json!("from-the-future");
        json["classes"][1]["class"] = json!("from-beyond-the-future");
        let totals: Totals = serde_json::from_value(json).expect("reads");
        let [unknown] = totals.classes.as_slice() else {
            panic!("one class: {:?}", totals.classes)
        };
        assert_eq!((unknown.class, unknown.count()), (Class::Unknown, 10));
        assert_eq!((unknown.min_ns, unknown.max_ns), (Some(20), Some(21)));
    }
}
