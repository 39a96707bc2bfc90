//! What a kernel and a machine let a run tell: each hook as attached or why not, each class as exact,
//! inferred or impossible.

use fault_trace_common::{Class, Hook, Hooks};
use serde::{Deserialize, Serialize};

/// What became of a hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookState {
    Attached,
    /// The kernel does not have it.
    Missing,
    /// The kernel has it, and did not take the program.
    Refused,
    /// It was not tried: it would mislead, or was not asked for.
    LeftOut,
}

/// A hook and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HookSupport {
    /// The kernel's name of the event.
    pub hook: String,
    pub state: HookState,
    /// Why it is not attached.
    pub reason: Option<String>,
}

/// How sure a class can be at best.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Best {
    Exact,
    Inferred,
    /// Such a fault never happens here, or shows as another class.
    Impossible,
}

/// A class and how sure it can be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClassSupport {
    pub class: String,
    pub best: Best,
    /// Why it is not exact.
    pub reason: Option<String>,
}

/// All of it, for one run on one kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Support {
    pub hooks: Vec<HookSupport>,
    pub classes: Vec<ClassSupport>,
}

/// What a machine and the build of its kernel must have for a class to happen at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Feature {
    ProtectionKeys,
    ShadowStack,
    Sgx,
    Vsyscall,
    MemoryFailure,
    NumaBalancing,
    Migration,
    HugePages,
    Hugetlb,
    Swap,
    Userfaultfd,
}

impl Feature {
    const fn lack(self) -> &'static str {
        match self {
            Self::ProtectionKeys => "the CPU or the kernel has no protection keys",
            Self::ShadowStack => "the CPU or the kernel has no user shadow stacks",
            Self::Sgx => "the CPU or the kernel has no SGX",
            Self::Vsyscall => "the kernel has no vsyscall page",
            Self::MemoryFailure => "the kernel does not handle memory failures",
            Self::NumaBalancing => "the kernel has no NUMA balancing",
            Self::Migration => "the kernel does not migrate pages",
            Self::HugePages => "the kernel has no transparent huge pages",
            Self::Hugetlb => "the kernel has no hugetlb pages",
            Self::Swap => "the kernel has no swap",
            Self::Userfaultfd => "the kernel has no userfaultfd",
        }
    }
}

/// The features that a machine has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Features(pub Vec<Feature>);

/// What the classes rest on.
struct Rule {
    /// It never happens without.
    feature: Option<Feature>,
    /// Without these it shows as another class.
    told_by: &'static [Hook],
    /// With these it can be proven; `None`: never.
    proven_by: Option<&'static [Hook]>,
}

impl Rule {
    const fn proven_by(hooks: &'static [Hook]) -> Self {
        Self {
            feature: None,
            told_by: &[],
            proven_by: Some(hooks),
        }
    }

    const fn never_proven() -> Self {
        Self {
            feature: None,
            told_by: &[],
            proven_by: None,
        }
    }

    const fn told_by(self, hooks: &'static [Hook]) -> Self {
        Self {
            told_by: hooks,
            ..self
        }
    }

    const fn with(self, feature: Feature) -> Self {
        Self {
            feature: Some(feature),
            ..self
        }
    }
}

/// As `classify` and `refine` decide; what rests on a bit of the error code, on a signal or on the
/// mapping needs no optional hook.
const fn rule(class: Class) -> Rule {
    use Hook::{
        BioQueue, CacheAdd, EmulateVsyscall, MarkVictim, MigratePages, PageAlloc, PageFree,
        RssStat, SchedSwitch,
    };
    match class {
        Class::AnonAlloc | Class::CowFile | Class::Shmem => Rule::proven_by(&[RssStat]),
        Class::AnonZero | Class::CowZero | Class::WriteReuse => {
            Rule::proven_by(&[RssStat, PageAlloc])
        }
        Class::AnonHuge => Rule::proven_by(&[RssStat, PageAlloc])
            .told_by(&[PageAlloc])
            .with(Feature::HugePages),
        Class::Hugetlb => Rule::proven_by(&[]).with(Feature::Hugetlb),
        Class::FileCached => Rule::proven_by(&[RssStat, CacheAdd, SchedSwitch]),
        Class::FileRead => Rule::proven_by(&[RssStat, SchedSwitch]),
        Class::FileWait => {
            Rule::proven_by(&[RssStat, SchedSwitch, BioQueue]).told_by(&[SchedSwitch])
        }
        Class::CowAnon => Rule::proven_by(&[RssStat, PageAlloc, PageFree]).told_by(&[PageAlloc]),
        Class::SwapIn => Rule::proven_by(&[RssStat]).with(Feature::Swap),
        Class::Uffd => Rule::proven_by(&[RssStat, SchedSwitch])
            .told_by(&[SchedSwitch])
            .with(Feature::Userfaultfd),
        Class::NumaHint => Rule::proven_by(&[MigratePages])
            .told_by(&[MigratePages])
            .with(Feature::NumaBalancing),
        Class::MigrationWait => Rule::never_proven()
            .told_by(&[RssStat, SchedSwitch])
            .with(Feature::Migration),
        Class::Spurious => Rule::proven_by(&[RssStat, PageFree]).told_by(&[PageFree]),
        Class::SegvPkey => Rule::proven_by(&[]).with(Feature::ProtectionKeys),
        Class::ShadowStack => Rule::proven_by(&[]).with(Feature::ShadowStack),
        Class::Sgx => Rule::proven_by(&[]).with(Feature::Sgx),
        Class::Hwpoison => Rule::proven_by(&[]).with(Feature::MemoryFailure),
        Class::Vsyscall => Rule::proven_by(&[EmulateVsyscall])
            .told_by(&[EmulateVsyscall])
            .with(Feature::Vsyscall),
        Class::Oom => Rule::proven_by(&[MarkVictim]),
        Class::SpuriousKernel | Class::Unknown => Rule::never_proven(),
        Class::StackGrowth
        | Class::WriteNotify
        | Class::SegvUnmapped
        | Class::SegvAccess
        | Class::SegvGuard
        | Class::SegvKernelAddress
        | Class::Sigbus
        | Class::KernelEfault
        | Class::NofaultProbe
        | Class::Vmalloc
        | Class::Interrupted => Rule::proven_by(&[]),
    }
}

/// Every class, with these hooks on this machine.
#[must_use]
pub fn classes(hooks: Hooks, features: &Features) -> Vec<ClassSupport> {
    let of = |class: Class| {
        let (best, reason) = best(&rule(class), hooks, features);
        ClassSupport {
            class: class.name().to_owned(),
            best,
            reason,
        }
    };
    let known = |class: &Class| *class != Class::Unknown;
    Class::ALL.into_iter().filter(known).map(of).collect()
}

fn best(rule: &Rule, hooks: Hooks, features: &Features) -> (Best, Option<String>) {
    if let Some(feature) = rule.feature.filter(|feature| !features.0.contains(feature)) {
        return (Best::Impossible, Some(feature.lack().to_owned()));
    }
    let missing = |needed: &[Hook]| {
        let missing = needed.iter().filter(|&&hook| !hooks.has(hook));
        let names: Vec<&str> = missing.map(|hook| hook.info().name).collect();
        (!names.is_empty()).then(|| format!("without {}", names.join(", ")))
    };
    if let Some(reason) = missing(rule.told_by) {
        return (Best::Impossible, Some(reason));
    }
    match rule.proven_by.map(missing) {
        Some(None) => (Best::Exact, None),
        Some(reason) => (Best::Inferred, reason),
        None => (Best::Inferred, Some("no hook proves it".to_owned())),
    }
}

#[cfg(test)]
mod tests;
