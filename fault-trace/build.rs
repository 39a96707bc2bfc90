//! Builds the eBPF programs with the toolchain that builds this crate; the binary carries them inside.

use std::env;

use aya_build::{Package, Toolchain, build_ebpf};

fn main() -> anyhow::Result<()> {
    // rustup sets it for cargo; without rustup aya-build uses the current toolchain anyway.
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".into());
    // SAFETY: no other thread runs yet.
    unsafe {
        // The bpf target has no prebuilt `core`. Set here and not for the whole build, which would
        // also switch the host crates to their unstable variants.
        env::set_var("RUSTC_BOOTSTRAP", "1");
        // aya-build turns each line into a warning that cargo repeats on every build; the compiler's
        // own warnings still come through.
        env::set_var("CARGO_TERM_QUIET", "true");
        // The same programs from every profile, and whole: the release profile of the workspace is made for
        // building the host crates again quickly.
        env::set_var("CARGO_INCREMENTAL", "0");
        env::set_var("CARGO_PROFILE_RELEASE_LTO", "thin");
        // The errors come from the compiler; a backtrace of this build script would only distract.
        env::set_var("RUST_BACKTRACE", "0");
    }

    // aya-build watches the eBPF crate itself; this is what it is made of.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../fault-trace-common");
    println!("cargo::rerun-if-changed=../Cargo.toml");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let package = Package {
        name: "fault-trace-ebpf",
        root_dir: concat!(env!("CARGO_MANIFEST_DIR"), "/../fault-trace-ebpf"),
        ..Package::default()
    };
    build_ebpf([package], Toolchain::Custom(&toolchain))
}
