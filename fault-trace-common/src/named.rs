//! Classes and families travel through JSON by their names.

use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Class, Confidence, Family};

macro_rules! by_name {
    ($type:ident, $expected:literal, $from_name:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;
                impl de::Visitor<'_> for Name {
                    type Value = $type;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, name: &str) -> Result<$type, E> {
                        $from_name(name)
                            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
                    }
                }
                deserializer.deserialize_str(Name)
            }
        }
    };
}

by_name!(Class, "the name of a class", Class::from_name);
by_name!(Family, "the name of a family", Family::from_name);
by_name!(Confidence, "exact or inferred", Confidence::from_name);
