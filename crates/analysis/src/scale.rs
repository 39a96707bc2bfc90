//! How latencies are drawn.

use fault_trace_text::choice::choices;

choices! {
    /// The latency axis of a histogram.
    pub enum Scale {
        Log "log" "Each row covers a power of two, or half of one",
        Linear "linear" "All rows cover ranges of the same size",
        None "none" "No histograms",
    }
}
