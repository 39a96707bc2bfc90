//! What is accepted, and what is read from it.

use super::{NULL_OOPS, STORE_NEAR_NULL, concluding::endings, ok, rendered};
use crate::{Ending, ExplainError, Mode, Outcome, explain};

#[test]
fn an_error_code_may_be_written_in_many_ways() {
    for input in [
        "6",
        "0x6",
        "0b110",
        "error 6",
        "error:6",
        " error_code(0x0006) ",
        "error code 6",
        "0006",
    ] {
        let explanation = ok(input);
        assert_eq!(explanation.error_code, Some(6), "{input}");
        assert_eq!(explanation.access, Some("write"), "{input}");
        assert_eq!(explanation.mode, Some(Mode::User), "{input}");
        assert_eq!(explanation.present, Some(false), "{input}");
        assert_eq!(explanation.address, None, "{input}");
    }
}

#[test]
fn digits_are_hexadecimal_as_in_the_log() {
    let explanation = ok("14");
    assert_eq!(explanation.error_code, Some(0x14));
    assert_eq!(explanation.access, Some("exec"));
    assert!(explanation.notes[0].contains("hexadecimal"));
    assert!(ok("7").notes.is_empty());
}

#[test]
fn bits_without_a_meaning_are_named_as_such() {
    let explanation = ok("0x106");
    assert_eq!(explanation.unknown_bits, 0x100);
    assert!(explanation.notes[0].contains("without a meaning"));
    assert!(rendered("0x106", 80).contains("0x100 without a meaning"));
}

