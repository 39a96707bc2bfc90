//! Events that end a fault.

named! {
    /// Event that ended the fault. The numbers are stored in the evidence word of recordings.
    pub enum Closer: u8, "the name of a closer" {
        None = 0 "none" "nothing yet",
        End = 1 "end" "`handle_mm_fault` completed it (perf software event)",
        Signal = 2 "signal" "the kernel raised a signal for it",
        NextStart = 3 "next-start" "the thread took another fault: it had gone on",
        SignalDelivery = 4 "signal-delivery" "a signal was delivered: the thread was on its way back to user mode",
        Exit = 5 "exit" "the thread exited",
        Vsyscall = 6 "vsyscall" "a legacy vsyscall was emulated",
        OuterEnd = 7 "outer-end" "a fault that this one was nested in ended",
        Overflow = 8 "overflow" "too many faults were nested; the oldest was given up",
    }
}

impl Closer {
    /// Returns true if the fault was over at the moment of closing. Other closers come later, so the
    /// latency of what they close is unknown.
    #[inline(always)]
    #[must_use]
    pub const fn is_timely(self) -> bool {
        matches!(self, Self::End | Self::Signal | Self::Vsyscall)
    }
}
