//! The version of a kernel.

/// A kernel's version: the first two numbers of its release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    /// The oldest kernel supported.
    pub const OLDEST: Self = Self {
        major: 5,
        minor: 15,
    };

    /// The version in a release such as `6.18.4-rc1+custom`.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
