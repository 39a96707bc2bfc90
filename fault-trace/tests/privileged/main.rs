//! Tests that trace: they need root and run one at a time (`--test-threads=1`). What they trace is
//! mostly the program `known` of the test lab, which takes known faults at known addresses.

mod accounting;
mod anomalies;
mod arguments;
mod attribution;
mod bad_access;
mod counts;
mod crash;
mod degradation;
mod descendants;
mod ending;
mod exit_path;
mod filters;
mod hostile;
mod journals;
mod latency;
mod launching;
mod leaving;
mod limits;
mod names;
mod overflow;
mod perf;
mod privileges;
mod proof;
mod rights;
mod robustness;
mod sideband;
mod silent;
mod streams;
mod support;
mod targets;
mod terminal;
mod untrusted;
mod whole_machine;

use support::is_root;
