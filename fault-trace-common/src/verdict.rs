//! A class and how sure it is.

use crate::class::{Class, Confidence};

/// A class and how sure it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub class: Class,
    pub confidence: Confidence,
}

/// Returns a class that is proven.
#[must_use]
pub const fn exact(class: Class) -> Verdict {
    exact_if(true, class)
}

/// Returns a class that only fits best.
#[must_use]
pub const fn inferred(class: Class) -> Verdict {
    exact_if(false, class)
}

/// Returns a class that is proven on a condition.
#[inline(always)]
#[must_use]
pub const fn exact_if(sure: bool, class: Class) -> Verdict {
    let confidence = if sure {
        Confidence::Exact
    } else {
        Confidence::Inferred
    };
    Verdict { class, confidence }
}
