//! How long what is left at the end of a run is waited for.

use std::time::Duration;

/// How long no file may be identified, once no stack is waited for, before those left are given up.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long files may take to be identified, and stacks to be unwound, in all.
const FILES_MAX: Duration = Duration::from_secs(10);
/// How long no name may come: a large file takes seconds, twice.
const NAMES_SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long files may take that fail, in all.
const FAILED_MAX: Duration = Duration::from_secs(60);
/// How long files and stacks may take, and no name may come, when somebody wants the end.
const HURRIED_MAX: Duration = Duration::from_millis(600);

/// How long what is left has been waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    began: Duration,
    /// When something that was waited for came last.
    heard: Duration,
    /// When that, or a failure, came last.
    noted: Duration,
    /// The time that failures took.
    failed: Duration,
}

impl Patience {
    pub(super) const fn new(now: Duration) -> Self {
        Self {
            began: now,
            heard: now,
            noted: now,
            failed: Duration::ZERO,
        }
    }

    /// Notes whether something that was waited for has come, and whether a file has failed.
    pub(super) fn note(&mut self, has_come: bool, has_failed: bool, now: Duration) {
        if has_failed {
            self.failed += now.saturating_sub(self.noted);
        }
        if has_come {
            self.heard = now;
        }
        if has_come || has_failed {
            self.noted = now;
        }
    }

    /// Whether files and stacks are given up.
    pub(super) fn ends_files(&self, is_hurried: bool, now: Duration) -> bool {
        let (silence, all) = if is_hurried {
            (HURRIED_MAX, HURRIED_MAX)
        } else {
            (SILENCE_MAX, FILES_MAX)
        };
        now.saturating_sub(self.heard) > silence || now.saturating_sub(self.began) > all
    }

    /// Whether names are given up.
    pub(super) fn ends_names(&self, is_hurried: bool, now: Duration) -> bool {
        let silence = if is_hurried {
            HURRIED_MAX
        } else {
            NAMES_SILENCE_MAX
        };
        now.saturating_sub(self.heard) > silence || self.failed > FAILED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn files_are_given_up_when_none_comes_and_in_the_end_whatever_comes() {
        let began = NOW;
        let mut patience = Patience::new(began);
        assert!(!patience.ends_files(false, began + SILENCE_MAX));
        assert!(patience.ends_files(false, began + SILENCE_MAX + SECOND));
        let mut now = began;
        while !patience.ends_files(false, now) {
            now += SECOND;
            patience.note(true, false, now);
        }
        assert_eq!(now, began + FILES_MAX + SECOND);
    }

    #[test]
    fn only_names_put_off_the_end_of_naming() {
        let began = NOW;
        let mut patience = Patience::new(began);
        let late = began + NAMES_SILENCE_MAX + SECOND;
        patience.note(false, false, late);
        assert!(patience.ends_names(false, late));
        patience.note(true, false, late);
        assert!(!patience.ends_names(false, late + NAMES_SILENCE_MAX));
    }

    #[test]
    fn files_that_fail_take_a_bounded_time_whatever_comes_between() {
        let mut now = NOW;
        let mut patience = Patience::new(now);
        let mut failed = Duration::ZERO;
        while !patience.ends_names(false, now) {
            now += 5 * SECOND;
            patience.note(true, false, now);
            now += 5 * SECOND;
            patience.note(true, true, now);
            failed += 5 * SECOND;
        }
        assert_eq!(failed, FAILED_MAX + 5 * SECOND);
    }

    #[test]
    fn who_wants_the_end_waits_for_little() {
        let began = NOW;
        let mut patience = Patience::new(began);
        let late = began + HURRIED_MAX + Duration::from_millis(1);
        assert!(patience.ends_names(true, late));
        patience.note(true, false, late);
        assert!(patience.ends_files(true, late));
        assert!(!patience.ends_names(true, late));
    }
}