#[test]
fn what_is_no_page_fault_is_refused_with_the_reason() {
    for (input, words) in [
        ("", "nothing to explain"),
        (" \n ", "nothing to explain"),
        ("hello", "cannot make sense"),
        ("deadbeefdeadbeef", "cannot make sense"),
        ("0b12", "no error code"),
        ("0x1ffffffff", "no error code"),
        ("error six", "no error code"),
        ("12 monkeys", "cannot make sense"),
        (
            "a[1]: segfault at zero ip 0 sp 0 error 4",
            "the address \"zero\"",
        ),
        ("a[1]: segfault at 0 ip 0 sp 0 error none", "no error code"),
        (
            "traps: my prog[1670] general protection fault ip:5583d8a7727b sp:7ffc0748e590 \
             error:0 in my prog[127b,5583d8a77000+1000]",
            "general protection fault",
        ),
        (
            "traps: a[1671] trap invalid opcode ip:56411fbb2286 sp:7ffc7d700700 error:0",
            "invalid opcode",
        ),
        (
            "Oops: general protection fault, probably for non-canonical address \
             0xdead000000000100: 0000 [#1] SMP",
            "general protection fault",
        ),
        (
            "traps: a[3] trap divide error ip:5 sp:6 error:0 in a[5+1000]",
            "division",
        ),
        ("\u{1b}[31m", "cannot make sense"),
    ] {
        let error = explain(input).expect_err(input).to_string();
        assert!(error.contains(words), "{input:?}: {error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
    assert!(matches!(
        explain("traps: a[3] trap int3 ip:5"),
        Err(ExplainError::OtherTrap(_))
    ));
}

#[test]
fn each_era_and_each_log_prefix_is_read() {
    let bare = "my app[31929]: segfault at 10 ip 000055f97cb1f132 sp 00007ffc670ca240 error 6";
    let modern =
        format!("{bare} in libx.so[1132,55f97cb1f000+1000] likely on CPU 3 (core 1, socket 0)");
    let older = format!("{bare} in libx.so[55f97cb1f000+1000]");
    let ancient = "my app[31929]: segfault at 0000000000000010 rip 000055f97cb1f132 \
                   rsp 00007ffc670ca240 error 6";
    let colons = "my app[31929]: segfault at 10 ip:55f97cb1f132 sp:7ffc670ca240 error:6 \
                  in libx.so[55f97cb1f000+1000]";
    for line in [modern.as_str(), &older, ancient, colons, bare] {
        for prefix in [
            "",
            "[ 1988.636817] ",
            "[Tue Jan  2 03:04:05 2024] ",
            "[  +0.000012] ",
            "[Jan 2 03:04] ",
            "<6>[ 1988.636817] ",
            "[ 1988.636817][ T4242] ",
            "[ 1988.636817] [    C1] ",
            "Jan  2 03:04:05 host kernel: ",
            "Jan  2 03:04:05 host kernel: [ 1988.636817] ",
            "2024-01-02T03:04:05.123456+00:00 host kernel: ",
            "2024-01-02T03:04:05,123456+00:00 ",
            "kern  :info  : [ 1988.636817] ",
            "kernel: ",
        ] {
            let input = format!("{prefix}{line}");
            let explanation = ok(&input);
            let process = explanation.process.expect(&input);
            assert_eq!(
                (process.name.as_str(), process.tid),
                ("my app", 31929),
                "{input}"
            );
            assert_eq!(explanation.address.expect(&input).value, 0x10, "{input}");
            assert_eq!(explanation.error_code, Some(6), "{input}");
            assert_eq!(explanation.outcome, Some(Outcome::Segfault), "{input}");
            let code = explanation.code.expect(&input);
            assert_eq!(code.ip, Some(0x55f9_7cb1_f132), "{input}");
            let named = line.contains(" in ");
            assert_eq!(code.mapping_offset, named.then_some(0x132), "{input}");
        }
    }
    assert_eq!(ok(&modern).cpu, Some(3));
    assert_eq!(ok(&older).cpu, None);
}

#[test]
fn the_address_for_addr2line_depends_on_what_the_kernel_printed() {
    for (file, expected) in [
        ("s[1132,55f97cb1f000+1000]", Some(0x1132)),
        ("s[55f97cb1f000+1000]", Some(0x132)),
        // Somewhere else: what find_vma() found above.
        ("s[55f97cb20000+1000]", None),
    ] {
        let input = format!("s[1]: segfault at 0 ip 55f97cb1f132 sp 7ffc0 error 4 in {file}");
        let code = ok(&input).code.expect("an instruction");
        assert_eq!(code.addr2line, expected, "{file}");
        assert!(code.advice.is_some(), "{file}");
    }
    let fixed = "s[1]: segfault at 0 ip 401132 sp 7ffc0 error 4 in s[1132,401000+1000]";
    let code = ok(fixed).code.expect("an instruction");
    assert_eq!(code.addr2line, Some(0x40_1132));
}

#[test]
fn an_oops_is_read_from_all_its_lines() {
    let explanation = ok(NULL_OOPS);
    assert_eq!(explanation.error_code, Some(2));
    assert_eq!(explanation.mode, Some(Mode::Kernel));
    assert_eq!(explanation.outcome, Some(Outcome::Oops));
    assert_eq!(explanation.address.as_ref().map(|it| it.value), Some(0x10));
    let symbol = explanation
        .code
        .as_ref()
        .and_then(|code| code.symbol.as_deref());
    assert_eq!(symbol, Some("driver_write+0x1c/0x50 [driver]"));
    assert_eq!(endings(&explanation), [Ending::Oops]);
    assert!(
        explanation
            .path
            .iter()
            .any(|step| step.what.contains("SMAP"))
    );
}

#[test]
fn each_line_of_an_oops_tells_its_part() {
    let bit = |input: &str, name: &str| {
        let bits = ok(input).bits;
        bits.iter().find(|bit| bit.name == name).map(|bit| bit.set)
    };
    for (input, name, set) in [
        (
            "#PF: supervisor write access in kernel mode",
            "W",
            Some(true),
        ),
        (
            "#PF: supervisor write access in kernel mode",
            "U",
            Some(false),
        ),
        ("#PF: supervisor write access in kernel mode", "P", None),
        ("#PF: user instruction fetch in user mode", "I", Some(true)),
        (
            "#PF: error_code(0x0002) - not-present page",
            "P",
            Some(false),
        ),
        (
            "#PF: error_code(0x0003) - permissions violation",
            "P",
            Some(true),
        ),
        (
            "#PF: error_code(0x0009) - reserved bit violation",
            "RSVD",
            Some(true),
        ),
        ("not-present page", "P", Some(false)),
        ("permissions violation", "P", Some(true)),
        ("reserved bit violation", "RSVD", Some(true)),
        ("protection keys violation", "PK", Some(true)),
        ("RMP violation", "RMP", Some(true)),
        (
            "app: Corrupted page table at address 7f0012345000",
            "RSVD",
            Some(true),
        ),
        ("Oops: 0002 [#1] PREEMPT SMP", "W", Some(true)),
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000010",
            "W",
            None,
        ),
    ] {
        assert_eq!(bit(input, name), set, "{input}: {name}");
    }
    for input in [
        "BUG: unable to handle page fault for address: ffffc90000123000",
        "BUG: unable to handle kernel paging request at ffffc90000123000",
        "[   12.3] BUG: unable to handle page fault for address: ffffc90000123000",
    ] {
        let address = ok(input).address.expect(input);
        assert_eq!(
            (address.value, address.region),
            (0xffff_c900_0012_3000, "kernel-vmalloc")
        );
    }
    let old = ok("BUG: unable to handle kernel NULL pointer dereference at           (null)");
    assert_eq!(old.address.map(|address| address.value), Some(0));
}

#[test]
fn only_the_first_of_several_faults_is_explained() {
    let input = format!("{STORE_NEAR_NULL}\nb[2]: segfault at 99 ip 1 sp 2 error 4");
    let explanation = ok(&input);
    assert_eq!(explanation.address.map(|address| address.value), Some(0x10));
    assert!(explanation.notes[0].contains("several faults"));
}
