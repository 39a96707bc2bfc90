//! The arguments that the kernel passes to raw tracepoints, held against those that the probes read.

use std::fmt;

use fault_trace_common::{
    Hook,
    catalogue::tracepoint::{Argument, Type},
};

use super::types::{Shape, Types};

/// Functions that call the probes of a tracepoint: their parameters have names (since Linux 5.10).
const ITERATOR: &[u8] = b"__traceiter_";
/// Types of BPF's probes of a tracepoint: their parameters have none.
const PROBE: &[u8] = b"btf_trace_";

/// The parameters of each known tracepoint, without the probe's own data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prototypes(Vec<(Hook, Vec<Parameter>)>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Parameter {
    /// Empty where unknown.
    name: String,
    shape: Shape,
}

/// An argument that a kernel passes otherwise than a probe reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    argument: &'static Argument,
    found: Found,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    /// Fewer arguments are passed.
    Nothing,
    /// It is passed at this place, counted from 0.
    Elsewhere(usize),
    Another(Shape),
}

impl Prototypes {
    /// Finds those of the tracepoints whose arguments are read.
    pub(super) fn find(types: &Types<'_>) -> Self {
        let mut found: Vec<(Hook, &[u8], Vec<Parameter>)> = Vec::new();
        types.named(&[ITERATOR, PROBE], |prefix, name, id| {
            let Some(hook) = str::from_utf8(name).ok().and_then(Hook::from_name) else {
                return;
            };
            if hook.arguments().is_empty() {
                return;
            }
            let parameters = types.parameters(id).and_then(|parameters| {
                let ours = parameters.into_iter().skip(1);
                let known = ours.map(|(name, id)| {
                    let shape = types.shape(id)?;
                    Some(Parameter { name, shape })
                });
                known.collect::<Option<Vec<_>>>()
            });
            if let Some(parameters) = parameters {
                found.push((hook, prefix, parameters));
            }
        });
        // The one with names, where there are both.
        found.sort_by_key(|&(hook, prefix, _)| (hook, prefix != ITERATOR));
        found.dedup_by_key(|(hook, ..)| *hook);
        let known = found
            .into_iter()
            .map(|(hook, _, parameters)| (hook, parameters));
        Self(known.collect())
    }

    /// The prototype of a tracepoint with one argument, a pointer.
    #[cfg(test)]
    pub(crate) fn of_one(hook: Hook, name: &str, to: &str) -> Self {
        let parameter = Parameter {
            name: name.to_owned(),
            shape: Shape::Pointer(to.to_owned()),
        };
        Self(vec![(hook, vec![parameter])])
    }

    fn of(&self, hook: Hook) -> Option<&[Parameter]> {
        let (_, parameters) = self.0.iter().find(|(known, _)| *known == hook)?;
        Some(parameters)
    }

    /// Returns the first argument of a hook that the kernel passes otherwise than its probe reads it; `None`
    /// where all is well or nothing is known.
    #[must_use]
    pub fn difference(&self, hook: Hook) -> Option<Difference> {
        let parameters = self.of(hook)?;
        hook.arguments().iter().find_map(|argument| {
            let found = found(argument, parameters)?;
            Some(Difference { argument, found })
        })
    }

    /// Whether a kernel passes an argument that older ones lack; `None` where nothing is known.
    #[must_use]
    pub fn passes(&self, hook: Hook, argument: usize) -> Option<bool> {
        Some(argument < self.of(hook)?.len())
    }
}

/// What is found in the place of an argument, if that is not it. A name that is nowhere was changed; one that
/// is elsewhere has moved.
fn found(argument: &Argument, parameters: &[Parameter]) -> Option<Found> {
    let Some(parameter) = parameters.get(argument.index) else {
        return argument.since.is_none().then_some(Found::Nothing);
    };
    if !argument
        .types
        .iter()
        .any(|expected| is(&parameter.shape, *expected))
    {
        return Some(Found::Another(parameter.shape.clone()));
    }
    let place = parameters
        .iter()
        .position(|other| other.name == argument.name)?;
    (place != argument.index).then_some(Found::Elsewhere(place))
}

fn is(shape: &Shape, expected: Type) -> bool {
    match (shape, expected) {
        (Shape::Number { bytes }, Type::Number { bytes: expected }) => *bytes == expected,
        (Shape::Pointer(to), Type::Struct(name)) => to.strip_prefix("struct ") == Some(name),
        (Shape::Pointer(to), Type::Text) => to == "char",
        _ => false,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Argument {
            name, index, types, ..
        } = self.argument;
        write!(formatter, "this kernel passes ")?;
        match &self.found {
            Found::Nothing => formatter.write_str("nothing")?,
            Found::Elsewhere(place) => {
                let (place, index) = (place + 1, index + 1);
                return write!(formatter, "{name} as argument {place}, not {index}");
            }
            Found::Another(Shape::Number { bytes }) => {
                write!(formatter, "{}", Type::Number { bytes: *bytes })?;
            }
            Found::Another(Shape::Pointer(to)) => write!(formatter, "{to} *")?,
            Found::Another(Shape::Other) => formatter.write_str("something else")?,
        }
        write!(formatter, " as argument {}, {name}, not ", index + 1)?;
        for (place, expected) in types.iter().enumerate() {
            let before = if place == 0 { "" } else { " or " };
            write!(formatter, "{before}{expected}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
