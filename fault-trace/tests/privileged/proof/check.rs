//! Holds recorded faults against what a scenario expects.

use std::{collections::BTreeMap, ops::Range};

use serde_json::Value;

use super::{
    claims::{Claims, Place, shows},
    matrix::Matrix,
};

/// What a recorded fault shows: class, access, mode.
type Shown = (String, String, String);

/// Expectations about the same addresses of the same process.
pub(super) fn groups(expected: &[Value]) -> Vec<Vec<&Value>> {
    let mut groups: BTreeMap<(u64, String, String), Vec<&Value>> = BTreeMap::new();
    for line in expected {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let pid = line["pid"].as_u64().expect("a pid");
        let key = (pid, text("start"), text("end"));
        groups.entry(key).or_default().push(line);
    }
    groups.into_values().collect()
}

fn address(value: &Value) -> u64 {
    let text = value.as_str().expect("an address");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hexadecimal")
}

fn shown(value: &Value) -> Shown {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    (text("class"), text("access"), text("mode"))
}

/// The faults in a group's range, those that are proven first: they take their place before those that
/// may stand for something else.
fn in_range<'a>(first: &Value, range: &Range<u64>, faults: &'a [Value]) -> Vec<&'a Value> {
    let is_in_range = |fault: &&Value| {
        fault["pid"] == first["pid"] && range.contains(&address(&fault["address"]))
    };
    let mut in_range: Vec<&Value> = faults.iter().filter(is_in_range).collect();
    in_range.sort_by_key(|fault| fault["confidence"] == "inferred");
    in_range
}

/// Holds the faults in a group's range against its expectations, and returns what is wrong.
pub(super) fn check(
    group: &[&Value],
    faults: &[Value],
    claims: &Claims,
    matrix: &mut Matrix,
) -> Vec<String> {
    let first = group.first().expect("a group is not empty");
    let range = address(&first["start"])..address(&first["end"]);
    let mut left: BTreeMap<Shown, i64> = BTreeMap::new();
    for line in group.iter().filter(|line| line.get("gup").is_none()) {
        *left.entry(shown(line)).or_default() += line["count"].as_i64().expect("a count");
    }
    let mut reasons: Vec<String> = group
        .iter()
        .filter_map(|line| unshown(line, faults))
        .collect();
    let mut by_class: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for fault in in_range(first, &range, faults) {
        let own = shown(fault);
        let (what, expected) = match stands_for(fault, group, &left, claims) {
            Some(what) => (what.clone(), what.0),
            None => (own.clone(), shown(first).0),
        };
        matrix.add(&expected, &own.0, what.0 == expected, is_inferred(fault));
        // What stands for something else is inferred, or it would not have been admitted.
        if what == own {
            by_class.entry(own.0).or_default().push(fault);
        }
        *left.entry(what).or_default() -= 1;
        check_major(fault, group, &mut reasons);
    }
    for (what, missing) in left {
        if missing != 0 {
            let too = if missing > 0 { "few" } else { "many" };
            reasons.push(format!("{} {what:?} too {too}", missing.abs()));
        }
    }
    let place = Place {
        bytes: range.end - range.start,
        has_several_threads: group.iter().any(|line| line["tid"] != first["tid"]),
    };
    let doubts = by_class
        .iter()
        .filter_map(|(class, faults)| claims.doubt(class, faults, place));
    reasons.extend(doubts);
    reasons
}

fn is_inferred(fault: &Value) -> bool {
    fault["confidence"] == "inferred"
}

/// Which expectation a recorded fault meets: one of its own class while any is `left`, or one that
/// admits it, since the kernel leaves no evidence that would tell them apart, or this kernel's hooks do
/// not. Then it may not claim to be exact.
fn stands_for(
    fault: &Value,
    group: &[&Value],
    left: &BTreeMap<Shown, i64>,
    claims: &Claims,
) -> Option<Shown> {
    let own = shown(fault);
    if left.get(&own).is_some_and(|&count| count > 0) {
        return Some(own);
    }
    let admits = |line: &&&Value| {
        let also = line["also"].as_array();
        let (class, access, mode) = shown(line);
        let listed = also.is_some_and(|also| also.contains(&fault["class"]));
        let stands_in = claims.stand_ins(&class).contains(&own.0.as_str())
            && left.get(&shown(line)).is_some_and(|&count| count > 0);
        (listed || stands_in) && (&own.1, &own.2) == (&access, &mode) && is_inferred(fault)
    };
    let admitted = group.iter().find(admits).map(|line| shown(line));
    admitted.or_else(|| left.contains_key(&own).then_some(own))
}

/// Evidence that some of the faults of the process should have, and none has.
fn unshown(line: &Value, faults: &[Value]) -> Option<String> {
    let wanted = line["shows"].as_str()?;
    let shown = faults
        .iter()
        .any(|fault| fault["pid"] == line["pid"] && shows(fault, wanted));
    (!shown).then(|| format!("none shows {wanted}"))
}

/// The kernel's own flag, where the scenario is sure of it.
fn check_major(fault: &Value, group: &[&Value], reasons: &mut Vec<String>) {
    let mut majors = group
        .iter()
        .filter(|line| shown(line) == shown(fault))
        .map(|line| &line["major"])
        .peekable();
    let known = majors.peek().is_some();
    if known && !majors.any(|major| major.is_null() || *major == fault["major"]) {
        reasons.push(format!("{} has major {}", fault["address"], fault["major"]));
    }
}
