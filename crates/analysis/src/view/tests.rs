use fault_trace_common::{Class, Confidence, histogram::bucket_of};
use proptest::prelude::*;

use super::{
    made_up::{fault, faults, options, run, tables, view, view_of},
    *,
};
use crate::{Latency, Tables, Tally};
use fault_trace_filter::Values;
use fault_trace_model as model;
use fault_trace_model::{ClassTotals, Fault, attribution::MappingKind};

fn counts(view: &View) -> Vec<u64> {
    view.rows
        .iter()
        .map(|row| row.figures.tally.count)
        .collect()
}

/// Rows and rest together.
fn sum(view: &View, of: fn(&Figures) -> u64) -> u64 {
    let rows = view.rows.iter().map(|row| of(&row.figures));
    rows.chain(view.rest.iter().map(|rest| of(&rest.figures)))
        .sum()
}

#[test]
fn a_view_looks_at_its_fields_only() {
    for by in By::ALL {
        let fields = ViewBuilder::fields(by);
        let known: Vec<Fault> = faults()
            .iter()
            .map(|fault| fields.of_fault(fault))
            .collect();
        let options = || options(by, SortBy::Count, 10);
        assert_eq!(
            view_of(options(), &known),
            view_of(options(), &faults()),
            "{by:?}"
        );
    }
}

#[test]
fn functions_tell_their_own_faults_and_those_of_what_they_called() {
    let view = view(By::Function);
    let name = |row: &Row| match row.subject.get("function") {
        Some(Value::Label(label)) => String::from_utf8_lossy(&label.name.0).into_owned(),
        _ => "-".to_owned(),
    };
    let inclusive = |row: &Row| match row.subject.get("inclusive") {
        Some(Value::Inclusive(inclusive)) => inclusive.count,
        other => panic!("{other:?}"),
    };
    let rows = view.rows.iter();
    let seen: Vec<(String, u64, u64)> = rows
        .map(|row| (name(row), row.figures.tally.count, inclusive(row)))
        .collect();
    let expected = [
        ("b", 45, 45),
        ("a", 23, 23),
        ("-", 1, 1),
        ("__libc_start_main@@GLIBC_2.34", 0, 60),
        ("main", 0, 60),
        ("stripped+0x500", 0, 5),
    ];
    let mut seen: Vec<(&str, u64, u64)> = seen
        .iter()
        .map(|(name, own, all)| (&**name, *own, *all))
        .collect();
    seen.sort_by_key(|&(name, own, _)| (std::cmp::Reverse(own), name));
    assert_eq!(seen, expected);
    assert_eq!(
        (view.without_stack, view.truncated_stacks),
        (Some(4), Some(5))
    );
}

#[test]
fn a_file_shows_what_was_touched_cached_and_read_in_all_processes() {
    let view = view(By::File);
    let is_file = |row: &&Row| row.subject.get("kind") == Some(&MappingKind::File.name().into());
    let row = view.rows.iter().find(is_file).expect("it is there");
    let (file, figures) = (&row.subject, &row.figures);
    assert_eq!(file.get("cached"), Some(&Value::Count(20)));
    assert_eq!(file.get("read"), Some(&Value::Count(5)));
    assert_eq!(figures.tally.count, 25);
    let last = 0x2007 + 19 * 16 * 4096;
    assert_eq!(file.get("first_offset_bytes"), Some(&Value::Number(0x2007)));
    assert_eq!(file.get("last_offset_bytes"), Some(&Value::Number(last)));
    // 20 times up to 16, 5 times at least 1.
    assert_eq!(
        (figures.resident.at_least, figures.resident.at_most),
        (25, None)
    );
    assert_eq!(figures.resident_bytes, 25 * 4096);
}

#[test]
fn a_page_that_faults_again_says_how_often() {
    let view = view(By::Page);
    let page = &view.rows[0].subject;
    let address = Hex((4 << 20) + 8 * 4096);
    assert_eq!(page.get("pid"), Some(&Value::Number(4102)));
    assert_eq!(page.get("address"), Some(&Value::Address(address)));
    assert_eq!(page.get("refaults"), Some(&Value::Count(2)));
    assert!(counts(&view)[1..].iter().all(|&count| count == 1));
}

