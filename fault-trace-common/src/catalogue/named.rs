//! One macro for every list of named things.

/// Declares an enum from a table, a row per variant: the variant, its name in every output and its meaning.
/// `=` gives a number that is stored or that the kernel defines; other numbers mean nothing beyond one run.
///
/// With the feature `user` such things travel through serde by their names.
macro_rules! named {
    (
        $(#[$attribute:meta])*
        pub enum $Type:ident: $number:ident, $expected:literal {
            $($Variant:ident $(= $value:literal)? $name:literal $meaning:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr($number)]
        pub enum $Type {
            $(#[doc = $meaning] $Variant $(= $value)?,)+
        }

        impl $Type {
            /// Number of entries.
            pub const COUNT: usize = [$(stringify!($Variant)),+].len();

            /// Every entry, in the order of the table.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$Variant),+];

            /// Returns the name used in every output.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }

            /// Returns what it means, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$Variant => $meaning,)+
                }
            }

            /// Returns the entry of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$Variant),)+
                    _ => None,
                }
            }

            /// Returns the entry of that number.
            #[inline(always)]
            #[must_use]
            pub const fn from_number(number: $number) -> Option<Self> {
                $(if number == Self::$Variant as $number {
                    return Some(Self::$Variant);
                })+
                None
            }
        }

        #[cfg(feature = "user")]
        impl serde::Serialize for $Type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        #[cfg(feature = "user")]
        impl<'de> serde::Deserialize<'de> for $Type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;
                impl serde::de::Visitor<'_> for Name {
                    type Value = $Type;

                    fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<$Type, E> {
                        $Type::from_name(name)
                            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
                    }
                }
                deserializer.deserialize_str(Name)
            }
        }
    };
}

/// Declares the bits of a word from a table, a row per bit: the constant, the number of the bit, which is
/// stored or the kernel's, its name in every output and its meaning.
macro_rules! bits {
    ($Type:ident: $word:ident, $ALL:ident { $($NAME:ident = $bit:literal $name:literal $meaning:literal,)+ }) => {
        impl $Type {
            $(#[doc = $meaning] pub const $NAME: $word = 1 << $bit;)+

            /// Every bit with its name and its meaning, in the order of the table.
            pub const $ALL: [($word, &'static str, &'static str); [$($bit),+].len()] =
                [$((Self::$NAME, $name, $meaning),)+];
        }
    };
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro is for public tables")]
mod tests {
    named! {
        /// A table without given numbers.
        pub enum Plain: u8, "a plain name" {
            First "first" "the first",
            Added "added" "added in the middle",
            Last "last" "the last",
        }
    }

    named! {
        /// A table whose numbers are stored, in any order.
        pub enum Stored: u8, "a stored name" {
            Seven = 7 "seven" "number 7",
            Two = 2 "two" "number 2",
        }
    }

    #[test]
    fn an_entry_in_the_middle_has_a_name_a_meaning_and_the_number_of_its_place() {
        assert_eq!(Plain::COUNT, 3);
        for (index, entry) in Plain::ALL.into_iter().enumerate() {
            assert_eq!(entry as usize, index);
            assert_eq!(Plain::from_name(entry.name()), Some(entry));
            assert_eq!(Plain::from_number(entry as u8), Some(entry));
        }
        assert_eq!(Plain::Added.meaning(), "added in the middle");
        assert_eq!(
            (Plain::from_number(3), Plain::from_name("none")),
            (None, None)
        );
    }

    #[test]
    fn stored_numbers_do_not_follow_the_order() {
        assert_eq!(Stored::from_number(2), Some(Stored::Two));
        assert_eq!(Stored::from_number(7), Some(Stored::Seven));
        assert_eq!(Stored::from_number(0), None);
        assert_eq!(Stored::Two.meaning(), "number 2");
        assert_eq!(Stored::from_name(Stored::Two.name()), Some(Stored::Two));
        assert_eq!(Stored::ALL, [Stored::Seven, Stored::Two]);
    }
}
