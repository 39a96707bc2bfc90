//! What the class proof (fault-trace/tests/privileged/proof) says, as text.

use std::collections::BTreeMap;

/// How one class came out on a kernel: faults by confidence.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Faults {
    pub(super) exact: u64,
    pub(super) inferred: u64,
    /// Recorded, and rightly, as another class, since nothing on this kernel tells them apart.
    pub(super) elsewhere: u64,
    /// Recorded as another class without such a reason.
    pub(super) wrong: u64,
}

#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Proof {
    pub(super) scenarios: u64,
    /// Scenario and reason.
    pub(super) not_provoked: Vec<(String, String)>,
    pub(super) wrong: Vec<(String, String)>,
    pub(super) classes: BTreeMap<String, Faults>,
}

impl Proof {
    /// Takes in what was shown on a file system, which marks its scenarios.
    pub(super) fn add(&mut self, other: Self, file_system: &str) {
        let marked = |pairs: Vec<(String, String)>| {
            pairs
                .into_iter()
                .map(|(scenario, reason)| (scenario + file_system, reason))
                .collect::<Vec<_>>()
        };
        self.scenarios += other.scenarios;
        self.not_provoked.extend(marked(other.not_provoked));
        self.wrong.extend(marked(other.wrong));
        for (class, faults) in other.classes {
            let sum = self.classes.entry(class).or_default();
            sum.exact += faults.exact;
            sum.inferred += faults.inferred;
            sum.elsewhere += faults.elsewhere;
            sum.wrong += faults.wrong;
        }
    }
}

const SCENARIOS: &str = "scenario ";
const MATRIX: &str = "expected class ";

pub(super) fn parse(output: &str) -> Proof {
    let mut proof = Proof::default();
    let mut part = "";
    for line in output.lines() {
        if let Some(header) = [SCENARIOS, MATRIX]
            .into_iter()
            .find(|header| line.starts_with(header))
        {
            part = header;
        } else if part == SCENARIOS {
            scenario(line, &mut proof);
        } else if part == MATRIX && class(line, &mut proof).is_none() {
            part = "";
        }
    }
    proof
}

fn scenario(line: &str, proof: &mut Proof) {
    let Some((name, outcome)) = line.split_once(' ') else {
        return;
    };
    let (name, outcome) = (name.to_owned(), outcome.trim());
    if let Some(reason) = outcome.strip_prefix("not provoked: ") {
        proof.not_provoked.push((name, reason.to_owned()));
    } else if let Some(reason) = outcome.strip_prefix("WRONG: ") {
        proof.wrong.push((name, reason.to_owned()));
    } else if outcome != "proven" {
        return;
    }
    proof.scenarios += 1;
}

fn class(line: &str, proof: &mut Proof) -> Option<()> {
    let mut words = line.split_whitespace();
    let (expected, recorded) = (words.next()?, words.next()?);
    let mut count = || words.next()?.parse::<u64>().ok();
    let (exact, inferred, elsewhere) = (count()?, count()?, count()?);
    let faults = proof.classes.entry(expected.to_owned()).or_default();
    if expected == recorded {
        faults.exact += exact;
        faults.inferred += inferred;
        faults.elsewhere += elsewhere;
    } else {
        faults.wrong += exact + inferred;
    }
    Some(())
}

/// The class that each scenario of `workloads list` is about, by the scenario's name.
pub(super) fn classes_of_scenarios(list: &str) -> BTreeMap<String, String> {
    list.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nrunning 1 test\ntest proof::each ... \n\
        scenario                 outcome\n\
        anon-alloc               proven\n\
        segv-pkey                not provoked: no protection keys\n\
        numa-hint                WRONG: 3 too few; 2 too many\n\
        \n\
        expected class           recorded class              exact inferred elsewhere\n\
        anon-alloc               anon-alloc                     64        2         0\n\
        cow-zero                 cow-zero                        0        0        64\n\
        numa-hint                unknown                         0        3         0  OFF\n\
        ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";

    #[test]
    fn scenarios_and_classes_are_read() {
        let proof = parse(OUTPUT);
        assert_eq!(proof.scenarios, 3);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            proof.not_provoked,
            [pair("segv-pkey", "no protection keys")]
        );
        assert_eq!(proof.wrong, [pair("numa-hint", "3 too few; 2 too many")]);
        assert_eq!(
            proof.classes["anon-alloc"],
            Faults {
                exact: 64,
                inferred: 2,
                ..Faults::default()
            }
        );
        assert_eq!(proof.classes["cow-zero"].elsewhere, 64);
        assert_eq!(proof.classes["numa-hint"].wrong, 3);
        assert_eq!(proof.classes.len(), 3);
    }

    #[test]
    fn what_a_file_system_shows_is_marked() {
        let mut proof = parse(OUTPUT);
        proof.add(parse(OUTPUT), " xfs");
        assert_eq!(proof.scenarios, 6);
        assert_eq!(proof.wrong[1].0, "numa-hint xfs");
        assert_eq!(proof.classes["anon-alloc"].exact, 128);
    }

    #[test]
    fn a_list_names_the_class_of_each_scenario() {
        let list = "anon-huge-zero  anon-huge  reads fresh pages [nothing]\n\n";
        assert_eq!(classes_of_scenarios(list)["anon-huge-zero"], "anon-huge");
    }
}
