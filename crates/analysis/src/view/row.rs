//! Rows of views.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{field::Field, group::Figures, of::Of, value::Value};

/// A row: what it stands for and its figures.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub subject: Subject,
    #[serde(flatten)]
    pub figures: Figures,
}

/// What the faults of a row have in common: a value for each field of the view.
#[derive(Clone, PartialEq, Debug)]
pub struct Subject(Vec<(&'static Field, Value)>);

impl Subject {
    /// The subject of a group.
    pub(super) fn new(fields: &'static [Field], group: &Of<'_>) -> Self {
        let value = |field: &'static Field| (field, (field.value)(group));
        Self(fields.iter().map(value).collect())
    }

    /// The fields in their order, with their values.
    pub fn values(&self) -> impl Iterator<Item = (&'static Field, &Value)> {
        self.0.iter().map(|(field, value)| (*field, value))
    }

    /// The value of the field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut values = self.values();
        values.find_map(|(field, value)| (field.name == name).then_some(value))
    }

    /// The same, to be changed.
    #[cfg(any(test, feature = "sample"))]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let mut values = self.0.iter_mut();
        values.find_map(|(field, value)| (field.name == name).then_some(value))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.values() {
            if field.in_json && *value != Value::Absent {
                map.serialize_entry(field.name, value)?;
            }
        }
        map.end()
    }
}
