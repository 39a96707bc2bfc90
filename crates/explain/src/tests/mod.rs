//! Claims about whole inputs. The log lines are written in the formats of the kernels named.

mod concluding;
mod naming;
mod reading;
mod rendering;

use super::{Explained, Explanation, explain, render};

/// From a 6.18 kernel.
const STORE_NEAR_NULL: &str = "[ 1988.636817] s[31929]: segfault at 10 ip 000055f97cb1f132 \
    sp 00007ffc670ca240 error 6 in s[1132,55f97cb1f000+1000] likely on CPU 0 (core 0, socket 0)";

const NULL_OOPS: &str = "\
BUG: kernel NULL pointer dereference, address: 0000000000000010
#PF: supervisor write access in kernel mode
#PF: error_code(0x0002) - not-present page
PGD 0 P4D 0
Oops: Oops: 0002 [#1] SMP NOPTI
CPU: 1 UID: 0 PID: 4242 Comm: app Not tainted 6.18.0 #1
RIP: 0010:driver_write+0x1c/0x50 [driver]
CR2: 0000000000000010 CR3: 0000000101234000 CR4: 0000000000750ef0
RIP: 0033:0x7f1234567890";

fn ok(input: &str) -> Explanation {
    match explain(input) {
        Ok(Explained::Fault(explanation)) => *explanation,
        other => panic!("{input:?}: {other:?}"),
    }
}

fn rendered(input: &str, width: usize) -> String {
    let explained = explain(input).unwrap_or_else(|error| panic!("{input:?}: {error}"));
    render(&explained, width)
}