#[test]
fn a_cgroup_tells_its_container() {
    let view = view(By::Cgroup);
    let containers: Vec<_> = view
        .rows
        .iter()
        .map(|row| {
            let is_known = row.subject.get("container") != Some(&Value::Unknown);
            (row.subject.get("cgroup_id").cloned(), is_known)
        })
        .collect();
    assert_eq!(
        containers,
        [
            (Some(Value::Number(70)), false),
            (Some(Value::Number(71)), true),
            (Some(Value::Unknown), false)
        ]
    );
}

#[test]
fn time_is_cut_into_round_slots_that_follow_one_another() {
    // 4.21 s in at most 20 slots.
    let window = Window::new(1_000_000_000, 5_210_000_000, 20);
    assert_eq!(window.slot_ns, 500_000_000);
    assert_eq!(window.slot(0), 0);
    assert_eq!(window.slot(1_500_000_000), 1);
    assert_eq!(window.slot(u64::MAX), 8);
    let view = view(By::Time);
    assert_eq!(counts(&view), [68, 1]);
}

#[test]
fn rows_come_in_the_order_that_is_asked_for() {
    for (sort, first) in [
        (SortBy::Count, Class::AnonAlloc),
        (SortBy::Time, Class::FileRead),
        (SortBy::P99, Class::FileRead),
        // 20 times at most 16 pages.
        (SortBy::Pages, Class::FileCached),
    ] {
        let view = view_of(options(By::Class, sort, 20), &faults());
        let class = view.rows[0].subject.get("class");
        assert_eq!(class, Some(&first.name().into()), "{sort:?}");
    }
}

#[test]
fn a_filter_leaves_out_what_it_does_not_admit_and_says_of_how_many() {
    let mut options = options(By::Process, SortBy::Count, 20);
    let read = Values::Bits(Class::FileRead.bit());
    options.filter = options.filter.and(model::Field::Class, read);
    let view = view_of(options, &faults());
    assert_eq!((view.faults, view.of, counts(&view)), (5, 69, vec![5]));
}

#[test]
fn groups_beyond_the_bound_share_one_that_is_told() {
    let (tables, run) = (tables(), run());
    let options = options(By::Page, SortBy::Count, 4);
    let mut builder = ViewBuilder::with_capacity(options, &tables, &run, 10);
    builder.faults(&faults());
    let view = builder.finish();
    assert_eq!((view.groups, view.ungrouped, view.rows.len()), (10, 59, 4));
    assert_eq!(sum(&view, |figures| figures.tally.count), 69);
}

#[test]
fn what_a_recording_lacks_is_said_with_the_remedy() {
    let empty = Tables::default();
    for (by, missing) in [
        (By::Stack, Missing::Stacks),
        (By::Function, Missing::Locations),
        (By::File, Missing::Mappings),
        (By::Cgroup, Missing::Cgroups),
    ] {
        assert_eq!(by.definition().require(&empty), Err(missing));
        assert_eq!(by.definition().require(&tables()), Ok(()));
    }
    assert!(Missing::Stacks.to_string().contains("record with -g"));
}

fn any_fault() -> impl Strategy<Value = Fault> {
    let ids = (0..6_u32, 0..7_u32, 0..5_u32);
    let class = prop::sample::select(Class::ALL.to_vec());
    let latency = prop::option::of((0..41_u32).prop_flat_map(|bits| 0..2_u64 << bits));
    (ids, class, latency, any::<(u64, u64, u8, bool)>()).prop_map(
        |((mapping, location, stack), class, latency_ns, (time_ns, address, task, exact))| Fault {
            time_ns,
            latency_ns,
            address,
            pid: u32::from(task % 4),
            tid: u32::from(task),
            pages: u32::from(task),
            class,
            confidence: if exact {
                Confidence::Exact
            } else {
                Confidence::Inferred
            },
            mapping_id: (mapping != 0).then_some(mapping),
            location_id: (location != 0).then_some(location),
            stack_id: (stack != 0).then_some(stack),
            ..Fault::BLANK
        },
    )
}

