//! Values that are chosen from a list by their names.

/// A value of a list.
pub trait Choice: Copy + Send + Sync + 'static {
    const ALL: &'static [Self];

    /// The name on the command line and in every output.
    fn name(self) -> &'static str;

    /// One line about it; empty where the name says all.
    fn meaning(self) -> &'static str;

    /// The value of that name.
    fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|value| value.name() == name)
    }
}

/// Declares an enum whose values are chosen by name: each has its name and, if that does not say all, a line about
/// it.
#[macro_export]
macro_rules! choices {
    ($(#[$attribute:meta])* pub enum $type:ident {
        $($value:ident $name:literal $($meaning:literal)?,)*
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $type {
            $($(#[doc = $meaning])? $value),*
        }

        impl $type {
            /// The name on the command line and in every output.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $name),* }
            }
        }

        impl $crate::choice::Choice for $type {
            const ALL: &'static [Self] = &[$(Self::$value),*];

            fn name(self) -> &'static str {
                self.name()
            }

            fn meaning(self) -> &'static str {
                match self { $(Self::$value => concat!($($meaning)?)),* }
            }
        }
    };
}

pub use choices;
