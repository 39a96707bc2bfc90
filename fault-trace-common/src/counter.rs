//! What the eBPF programs count beside faults: every way something can be lost or go wrong.

macro_rules! counters {
    ($($number:literal $variant:ident $name:literal $meaning:literal,)*) => {
        /// An anomaly or a loss; per CPU in the kernel, summed by user space.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Counter {
            $(#[doc = $meaning] $variant = $number,)*
        }

        impl Counter {
            /// Every counter; the index is its number.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$variant),*];

            /// The name used in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it means, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

counters! {
    0 TaskStateFailed "task_state_failed" "faults not traced: the thread's state could not be created",
    1 ThreadSlotsFull "thread_slots_full" "threads counted together: more threads at once than slots",
    2 ProcessesFull "processes_full" "threads whose process could not be counted apart: too many processes in one run",
    3 TargetsFull "targets_full" "children not followed: too many target processes at once",
    4 EndUnmatched "end_unmatched" "ends without a start: faults in progress when tracing began",
    5 NestingOverflow "nesting_overflow" "faults given up: too many nested in one another",
    6 ClockBackwards "clock_backwards" "latencies set to 0: the clock went backwards",
    7 TaskRecordsDropped "task_records_dropped" "thread names lost: the ring buffer was full",
    8 PidReused "pid_reused" "process ids used again within the run: counted under the newest name",
    9 StacksDropped "stacks_dropped" "stacks lost: the ring buffer was full",
    10 StacksFull "stacks_full" "stacks sent more than once: more different ones than the kernel side remembers",
    11 StackUnread "stack_unread" "stacks that could not be read",
    12 OwnProbe "own_probe" "faults of the tracer's own reading of stacks, left out",
    13 AwayFull "away_full" "sleeps taken to last until the fault ended: too many threads slept at once",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_number() {
        for (index, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, index);
        }
    }
}
