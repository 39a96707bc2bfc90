//! What a name of the output means, from the catalogue.

use fault_trace_common::{
    Class, Closer, Counter, Evidence, Family, Hook, Region, catalogue::phase::Phase,
};
use serde::Serialize;

use super::{ClassPage, ExplainError, Explained, SCHEMA, page::Page};

/// A name, and what it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Term {
    /// The list that it is from: `class`, `family`, `phase`, …
    pub kind: &'static str,
    pub name: &'static str,
    pub meaning: &'static str,
}

/// What one name means, in every list that has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Terms {
    pub schema: u32,
    pub terms: Vec<Term>,
}

impl Terms {
    /// Renders a paragraph for each in lines of at most `width` columns, where words allow it.
    pub(super) fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        for Term {
            kind,
            name,
            meaning,
        } in &self.terms
        {
            page.labelled(kind, &format!("{name}: {meaning}"));
        }
        page.text
    }
}

/// Every name that the catalogue has.
fn all() -> Vec<Term> {
    let mut terms = Vec::new();
    macro_rules! list {
        ($($kind:literal $Type:ident,)*) => {
            $(terms.extend($Type::ALL.map(|entry| Term {
                kind: $kind,
                name: entry.name(),
                meaning: entry.meaning(),
            }));)*
        };
    }
    list! {
        "class" Class,
        "family" Family,
        "phase" Phase,
        "closer" Closer,
        "counter" Counter,
        "region" Region,
        "hook" Hook,
    }
    terms.extend(Evidence::FLAGS.map(|(_, name, meaning)| Term {
        kind: "evidence",
        name,
        meaning,
    }));
    terms
}

/// Returns what `name` means.
pub(super) fn find(name: String) -> Result<Explained, ExplainError> {
    if let Some(class) = Class::from_name(&name) {
        return Ok(Explained::Class(ClassPage::of(class)));
    }
    let all = all();
    let mut terms = all.clone();
    terms.retain(|term| term.name == name);
    if let Some(family) = Family::from_name(&name) {
        let of_family = |term: &&Term| {
            let class = Class::from_name(term.name).filter(|_| term.kind == "class");
            class.is_some_and(|class| class.family() == family)
        };
        terms.extend(all.iter().filter(of_family));
    }
    if !terms.is_empty() {
        return Ok(Explained::Terms(Terms {
            schema: SCHEMA,
            terms,
        }));
    }
    let similar = similar(&name, &all).join(", ");
    Err(match similar.as_str() {
        "" => ExplainError::NotUnderstood(name),
        _ => ExplainError::UnknownName { name, similar },
    })
}

/// The names most like `name`, best first.
fn similar(name: &str, terms: &[Term]) -> Vec<&'static str> {
    const SHOWN: usize = 3;
    const LIKE: f64 = 0.8;
    let mut names: Vec<(f64, &str)> = terms
        .iter()
        .map(|term| (strsim::jaro(name, term.name), term.name))
        .filter(|(likeness, _)| *likeness > LIKE)
        .collect();
    names.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    names.dedup();
    names
        .into_iter()
        .take(SHOWN)
        .map(|(_, name)| name)
        .collect()
}
