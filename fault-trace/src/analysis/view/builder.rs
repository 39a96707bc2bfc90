//! One pass over the faults, and the rows that come of it.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{
    By, Rest, Row, SortBy, View, ViewOptions, Window,
    group::Group,
    groups::{self, Groups, Key},
    inclusive::Callers,
    key::{self, Keys},
    row::Inclusive,
    subject::Subjects,
};
use crate::{
    analysis::{
        Tables,
        by_id::ById,
        resident::{Resident, Sources},
    },
    model::{Fault, Fields, Run},
};

/// A run is cut into so many slots at most.
const MOST_SLOTS: usize = 100;

/// Takes in faults and makes a view of them.
#[derive(Debug)]
pub struct ViewBuilder<'a> {
    options: ViewOptions,
    tables: &'a Tables,
    run: &'a Run,
    window: Window,
    sources: Sources,
    keys: Keys<'a>,
    groups: Groups,
    callers: Option<Callers>,
    of: u64,
    truncated: ById<bool>,
    truncated_stacks: u64,
    without_stack: u64,
}

impl<'a> ViewBuilder<'a> {
    /// A view of the faults of `run`, which refer to `tables`.
    #[must_use]
    pub fn new(options: ViewOptions, tables: &'a Tables, run: &'a Run) -> Self {
        Self::with_capacity(options, tables, run, groups::CAPACITY)
    }

    pub(super) fn with_capacity(
        options: ViewOptions,
        tables: &'a Tables,
        run: &'a Run,
        capacity: usize,
    ) -> Self {
        let whole = (run.started_ns, run.stopped_ns);
        let (from_ns, to_ns) = options.filter.window_ns.unwrap_or(whole);
        let window = Window::new(
            from_ns.max(run.started_ns),
            to_ns.min(run.stopped_ns),
            options.limit.min(MOST_SLOTS),
        );
        let page_size_bytes = run.host.page_size_bytes;
        let inclusive = options.by == By::Function && tables.has_stacks();
        Self {
            sources: run.into(),
            keys: Keys::new(options.by, tables, window, page_size_bytes),
            groups: Groups::new(capacity),
            callers: inclusive.then(Callers::default),
            options,
            tables,
            run,
            window,
            of: 0,
            truncated: ById::default(),
            truncated_stacks: 0,
            without_stack: 0,
        }
    }

    /// What [`ViewBuilder::fault`] looks at in a view by `by`, beside its filter.
    #[must_use]
    pub const fn fields(by: By) -> Fields {
        key::fields(by).and(Group::FIELDS)
    }

    /// Counts recorded faults that the filter refuses and that are not taken in for that.
    pub const fn pass_over(&mut self, faults: u64) {
        self.of += faults;
    }

    /// Takes in a recorded fault.
    pub fn fault(&mut self, fault: &Fault) {
        self.of += 1;
        if !self.options.filter.admits(fault) {
            return;
        }
        let (key, position) = self.keys.of(fault);
        let resident = Resident::of(fault, self.sources, || self.tables.kind(fault));
        self.groups.fault(key, fault, resident, position);
        if matches!(self.options.by, By::Function | By::Stack) {
            self.stack(fault);
        }
        if let Some(callers) = &mut self.callers {
            // A number of a function is a u32.
            callers.fault(fault, key.1 as u32);
        }
    }

    fn stack(&mut self, fault: &Fault) {
        let Some(id) = fault.stack_id else {
            self.without_stack += 1;
            return;
        };
        let truncated = match self.truncated.get(id) {
            Some(&truncated) => truncated,
            None => {
                let truncated = self.tables.is_truncated(id);
                self.truncated.insert(id, truncated);
                truncated
            }
        };
        self.truncated_stacks += u64::from(truncated);
    }

    /// The view of the faults so far.
    #[must_use]
    pub fn finish(mut self) -> View {
        let (mut groups, other) = self.groups.into_parts();
        let inclusive = self
            .callers
            .map(|callers| callers.by_function(self.tables, &mut self.keys));
        if let Some(inclusive) = &inclusive {
            callers_without_faults(&mut groups, inclusive);
        }
        let mut total = other.clone();
        for (_, group) in &groups {
            total.merge(group);
        }
        sort(&mut groups, self.options.sort, inclusive.as_ref());
        let shown = groups.len().min(self.options.limit);
        let page_size_bytes = self.run.host.page_size_bytes;
        let subjects = Subjects {
            by: self.options.by,
            tables: self.tables,
            run: self.run,
            window: self.window,
            keys: &self.keys,
            inclusive: inclusive.as_ref(),
            page_size_bytes,
        };
        let mut rows: Vec<Row> = groups[..shown]
            .iter()
            .map(|(key, group)| Row {
                subject: subjects.subject(*key, group),
                figures: group.figures(page_size_bytes),
            })
            .collect();
        if self.options.sort == SortBy::P99 {
            rows.sort_by_key(|row| {
                Reverse(row.figures.tally.latency_ns.map(|latency| latency.p99))
            });
        }
        let rest = rest(&groups[shown..], &other, page_size_bytes);
        let has_stacks =
            matches!(self.options.by, By::Function | By::Stack) && self.tables.has_stacks();
        View {
            by: self.options.by,
            sort: self.options.sort,
            filters: self.options.filter.words,
            faults: total.count,
            of: self.of,
            without_stack: has_stacks.then_some(self.without_stack),
            truncated_stacks: has_stacks.then_some(self.truncated_stacks),
            groups: groups.len() as u64,
            ungrouped: other.count,
            not_kept: self.tables.not_kept(),
            total: total.figures(page_size_bytes),
            rows,
            rest,
        }
    }
}

/// Functions that took no fault themselves, but called some that did, get empty groups.
fn callers_without_faults(groups: &mut Vec<(Key, Group)>, inclusive: &FxHashMap<u32, Inclusive>) {
    let known: rustc_hash::FxHashSet<u64> = groups.iter().map(|((_, number), _)| *number).collect();
    let callers = inclusive.keys().map(|&number| u64::from(number));
    let missing = callers.filter(|number| !known.contains(number));
    groups.extend(missing.map(|number| ((0, number), Group::default())));
}

fn sort(groups: &mut [(Key, Group)], sort: SortBy, inclusive: Option<&FxHashMap<u32, Inclusive>>) {
    let inclusive = |number: u64| {
        let number = u32::try_from(number).ok()?;
        Some(inclusive?.get(&number)?.count)
    };
    groups.sort_by_cached_key(|(key, group)| {
        let first = match sort {
            SortBy::Count => group.count,
            SortBy::Time => group.sum_ns,
            SortBy::P99 => group.p99(),
            SortBy::Pages => group.resident.pages(),
            SortBy::Inclusive => inclusive(key.1).unwrap_or(group.count),
            SortBy::Start => 0,
        };
        let then = match sort {
            SortBy::Start => (0, 0, 0),
            _ => (group.count, group.sum_ns, inclusive(key.1).unwrap_or(0)),
        };
        (Reverse(first), Reverse(then), *key)
    });
}

fn rest(hidden: &[(Key, Group)], other: &Group, page_size_bytes: u64) -> Option<Rest> {
    if hidden.is_empty() && other.count == 0 {
        return None;
    }
    let mut sum = other.clone();
    for (_, group) in hidden {
        sum.merge(group);
    }
    Some(Rest {
        groups: hidden.len() as u64,
        figures: sum.figures(page_size_bytes),
    })
}
