//! One pass over the faults, and the rows that come of it.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::{
    Rest, View, ViewOptions,
    definition::{Definition, SortBy},
    group::{Figures, Group},
    groups::{self, Groups, Key},
    inclusive::Callers,
    keys::Keys,
    of::Of,
    row::{Row, Subject},
    value::Inclusive,
    views::By,
    window::Window,
};
use crate::{
    Sampling, Tables,
    by_id::ById,
    resident::{Resident, Sources},
};
use fault_trace_model::{Fault, Fields, Run};

/// Faults whose groups are looked up together.
const TOGETHER: usize = 64;
/// A run is cut into so many slots at most.
const MOST_SLOTS: usize = 100;

/// Takes in faults and makes a view of them.
#[derive(Debug)]
pub struct ViewBuilder<'a> {
    options: ViewOptions,
    view: &'static Definition,
    tables: &'a Tables,
    run: &'a Run,
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
        let (from_ns, to_ns) = options.filter.window_ns();
        let window = Window::new(
            from_ns.max(run.started_ns),
            to_ns.min(run.stopped_ns),
            options.limit.min(MOST_SLOTS),
        );
        let page_size_bytes = run.host.page_size_bytes;
        let view = options.by.definition();
        let inclusive = view.has_inclusive && tables.has_stacks();
        Self {
            sources: run.into(),
            keys: Keys::new(tables, window, page_size_bytes),
            groups: Groups::new(capacity),
            callers: inclusive.then(Callers::default),
            options,
            view,
            tables,
            run,
            of: 0,
            truncated: ById::default(),
            truncated_stacks: 0,
            without_stack: 0,
        }
    }

    /// What [`ViewBuilder::faults`] looks at in a view by `by`, beside its filter.
    #[must_use]
    pub const fn fields(by: By) -> Fields {
        by.definition().reads.and(Group::FIELDS)
    }

    /// Counts recorded faults that the filter refuses and that are not taken in for that.
    pub const fn pass_over(&mut self, faults: u64) {
        self.of += faults;
    }

    /// Takes in recorded faults.
    pub fn faults(&mut self, faults: &[Fault]) {
        self.of += faults.len() as u64;
        let mut found = [const { None }; TOGETHER];
        for faults in faults.chunks(TOGETHER) {
            // The groups of all are looked up before any is added to: so the memory that many groups
            // take is waited for once for several of them.
            for (found, fault) in found.iter_mut().zip(faults) {
                *found = self.options.filter.admits(fault).then(|| {
                    let (key, position) = (self.view.key)(&mut self.keys, fault);
                    (self.groups.slot(key), key, position)
                });
            }
            for (found, fault) in found.iter().zip(faults) {
                if let Some((slot, key, position)) = found {
                    self.fault(fault, *slot, *key, *position);
                }
            }
        }
    }

    fn fault(&mut self, fault: &Fault, slot: Option<usize>, key: Key, position: Option<u64>) {
        let resident = Resident::of(fault, self.sources, || self.tables.kind(fault));
        self.groups.group(slot).fault(fault, resident, position);
        if self.view.looks_at_stacks {
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
        let sampling = Sampling::of(self.run);
        let figures = |group: &Group| group.figures(page_size_bytes, sampling);
        let subject = |key: Key, group: &Group| {
            let group = Of {
                key,
                group,
                tables: self.tables,
                run: self.run,
                keys: &self.keys,
                inclusive: inclusive.as_ref(),
            };
            Subject::new(self.view.fields, &group)
        };
        let mut rows: Vec<Row> = groups[..shown]
            .iter()
            .map(|(key, group)| Row {
                subject: subject(*key, group),
                figures: figures(group),
            })
            .collect();
        if self.options.sort == SortBy::P99 {
            rows.sort_by_key(|row| {
                Reverse(row.figures.tally.latency_ns.map(|latency| latency.p99))
            });
        }
        let rest = rest(&groups[shown..], &other, figures);
        let has_stacks = self.view.looks_at_stacks && self.tables.has_stacks();
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
            sampling,
            total: figures(&total),
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

fn rest(
    hidden: &[(Key, Group)],
    other: &Group,
    figures: impl Fn(&Group) -> Figures,
) -> Option<Rest> {
    if hidden.is_empty() && other.count == 0 {
        return None;
    }
    let mut sum = other.clone();
    for (_, group) in hidden {
        sum.merge(group);
    }
    Some(Rest {
        groups: hidden.len() as u64,
        figures: figures(&sum),
    })
}
