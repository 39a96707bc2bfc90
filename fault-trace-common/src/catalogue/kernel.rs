//! Kernel versions at which something changed that matters here. Developer tasks include this file, too,
//! so that it uses nothing but `core`.

use core::fmt;

/// A kernel's version: the first two numbers of its release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

macro_rules! versions {
    ($($(#[doc = $meaning:literal])+ $NAME:ident = $major:literal . $minor:literal,)+) => {
        impl Version {
            $(
                $(#[doc = $meaning])+
                pub const $NAME: Self = Self { major: $major, minor: $minor };
            )+

            /// Every version of this table with its meaning, oldest first.
            pub const ALL: [(Self, &'static str); [$(stringify!($NAME)),+].len()] =
                [$((Self::$NAME, concat!($($meaning),+)),)+];
        }
    };
}

versions! {
    /// The oldest kernel that is supported.
    OLDEST = 5 . 15,
    /// `sched_switch` tells in which state the thread left the CPU.
    SWITCH_STATE = 5 . 18,
    /// There are `contention_begin` and `contention_end`.
    CONTENTION = 5 . 19,
    /// `rss_stat` tells of every change; before, batches per CPU hide most.
    RSS_STAT_UNBATCHED = 6 . 6,
    /// `mark_victim` passes the task (also in later updates of older series); before, its process id.
    VICTIM_IS_TASK = 6 . 8,
    /// There are `mm_filemap_fault` and `mm_filemap_map_pages`.
    FILEMAP_FAULT = 6 . 12,
    /// `sched_process_exit` comes before the address space is torn down, which can fault.
    EXIT_BEFORE_MM = 6 . 16,
    /// A large folio is mapped as a whole, however little of it fault-around asked for
    /// (`mm/filemap.c:filemap_map_pages`).
    WHOLE_FOLIOS = 6 . 18,
}

impl Version {
    /// Returns the version in a release such as `6.18.4-rc1+custom`.
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let (major, rest) = release.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: major.parse().ok()?,
            minor: rest[..digits.unwrap_or(rest.len())].parse().ok()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_order_as_numbers() {
        let version = |release| Version::parse(release).expect(release);
        assert!(version("5.9.16") < Version::OLDEST);
        assert_eq!(version("5.15.0-91-generic"), Version::OLDEST);
        assert!(version("6.1-rc3") < version("6.18+"));
        for nonsense in ["", "6", "6.", "six.one", ".1"] {
            assert_eq!(Version::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn every_version_of_the_table_is_supported_and_in_order() {
        let versions = Version::ALL.map(|(version, _)| version);
        assert!(versions.is_sorted());
        assert_eq!(versions[0], Version::OLDEST);
    }
}
