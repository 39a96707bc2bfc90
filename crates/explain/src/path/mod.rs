//! The way of a fault through the kernel's handler (arch/x86/mm/fault.c, Linux 6.x), as far as the
//! clues decide it.

mod completion;
mod kernel_address;
mod user_address;

use fault_trace_common::{Class, Family};
use serde::Serialize;

use super::{
    address::{Space, space},
    clues::{Clues, Mode, Outcome},
};

/// How a fault can end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The access is repeated, and works.
    Completed,
    /// SIGSEGV.
    Segv,
    /// SIGBUS.
    Sigbus,
    /// The exception table lets the kernel's code go on with an error.
    FixedUp,
    /// The access is repeated, and faults again.
    TriedAgain,
    /// A kernel bug is reported.
    Oops,
}

impl Ending {
    /// The name used in text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Segv => "SIGSEGV",
            Self::Sigbus => "SIGBUS",
            Self::FixedUp => "fixed up",
            Self::TriedAgain => "tried again",
            Self::Oops => "oops",
        }
    }

    const fn fits(self, outcome: Option<Outcome>) -> bool {
        match outcome {
            None => true,
            Some(Outcome::Segfault) => matches!(self, Self::Segv),
            Some(Outcome::Oops) => matches!(self, Self::Oops),
        }
    }
}

/// One decision on the way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// The kernel function that decides.
    pub function: &'static str,
    pub what: &'static str,
    /// How the fault may end here; empty if it goes on.
    pub endings: Vec<Ending>,
    /// The classes of faults that end here.
    pub classes: Vec<Class>,
}

/// The path, in the handler's order.
pub(super) fn of(clues: &Clues) -> Vec<Step> {
    let mut walk = Walk {
        clues,
        steps: Vec::new(),
    };
    match clues.address.map(space) {
        Some(Space::Kernel) => kernel_address::follow(&mut walk),
        Some(Space::User) => user_address::follow(&mut walk),
        Some(Space::Vsyscall) => user_address::follow_vsyscall(&mut walk),
        None => {
            kernel_address::follow(&mut walk);
            user_address::follow(&mut walk);
        }
    }
    walk.finish()
}

/// The steps so far.
struct Walk<'a> {
    clues: &'a Clues,
    steps: Vec<Step>,
}

impl Walk<'_> {
    /// The handler goes on.
    fn goes_on(&mut self, function: &'static str, what: &'static str) {
        self.steps.push(Step {
            function,
            what,
            endings: Vec::new(),
            classes: Vec::new(),
        });
    }

    /// The fault may end here, unless it is known to have ended otherwise.
    fn may_end(&mut self, function: &'static str, what: &'static str, endings: &[Ending]) {
        let endings: Vec<Ending> = endings
            .iter()
            .copied()
            .filter(|ending| ending.fits(self.clues.outcome))
            .collect();
        if !endings.is_empty() {
            self.steps.push(Step {
                function,
                what,
                classes: self.classes_at(function, &endings),
                endings,
            });
        }
    }

    /// The classes of faults that end in this function so, by the catalogue.
    fn classes_at(&self, function: &str, endings: &[Ending]) -> Vec<Class> {
        let raises = |ending: &Ending| matches!(ending, Ending::Segv | Ending::Sigbus);
        let is_signal = endings.iter().any(raises);
        // An oops has no class of its own.
        let is_counted = endings.iter().any(|&ending| ending != Ending::Oops);
        let ends_here = |class: &Class| {
            let info = class.info();
            let (set, clear) = info.code;
            is_counted
                && info.ends_in.contains(&function)
                && (class.family() == Family::BadArea) == is_signal
                && self.clues.bits.may_have(set, clear)
        };
        Class::ALL.into_iter().filter(ends_here).collect()
    }

    /// A bad access: a signal in user mode; in kernel mode the exception table, or an oops.
    fn may_be_bad(&mut self, function: &'static str, what: &'static str) {
        let user = self.clues.may_be_mode(Mode::User);
        let kernel = self.clues.may_be_mode(Mode::Kernel);
        if user {
            self.may_end(function, what, &[Ending::Segv]);
        }
        if kernel {
            self.may_end(function, what, &[Ending::FixedUp, Ending::Oops]);
        }
    }

    /// Drops what leads to no ending.
    fn finish(mut self) -> Vec<Step> {
        let last = self
            .steps
            .iter()
            .rposition(|step| !step.endings.is_empty())
            .map_or(0, |index| index + 1);
        if last > 0 {
            self.steps.truncate(last);
        }
        self.steps
    }
}
