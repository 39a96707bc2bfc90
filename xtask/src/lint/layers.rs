//! The layers of fault-trace: the one place that says who may know whom.

/// Who may know whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) modules: &'a [Module],
    pub(super) crates: &'a [(&'a str, &'a [&'a str])],
    pub(super) exceptions: &'a [Exception],
}

pub(super) const RULES: Rules<'_> = Rules {
    modules: MODULES,
    crates: CRATES,
    exceptions: EXCEPTIONS,
};

/// A crate of `crates`, by its folder, or a module at the top of fault-trace/src.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module {
    pub(super) name: &'static str,
    /// It may know those of lower floors, and no others.
    pub(super) floor: u8,
    /// No I/O: tests of it need neither root nor files.
    pub(super) is_pure: bool,
}

const fn pure(name: &'static str, floor: u8) -> Module {
    Module {
        name,
        floor,
        is_pure: true,
    }
}

const fn impure(name: &'static str, floor: u8) -> Module {
    Module {
        name,
        floor,
        is_pure: false,
    }
}

/// From the ground up. `fault-trace-common` lies below all of them.
pub(super) const MODULES: &[Module] = &[
    impure("exit", 0),
    impure("base", 0),
    pure("text", 0),
    pure("model", 1),
    pure("filter", 2),
    pure("pipeline", 2),
    pure("analysis", 3),
    impure("host", 3),
    impure("recording", 3),
    pure("render", 4),
    pure("explain", 5),
    pure("export", 5),
    impure("messages", 5),
    pure("options", 6),
    impure("capture", 7),
    pure("cli", 7),
    impure("loading", 8),
    impure("output", 7),
    impure("recorded", 8),
    impure("tracee", 9),
    impure("live", 10),
    impure("calibration", 11),
    impure("session", 12),
    // `main` and `lib`.
    impure("main", 13),
    impure("lib", 13),
];

/// Crates that do I/O or are about it: the modules that may know them.
pub(super) const CRATES: &[(&str, &[&str])] = &[
    ("aya", &["capture"]),
    ("aya_log", &["capture"]),
    ("blazesym", &["host"]),
    ("clap", &["cli", "main"]),
    ("indicatif", &["messages", "output"]),
    ("landlock", &["host"]),
    (
        "nix",
        &[
            "base",
            "calibration",
            "capture",
            "exit",
            "host",
            "live",
            "main",
            "messages",
            "output",
            "recording",
            "tracee",
        ],
    ),
    ("parquet", &["recording"]),
    ("procfs", &["host"]),
    ("tokio", &["capture", "live"]),
];

/// An arrow that is there although the floors refuse it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exception {
    /// The file, in fault-trace/src.
    pub(super) from: &'static str,
    /// The module or crate that it knows.
    pub(super) to: &'static str,
    /// Why it is there still.
    pub(super) reason: &'static str,
}

pub(super) const EXCEPTIONS: &[Exception] = &[];

/// Files of a folder that know each other in a circle, although only a folder's face may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circle {
    /// From the workspace's root.
    pub(super) folder: &'static str,
    /// Sorted.
    pub(super) files: &'static [&'static str],
    /// Why it is there still.
    pub(super) reason: &'static str,
}

pub(super) const CIRCLES: &[Circle] = &[Circle {
    folder: "fault-trace-ebpf/src",
    files: &["close", "emit", "task"],
    reason: "`emit` takes the verdict that `close` reaches; the verdict wants a file of its own",
}];
