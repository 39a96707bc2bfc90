//! Which name a thread had when.

mod history;

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use self::history::{History, Name};
use super::event::{TaskChange, TaskEvent};

/// How many names [`TaskNames::default`] keeps: some 20 MB at most.
const DEFAULT_CAPACITY: usize = 1 << 18;

/// The names of threads over time, in bounded memory.
///
/// At the bound the thread that exited first is forgotten; if none has, a renamed thread forgets
/// its own oldest name, and a new thread stays nameless. [`TaskNames::forgotten`] counts those. What
/// is answered is never wrong for that, as long as each thread's events come in order of time.
#[derive(Debug)]
pub struct TaskNames {
    capacity: usize,
    /// Names kept, over all threads.
    len: usize,
    forgotten: u64,
    threads: FxHashMap<(u32, u32), History>,
    /// Threads in the order of their exits; those that came back to life since are passed over.
    exited: VecDeque<(u32, u32)>,
}

impl Default for TaskNames {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl TaskNames {
    /// Keeps at most `capacity` names.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            len: 0,
            forgotten: 0,
            threads: FxHashMap::default(),
            exited: VecDeque::new(),
        }
    }

    /// Takes in an event. Events of a thread may come late; of two at the same time the later wins.
    pub fn ingest(&mut self, event: &TaskEvent) {
        let thread = (event.pid, event.tid);
        while self.len >= self.capacity {
            if !self.make_room(thread) {
                self.forgotten += 1;
                return;
            }
        }
        let name = Name {
            change: event.change,
            comm: event.comm.as_slice().into(),
        };
        let names = self.threads.entry(thread).or_default();
        names.insert(event.time_ns, name);
        self.len += 1;
        if event.change == TaskChange::Exited {
            self.exited.push_back(thread);
        }
    }

    /// The name of a thread at a time: that of its newest event by then. Before its first event it
    /// has the name it was first seen with, for a fault starts before it is seen.
    #[must_use]
    pub fn name(&self, pid: u32, tid: u32, time_ns: u64) -> Option<&[u8]> {
        let names = self.threads.get(&(pid, tid))?;
        let seen = |first: &&Name| first.change == TaskChange::Seen && self.forgotten == 0;
        let name = names.at(time_ns).or_else(|| names.first().filter(seen));
        name.map(|name| &*name.comm)
    }

    /// How many names were forgotten or not taken in for lack of room.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether there was anything to forget in favour of `thread`.
    fn make_room(&mut self, thread: (u32, u32)) -> bool {
        while let Some(exited) = self.exited.pop_front() {
            let names = self.threads.get(&exited).and_then(History::last);
            if names.is_some_and(|name| name.change == TaskChange::Exited) {
                self.forget(&exited);
                return true;
            }
        }
        let Some(names) = self.threads.get_mut(&thread) else {
            return false;
        };
        names.pop_first();
        self.len -= 1;
        self.forgotten += 1;
        if names.len() == 0 {
            self.threads.remove(&thread);
        }
        true
    }

    fn forget(&mut self, thread: &(u32, u32)) {
        if let Some(names) = self.threads.remove(thread) {
            self.len -= names.len();
            self.forgotten += names.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(time_ns: u64, tid: u32, change: TaskChange, comm: &str) -> TaskEvent {
        TaskEvent {
            time_ns,
            pid: 1,
            tid,
            comm: comm.into(),
            change,
            cgroup_id: None,
        }
    }

    fn names(capacity: usize, events: &[TaskEvent]) -> TaskNames {
        let mut names = TaskNames::new(capacity);
        for event in events {
            names.ingest(event);
        }
        names
    }

    /// The slow, obvious answer.
    fn model(events: &[TaskEvent], tid: u32, time_ns: u64) -> Option<&[u8]> {
        let mut own: Vec<_> = events.iter().filter(|event| event.tid == tid).collect();
        own.sort_by_key(|event| event.time_ns);
        own.iter()
            .rfind(|event| event.time_ns <= time_ns)
            .or_else(|| own.first().filter(|event| event.change == TaskChange::Seen))
            .map(|event| event.comm.as_slice())
    }

    fn change() -> impl Strategy<Value = TaskChange> {
        prop_oneof![
            Just(TaskChange::Seen),
            Just(TaskChange::Renamed),
            Just(TaskChange::Forked { parent_pid: 1 }),
            Just(TaskChange::Exited),
        ]
    }

    /// Enough of one thread that its names are kept as many are.
    fn many_events() -> impl Strategy<Value = Vec<TaskEvent>> {
        let one = (0..30_u64, change(), "[ab]")
            .prop_map(|(time_ns, change, comm)| event(time_ns, 1, change, &comm));
        prop::collection::vec(one, 0..100)
    }

    fn events() -> impl Strategy<Value = Vec<TaskEvent>> {
        let one = (0..30_u64, 0..4_u32, change(), "[ab]")
            .prop_map(|(time_ns, tid, change, comm)| event(time_ns, tid, change, &comm));
        prop::collection::vec(one, 0..40)
    }

    proptest! {
        #[test]
        fn it_answers_as_the_slow_model(events in prop_oneof![events(), many_events()]) {
            let names = names(usize::MAX, &events);
            for tid in 0..5 {
                for time_ns in 0..32 {
                    prop_assert_eq!(names.name(1, tid, time_ns), model(&events, tid, time_ns));
                }
            }
        }

        #[test]
        fn at_the_bound_it_knows_less_but_nothing_wrong(
            mut events in prop_oneof![events(), many_events()],
            capacity in prop_oneof![0..12_usize, 12..90_usize],
        ) {
            events.sort_by_key(|event| event.time_ns);
            let names = names(capacity, &events);
            prop_assert!(names.len <= capacity && names.exited.len() <= events.len());
            prop_assert_eq!(names.len as u64 + names.forgotten(), events.len() as u64);
            for tid in 0..4 {
                for time_ns in 0..32 {
                    let answer = names.name(1, tid, time_ns);
                    prop_assert!(answer.is_none() || answer == model(&events, tid, time_ns));
                }
            }
        }
    }

    #[test]
    fn names_in_any_order_are_taken_in_in_time() {
        // Each goes into the middle of all before: moving half of them each time takes minutes.
        let mut names = TaskNames::default();
        let middle = 1_u64 << 32;
        let began = std::time::Instant::now();
        for nth in 0..DEFAULT_CAPACITY as u64 {
            let time_ns = if nth % 2 == 0 { nth } else { 2 * middle - nth };
            names.ingest(&event(time_ns, 7, TaskChange::Renamed, "a"));
        }
        assert_eq!(names.len, DEFAULT_CAPACITY);
        let took = began.elapsed();
        assert!(took < std::time::Duration::from_secs(20), "{took:?}");
    }

    #[test]
    fn a_thread_that_exited_makes_room() {
        let names = names(
            2,
            &[
                event(1, 7, TaskChange::Seen, "alive"),
                event(2, 8, TaskChange::Exited, "gone"),
                event(3, 9, TaskChange::Seen, "new"),
            ],
        );
        assert_eq!(names.name(1, 7, 5), Some(&b"alive"[..]));
        assert_eq!(names.name(1, 8, 5), None);
        assert_eq!(names.name(1, 9, 5), Some(&b"new"[..]));
        assert_eq!(names.forgotten(), 1);
    }

    #[test]
    fn a_reused_thread_id_of_another_process_is_another_thread() {
        let names = names(9, &[event(1, 7, TaskChange::Seen, "one")]);
        assert_eq!(names.name(2, 7, 5), None);
    }
}
