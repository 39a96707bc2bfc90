//! The phases against a slow model: a timeline in which every nanosecond has one owner.

use fault_trace_common::phase::{MEASURED, Phase, Phases};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(Phase),
    End(Phase),
    EndAny,
}

fn step() -> impl Strategy<Value = Step> {
    let phase = || prop::sample::select(Phase::ALL[..MEASURED].to_vec());
    prop_oneof![
        3 => phase().prop_map(Step::Begin),
        3 => phase().prop_map(Step::End),
        1 => Just(Step::EndAny),
    ]
}

proptest! {
    #[test]
    fn phases_own_each_moment_once(
        steps in prop::collection::vec((0..50_u64, step()), 0..60),
        rest in 0..50_u64,
    ) {
        let (mut now, mut owner) = (0, None);
        let mut owned = [0_u64; MEASURED];
        let mut phases = Phases::NONE;
        for &(wait, step) in &steps {
            if let Some(owner) = owner {
                owned[owner as usize] += wait;
            }
            now += wait;
            match step {
                Step::Begin(phase) => {
                    phases.begin(phase, now);
                    owner = owner.or(Some(phase));
                }
                Step::End(phase) => {
                    phases.end(phase, now);
                    owner = owner.filter(|owner| *owner != phase);
                }
                Step::EndAny => {
                    phases.end_any(now);
                    owner = None;
                }
            }
        }
        if let Some(owner) = owner {
            owned[owner as usize] += rest;
        }
        phases.end_any(now + rest);
        prop_assert_eq!(phases.spent_ns, owned);
        prop_assert!(owned.iter().sum::<u64>() <= now + rest);
    }

    #[test]
    fn a_clock_that_goes_backwards_spends_nothing(begin in any::<u64>(), end in any::<u64>()) {
        let mut phases = Phases::NONE;
        phases.begin(Phase::Io, begin);
        phases.end(Phase::Io, end);
        prop_assert_eq!(phases.spent_ns[Phase::Io as usize], end.saturating_sub(begin));
    }
}
