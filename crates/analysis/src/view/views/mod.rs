//! The views, each in a file of its own. A new one is a file and a line in the list.

use serde::{Serialize, Serializer};

use super::definition::Definition;
use fault_trace_text::choice::Choice;

macro_rules! views {
    ($($view:ident: $file:ident,)*) => {
        $(mod $file;)*

        /// What the faults are grouped by.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum By {
            $($view),*
        }

        impl By {
            /// Every view.
            pub const ALL: [Self; [$(stringify!($view)),*].len()] = [$(Self::$view),*];

            /// What makes it.
            #[must_use]
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$view => &$file::VIEW),*
                }
            }
        }
    };
}

views! {
    Class: class,
    Process: process,
    Thread: thread,
    Function: function,
    Stack: stack,
    File: file,
    Mapping: mapping,
    Page: page,
    Cgroup: cgroup,
    Time: time,
}

impl By {
    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.definition().name
    }
}

impl Choice for By {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }

    fn meaning(self) -> &'static str {
        ""
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
