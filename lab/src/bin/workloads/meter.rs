//! The self-check: what the kernel itself counted while a scenario touched memory.

use anyhow::ensure;
use nix::sys::resource::{Usage, UsageWho, getrusage};

use crate::{expect::Faults, perf::Counter};

/// Counts the faults of the thread that made it.
pub(crate) struct Meter {
    /// The software event; absent without the privilege.
    confirmed: Option<Counter>,
    /// The tracepoints for user and for kernel mode; absent without the privilege.
    started: Option<[Counter; 2]>,
    traced: bool,
}

/// What the kernel counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    pub(crate) minor: u64,
    pub(crate) major: u64,
    /// Voluntary context switches.
    pub(crate) slept: u64,
    pub(crate) confirmed: Option<u64>,
    /// From user and from kernel mode.
    pub(crate) started: Option<[u64; 2]>,
}

impl Counted {
    pub(crate) const fn completed(&self) -> u64 {
        self.minor + self.major
    }

    /// Exceptions from kernel mode that were refused before a mapping was looked for; only right
    /// where no user-mode fault was.
    pub(crate) fn refused(&self) -> Option<u64> {
        Some(self.started?[1] - self.confirmed?)
    }
}

impl Meter {
    /// `traced`: more exceptions from kernel mode than expected are no error.
    pub(crate) fn new(traced: bool) -> anyhow::Result<Self> {
        let started = || {
            anyhow::Ok([
                Counter::exception("page_fault_user")?,
                Counter::exception("page_fault_kernel")?,
            ])
        };
        let meter = Self {
            confirmed: Counter::confirmed().ok(),
            started: started().ok(),
            traced,
        };
        // Whatever the first use faults in is in memory from now on.
        meter.measure(|| ())?;
        Ok(meter)
    }

    /// Does `work` and returns what the kernel counted for this thread meanwhile.
    pub(crate) fn measure(&self, work: impl FnOnce()) -> anyhow::Result<Counted> {
        let before = self.read()?;
        work();
        let after = self.read()?;
        let difference = |of: fn(&Counted) -> u64| of(&after) - of(&before);
        Ok(Counted {
            minor: difference(|counted| counted.minor),
            major: difference(|counted| counted.major),
            slept: difference(|counted| counted.slept),
            confirmed: after
                .confirmed
                .zip(before.confirmed)
                .map(|(after, before)| after - before),
            started: after
                .started
                .zip(before.started)
                .map(|(after, before)| [after[0] - before[0], after[1] - before[1]]),
        })
    }

    fn read(&self) -> anyhow::Result<Counted> {
        let usage: Usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        Ok(Counted {
            minor: u64::try_from(usage.minor_page_faults())?,
            major: u64::try_from(usage.major_page_faults())?,
            slept: u64::try_from(usage.voluntary_context_switches())?,
            confirmed: self.confirmed.as_ref().map(Counter::read),
            started: self
                .started
                .as_ref()
                .map(|started| [started[0].read(), started[1].read()]),
        })
    }

    /// Does `work`; an error unless the kernel counted just the expected faults.
    pub(crate) fn check(
        &self,
        expected: &[Faults],
        work: impl FnOnce(),
    ) -> anyhow::Result<Counted> {
        let counted = self.measure(work)?;
        self.compare(expected, counted)?;
        Ok(counted)
    }

    /// An error unless `counted` is just the expected faults.
    pub(crate) fn compare(&self, expected: &[Faults], counted: Counted) -> anyhow::Result<()> {
        let sum = |of: fn(&Faults) -> u64| expected.iter().map(of).sum::<u64>();
        let completed = sum(Faults::completed);
        let majors: Option<u64> = expected.iter().map(Faults::majors).sum();
        let confirmed = sum(Faults::confirmed);
        let started = expected.iter().fold([0, 0], |sum, faults| {
            let [user, kernel] = faults.started();
            [sum[0] + user, sum[1] + kernel]
        });
        let majors_text = majors.map_or("any number of".into(), |majors| majors.to_string());
        eprintln!(
            "self-check: expected {completed} completed, {majors_text} major, {confirmed} \
             confirmed, {started:?} started (user, kernel); counted {counted:?}"
        );
        ensure!(
            counted.completed() == completed
                && majors.is_none_or(|majors| majors == counted.major)
                && counted.confirmed.is_none_or(|counted| counted == confirmed)
                && counted.started.is_none_or(|[user, kernel]| {
                    user == started[0]
                        && (kernel == started[1] || self.traced && kernel > started[1])
                }),
            "the kernel did not count the expected faults"
        );
        Ok(())
    }

    /// An error unless `counted` is `count` faults without an exception.
    pub(crate) fn compare_gup(&self, count: u64, counted: Counted) -> anyhow::Result<()> {
        eprintln!("self-check: expected {count} completed, 0 started; counted {counted:?}");
        ensure!(
            counted.completed() == count
                && counted.confirmed.is_none_or(|confirmed| confirmed == 0)
                && counted
                    .started
                    .is_none_or(|[user, kernel]| user == 0 && (kernel == 0 || self.traced)),
            "the kernel did not count the expected faults"
        );
        Ok(())
    }
}
