//! Text and JSON, and that no input breaks them.

use fault_trace_common::ErrorCode;
use proptest::prelude::*;

use super::{NULL_OOPS, STORE_NEAR_NULL, concluding::endings, ok, rendered};
use crate::{Ending, explain, render};

#[test]
fn names_cannot_reach_the_terminal_raw() {
    let input = "\u{1b}]0;x\u{7}[1]: segfault at 0 ip 55f97cb1f132 sp 7ffc0 error 4 \
                 in \u{1b}[2Jx\u{202e}[55f97cb1f000+1000]";
    let text = rendered(input, 100);
    assert!(text.contains("\\x1b[2Jx\\u{202e}"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
}

#[test]
fn json_has_addresses_as_hexadecimal_text() {
    let json = serde_json::to_value(ok(STORE_NEAR_NULL)).expect("an explanation is JSON");
    assert_eq!(json["schema"], 1);
    assert_eq!(json["error_code"], "0x6");
    assert_eq!(json["address"]["value"], "0x10");
    assert_eq!(json["code"]["mapping"]["file_offset"], "0x1132");
    assert_eq!(json["mode"], "user");
    assert_eq!(json["outcome"], "segfault");
    assert_eq!(json["classes"][0], "segv-unmapped");
    let steps = json["path"].as_array().expect("steps");
    assert_eq!(
        steps.last().map(|step| &step["endings"][0]),
        Some(&"segv".into())
    );
}

#[test]
fn the_text_of_a_segfault() {
    insta::assert_snapshot!(rendered(STORE_NEAR_NULL, 100));
}

#[test]
fn the_text_of_an_oops() {
    insta::assert_snapshot!(rendered(NULL_OOPS, 100));
}

#[test]
fn the_text_of_a_bare_code() {
    insta::assert_snapshot!(rendered("0x7", 100));
}

/// Text that gets past the first checks more often than random text does.
fn log_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("]: segfault at ".to_owned()),
        Just("[12".to_owned()),
        Just(" ip ".to_owned()),
        Just(" error ".to_owned()),
        Just(" in ".to_owned()),
        Just(" likely on CPU ".to_owned()),
        Just("BUG: kernel NULL pointer dereference, address: ".to_owned()),
        Just("#PF: ".to_owned()),
        Just("error_code(".to_owned()),
        Just("RIP: 0010:".to_owned()),
        Just("\n".to_owned()),
        Just("[1,2+3]".to_owned()),
        any::<u64>().prop_map(|number| format!("{number:x}")),
        ".{0,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics(input: String, width in 0_usize..200) {
        if let Ok(explanation) = explain(&input) {
            let _ = render(&explanation, width);
        }
    }

    #[test]
    fn no_log_like_text_panics(input in log_like(), width in 0_usize..200) {
        match explain(&input) {
            Ok(explanation) => {
                let text = render(&explanation, width);
                prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
            }
            Err(error) => prop_assert!(!error.to_string().chars().any(char::is_control)),
        }
    }

    #[test]
    fn every_code_has_an_ending(code: u32) {
        let explanation = ok(&format!("{code:#x}"));
        prop_assert!(!endings(&explanation).is_empty());
        prop_assert_eq!(explanation.error_code, Some(code));
    }

    #[test]
    fn a_segfault_line_ends_in_sigsegv_only(address: u64, low in 0_u32..128) {
        let code = low | ErrorCode::USER;
        let explanation = ok(&format!("a[1]: segfault at {address:x} ip 1 sp 2 error {code:x}"));
        prop_assert!(endings(&explanation).iter().all(|ending| *ending == Ending::Segv));
    }
}
