use fault_trace_common::{Class, Evidence, Family};

use super::*;
use fault_trace_model::{Fault, Field, Fields, sample};

fn filter(options: &[(&str, &str)]) -> Filter {
    let condition = |&(name, value): &(&str, &str)| {
        let option = OPTIONS.iter().find(|option| option.name == name);
        (option.expect("it is one").read)(value).expect("it is a value")
    };
    options.iter().map(condition).collect()
}

#[test]
fn every_filter_is_written_as_it_is_read() {
    let run = sample::database();
    let values = [
        "cow-anon",
        "cow",
        "4101",
        "kernel",
        "50us",
        "0x1000-0x2000",
        "1s",
        "2s",
        "1/64",
    ];
    assert_eq!(values.len(), OPTIONS.len());
    for (option, value) in OPTIONS.iter().zip(values) {
        let filter = filter(&[(option.name, value)]);
        let words = vec![format!("--{} {value}", option.name)];
        assert_eq!(filter.words(|_| true), words);
        let recorded = filter.for_recording(&run).expect("it can pass");
        assert_eq!(!recorded.is_empty(), option.chooses, "{words:?}");
        assert_eq!(recorded.words == words, option.chooses, "{words:?}");
        let traces = filter.for_kernel() != KernelFilter::NONE;
        assert_eq!(traces, option.counts || option.records, "{words:?}");
        // No option does nothing.
        assert!(option.chooses || traces, "{words:?}");
    }
}

#[test]
fn classes_and_families_are_united_while_tracing_and_in_a_recording() {
    let filter = filter(&[("class", "swap-in"), ("family", "cow"), ("mode", "kernel")]);
    let kernel = filter.for_kernel();
    let recorded = filter.for_recording(&sample::database()).expect("can pass");
    for class in Class::ALL {
        let is_named = class == Class::SwapIn || class.family() == Family::Cow;
        assert_eq!(kernel.class_mask & class.bit() != 0, is_named, "{class:?}");
        let fault = Fault {
            class,
            evidence: Evidence::of(Evidence::KERNEL_MODE),
            ..Fault::BLANK
        };
        assert_eq!(recorded.admits(&fault), is_named, "{class:?}");
        let by_user = Fault {
            evidence: Evidence::NONE,
            ..fault
        };
        assert!(!recorded.admits(&by_user), "{class:?}");
    }
    assert_eq!(kernel.mode_mask, 2, "kernel mode");
    assert_eq!(
        filter.counting_words(),
        ["--class swap-in", "--family cow", "--mode kernel"]
    );
}

#[test]
fn a_recording_is_read_where_faults_can_pass() {
    let mut run = sample::database();
    (run.started_ns, run.stopped_ns) = (1_000, 9_000);
    let filter = filter(&[
        ("process", "4102"),
        ("process", "4101"),
        ("from", "2us"),
        ("until", "5us"),
    ]);
    let filter = filter.for_recording(&run).expect("can pass");
    assert_eq!(filter.fields(), Fields::of(&[Field::Pid, Field::Time]));
    let bounds: Vec<_> = filter.bounds().collect();
    let pids = (Field::Pid, 4101, 4102);
    assert_eq!(
        bounds,
        [
            pids,
            (Field::Time, 3_000, u64::MAX),
            (Field::Time, 0, 5_999)
        ]
    );
    assert_eq!(
        filter.words,
        ["--process 4102,4101", "--from 2us", "--until 5us"]
    );
}

#[test]
fn what_no_fault_of_the_run_can_pass_is_refused() {
    let mut run = sample::database();
    (run.started_ns, run.stopped_ns, run.complete) = (1_000, 9_000, true);
    let refused = |option: &(&str, &str)| filter(&[*option]).for_recording(&run).err();
    let over = NonePass::Over {
        from_ns: 8_000,
        took_ns: 8_000,
    };
    assert_eq!(refused(&("from", "8us")), Some(over));
    for (process, hint) in [
        ("77777", "see `report --by process`"),
        ("nginx", "it holds"),
    ] {
        match refused(&("process", process)) {
            Some(NonePass::NoSuchProcess(why)) => assert!(why.contains(hint), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
