//! The page of a class, from the catalogue.

use fault_trace_common::{
    Class, Family, Hook,
    catalogue::class::{ClassInfo, Mapping},
};
use serde::Serialize;

use super::{SCHEMA, page::Page};

/// All that the catalogue says of a class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClassPage {
    pub schema: u32,
    pub class: Class,
    pub family: Family,
    pub meaning: &'static str,
    /// `V` stands for the mapping of the address.
    pub evidence: &'static str,
    /// When the class is exact, in words.
    pub exact: String,
    /// The hooks that prove it; `None` if nothing does.
    pub proven_by: Option<Vec<&'static str>>,
    /// The hooks without which it shows as another class.
    pub told_by: Vec<&'static str>,
    /// What the mapping of the address does for it.
    pub mapping: &'static str,
    /// The functions of the kernel's handler in which such a fault ends.
    pub ends_in: &'static [&'static str],
    /// The feature of the machine that it needs.
    pub needs: Option<&'static str>,
    pub advice: &'static str,
}

impl ClassPage {
    /// Returns the page of a class.
    #[must_use]
    pub fn of(class: Class) -> Self {
        let info = class.info();
        Self {
            schema: SCHEMA,
            class,
            family: class.family(),
            meaning: class.meaning(),
            evidence: info.evidence,
            exact: exact(info),
            proven_by: info.proven_by.map(names),
            told_by: names(info.told_by),
            mapping: match info.mapping {
                Mapping::Unneeded => "not needed: the evidence is enough",
                Mapping::Proves => "proves it; without (`stat`) it is inferred",
                Mapping::Tells => {
                    "alone tells it apart; without (`stat`) it counts as another class of its family"
                }
            },
            ends_in: info.ends_in,
            needs: info.feature.map(|feature| feature.name()),
            advice: info.advice,
        }
    }

    /// Renders the page in lines of at most `width` columns, where words allow it.
    pub(super) fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        page.paragraph("", &format!("{}: {}", self.class.name(), self.meaning));
        page.text.push('\n');
        let family = format!("{}: {}", self.family.name(), self.family.meaning());
        page.labelled("family", &family);
        page.labelled("evidence", self.evidence);
        if mentions_mapping(self.evidence) || mentions_mapping(&self.exact) {
            page.labelled("", "V: known from the mapping of the address");
        }
        page.labelled("exact", &self.exact);
        if !self.told_by.is_empty() {
            let hooks = self.told_by.join(", ");
            page.labelled("without", &format!("{hooks}: it shows as another class"));
        }
        page.labelled("mapping", self.mapping);
        if let Some(feature) = self.needs {
            page.labelled("needs", feature);
        }
        if !self.ends_in.is_empty() {
            let functions = self.ends_in.join(", ");
            page.labelled("ends in", &format!("{functions} (the kernel's handler)"));
        }
        page.labelled("advice", self.advice);
        page.text
    }
}

fn names(hooks: &[Hook]) -> Vec<&'static str> {
    hooks.iter().map(|hook| hook.info().name).collect()
}

fn exact(info: &ClassInfo) -> String {
    let Some(hooks) = info.proven_by else {
        return "never; always inferred".to_owned();
    };
    let mut text = match hooks {
        [] => "always".to_owned(),
        hooks => format!("with {}", names(hooks).join(", ")),
    };
    if info.mapping != Mapping::Unneeded {
        text += ", if the mapping is known";
    }
    if let Some(since) = info.proven_since() {
        text += &format!(", on Linux {since} or later");
    }
    if !info.but.is_empty() {
        text += "; ";
        text += info.but;
    }
    text
}

fn mentions_mapping(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric())
        .any(|word| word == "V")
}
