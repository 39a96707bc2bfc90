//! What a kernel and a machine let a run tell: each hook as attached or why not, each class as exact,
//! inferred or impossible.

pub use fault_trace_common::catalogue::feature::Feature;
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

/// The features that a machine has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Features(pub Vec<Feature>);

/// Every class, with these hooks on this machine.
#[must_use]
pub fn classes(hooks: Hooks, features: &Features) -> Vec<ClassSupport> {
    let of = |class: Class| {
        let (best, reason) = best(class, hooks, features);
        ClassSupport {
            class: class.name().to_owned(),
            best,
            reason,
        }
    };
    let known = |class: &Class| *class != Class::Unknown;
    Class::ALL.into_iter().filter(known).map(of).collect()
}

fn best(class: Class, hooks: Hooks, features: &Features) -> (Best, Option<String>) {
    let rule = class.info();
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
