//! Counters of the eBPF programs besides faults: every way something can be lost or go wrong.

named! {
    /// An anomaly or a loss; per CPU in the kernel, summed by user space.
    pub enum Counter: u32, "the name of a counter" {
        TaskStateFailed "task_state_failed" "faults not traced: the thread's state could not be created",
        ThreadSlotsFull "thread_slots_full" "threads counted together: more threads at once than slots",
        ProcessesFull "processes_full" "threads whose process could not be counted apart: too many processes in one run",
        TargetsFull "targets_full" "children not followed: too many target processes at once",
        EndUnmatched "end_unmatched" "ends without a start: faults in progress when tracing began",
        NestingOverflow "nesting_overflow" "faults given up: too many nested in one another",
        ClockBackwards "clock_backwards" "latencies set to 0: the clock went backwards",
        TaskRecordsDropped "task_records_dropped" "thread names lost: the ring buffer was full",
        PidReused "pid_reused" "process ids used again within the run: counted under the newest name",
        StacksDropped "stacks_dropped" "stacks lost: the ring buffer was full",
        StacksFull "stacks_full" "stacks sent more than once: more different ones than the eBPF programs remember",
        StackUnread "stack_unread" "stacks that could not be read",
        OwnProbe "own_probe" "faults of the tracer's own reading of stacks, left out",
        AwayFull "away_full" "sleeps taken to last until the fault ended: too many threads slept at once",
        EndMissed "end_missed" "ends missed: their faults are counted, but without a latency",
    }
}
