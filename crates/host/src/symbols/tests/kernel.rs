use std::fs;

use super::{super::Options, lab::Resolver};
use fault_trace_model::code::{CodePlace, Frame, Resolution, Unresolved};

fn resolve(options: Options, place: CodePlace) -> Resolution {
    let mut found = Resolver::new(options).resolve(&[place], None);
    found.pop().expect("one for one")
}

fn function(resolution: &Resolution) -> Result<(&str, u64), Unresolved> {
    let frames = resolution.as_ref().map_err(|reason| *reason)?;
    let [
        Frame {
            function,
            offset_bytes,
            source: None,
            inlined: false,
        },
    ] = &**frames
    else {
        panic!("one plain function: {frames:?}");
    };
    Ok((function, *offset_bytes))
}

/// The address in /proc/kallsyms; `None` when this user may not see it.
fn listed(name: &str) -> Option<u64> {
    let list = fs::read_to_string("/proc/kallsyms").expect("reads");
    let line = list
        .lines()
        .find(|line| line.split(' ').nth(2) == Some(name))?;
    let (address, _) = line.split_once(' ').expect("an address first");
    let address = u64::from_str_radix(address, 16).expect("hexadecimal");
    (address != 0).then_some(address)
}

#[test]
fn a_kernel_function_is_named_as_the_kernel_lists_it() {
    let (expected, address) = match listed("handle_mm_fault") {
        Some(start) => (Ok(("handle_mm_fault", 5)), start + 5),
        None => (Err(Unresolved::KernelHidden), u64::MAX - 0xff_ffff),
    };
    let found = resolve(Options::default(), CodePlace::Kernel { address });
    assert_eq!(function(&found), expected);
}

#[test]
fn an_address_far_from_all_symbols_has_no_name() {
    if listed("handle_mm_fault").is_some() {
        // Fixed mappings, above all code.
        let address = 0xffff_ffff_ff50_0000;
        let found = resolve(Options::default(), CodePlace::Kernel { address });
        assert_eq!(function(&found), Err(Unresolved::NoSymbolHere));
    }
}

#[test]
fn another_boots_kernel_and_vdso_name_nothing() {
    let options = Options {
        this_boot: false,
        ..Options::default()
    };
    let address = listed("handle_mm_fault").unwrap_or(u64::MAX);
    for place in [
        CodePlace::Kernel { address },
        CodePlace::Vdso {
            offset_bytes: 0x800,
        },
    ] {
        let found = resolve(options.clone(), place);
        assert_eq!(found, Err(Unresolved::OtherKernel));
    }
}

#[test]
fn a_vdso_function_is_named() {
    // SAFETY: the name ends in a zero; the handle is the vdso's, which is never unloaded.
    let clock_gettime = unsafe {
        let vdso = libc::dlopen(
            c"linux-vdso.so.1".as_ptr(),
            libc::RTLD_NOW | libc::RTLD_NOLOAD,
        );
        libc::dlsym(vdso, c"__vdso_clock_gettime".as_ptr())
    } as u64;
    let maps = fs::read_to_string("/proc/self/maps").expect("reads");
    let vdso = maps
        .lines()
        .find(|line| line.ends_with("[vdso]"))
        .expect("mapped");
    let start = u64::from_str_radix(vdso.split('-').next().expect("a start"), 16).expect("hex");
    let place = |offset_bytes| CodePlace::Vdso { offset_bytes };
    let found = resolve(Options::default(), place(clock_gettime - start + 3));
    let (name, offset_bytes) = function(&found).expect("a name");
    // Both are names of the one function.
    assert!(
        ["__vdso_clock_gettime", "clock_gettime"].contains(&name),
        "{name}"
    );
    assert_eq!(offset_bytes, 3);
    let beyond = resolve(Options::default(), place(1 << 20));
    assert!(beyond.is_err(), "{beyond:?}");
}