proptest! {
    #[test]
    fn every_view_adds_up_to_all_recorded_faults(
        faults in prop::collection::vec(any_fault(), 0..200),
        by in prop::sample::select(By::ALL.to_vec()),
        limit in 1..6_usize,
    ) {
        let view = view_of(options(by, SortBy::Count, limit), &faults);
        let all = faults.len() as u64;
        prop_assert_eq!((view.faults, view.of, view.total.tally.count), (all, all, all));
        prop_assert!(view.rows.len() <= limit);
        prop_assert_eq!(sum(&view, |figures| figures.tally.count), all);
        let time_ns: u64 = faults.iter().filter_map(|fault| fault.latency_ns).sum();
        prop_assert_eq!(sum(&view, |figures| figures.tally.time_ns()), time_ns);
        let pages: u64 = faults.iter().map(|fault| u64::from(fault.pages)).sum();
        prop_assert_eq!(sum(&view, |figures| figures.tally.pages), pages);
        let at_least = sum(&view, |figures| figures.resident.at_least);
        prop_assert_eq!(at_least, view.total.resident.at_least);
        let classes = sum(&view, |figures| figures.classes.iter().map(|(_, count)| count).sum());
        prop_assert_eq!(classes, all);
    }

    #[test]
    fn quantiles_equal_those_of_the_table_of_classes(
        latencies in prop::collection::vec((0..41_u32).prop_flat_map(|bits| 0..2_u64 << bits), 1..300),
    ) {
        let faults: Vec<Fault> = latencies
            .iter()
            .map(|&ns| fault(1, 0, Class::AnonAlloc, Some(ns)))
            .collect();
        let mut totals = ClassTotals::empty(Class::AnonAlloc);
        for &ns in &latencies {
            totals.buckets[bucket_of(ns)] += 1;
        }
        totals.sum_ns = latencies.iter().sum();
        totals.min_ns = latencies.iter().min().copied();
        totals.max_ns = latencies.iter().max().copied();
        let expected: Option<Latency> = Tally::new([&totals]).latency_ns;
        let view = view_of(options(By::Class, SortBy::Count, 1), &faults);
        prop_assert_eq!(view.rows[0].figures.tally.latency_ns, expected);
        prop_assert_eq!(view.total.tally.latency_ns, expected);
    }
}

#[test]
fn no_field_has_the_name_of_another_and_each_view_has_a_key() {
    for by in By::ALL {
        let fields = by.definition().fields;
        for output in [|field: &Field| field.in_csv, |field: &Field| field.in_json] {
            let named = fields.iter().filter(|field| output(field));
            let names: Vec<&str> = named.map(|field| field.name).collect();
            let distinct: std::collections::HashSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{by:?}: {names:?}");
            assert!(!names.contains(&""), "{by:?}");
        }
        let columns = fields.iter().filter_map(|field| field.column);
        let keys = columns.filter(|column| column.emphasis == Emphasis::Strong);
        assert_eq!(keys.count(), 1, "{by:?}");
    }
}

#[test]
fn the_keys_of_every_view_are_documented() {
    let manual = include_str!("../../../../docs/json.md");
    let (_, rows) = manual
        .split_once("What a row stands for:")
        .expect("docs/json.md says it");
    for by in By::ALL {
        let row = rows.lines().find(|line| {
            let view = format!("| `{}` |", by.name());
            line.starts_with(&view)
        });
        let row = row.unwrap_or_else(|| panic!("docs/json.md has no row for {by:?}"));
        for field in by.definition().fields.iter().filter(|field| field.in_json) {
            assert!(
                row.contains(&format!("`{}`", field.name)),
                "{by:?}: {}",
                field.name
            );
        }
    }
}
