//! Debian's names of kernel packages, and which of them make the newest kernel of a series.

use std::fmt;

use anyhow::{Result, bail};

/// A kernel series: the first two numbers of a version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Series {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl Series {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let numbers = numbers(text);
        match numbers[..] {
            [major, minor] if text == format!("{major}.{minor}") => Ok(Self { major, minor }),
            _ => bail!("`{text}` is not a kernel series, such as 6.12"),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// A kernel that packages exist of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kernel {
    /// As `uname -r` says.
    pub(super) release: String,
    pub(super) packages: Vec<String>,
}

const FLAVOUR: &str = "-cloud-amd64";

impl Kernel {
    pub(super) fn series(&self) -> Option<Series> {
        let numbers = numbers(&self.release);
        let (&major, &minor) = (numbers.first()?, numbers.get(1)?);
        Some(Series { major, minor })
    }

    /// The kernel of an image's package: `linux-image-…`, or from 6.19 on `linux-binary-…`, whose
    /// modules are in a package of their own from 7.2 on.
    fn of_package(name: &str, names: &[&str]) -> Option<Self> {
        let version = |prefix| name.strip_prefix(prefix)?.strip_suffix(FLAVOUR);
        let (version, split) = match version("linux-binary-") {
            Some(version) => (version, true),
            None => (version("linux-image-")?, false),
        };
        let same = |prefix: &str| format!("{prefix}{version}{FLAVOUR}");
        // Then the image's package only depends on the others.
        if !split && names.contains(&same("linux-binary-").as_str()) {
            return None;
        }
        let modules = same("linux-modules-");
        let modules = names.contains(&modules.as_str()).then_some(modules);
        Some(Self {
            release: format!("{version}{FLAVOUR}"),
            packages: std::iter::once(name.to_owned()).chain(modules).collect(),
        })
    }

    /// Compares like versions: number by number.
    fn age(&self) -> Vec<u32> {
        numbers(&self.release)
    }
}

/// Every kernel of the cloud flavour among the names of packages, oldest first.
pub(super) fn kernels(names: &[&str]) -> Vec<Kernel> {
    let mut kernels: Vec<Kernel> = names
        .iter()
        .filter_map(|name| Kernel::of_package(name, names))
        .collect();
    kernels.sort_by_key(Kernel::age);
    kernels
}

/// The newest kernel of a series.
pub(super) fn newest(kernels: &[Kernel], series: Series) -> Option<&Kernel> {
    kernels
        .iter()
        .rfind(|kernel| kernel.series() == Some(series))
}

/// The numbers of a version, the ABI's number included: 6.1.0-50 is 6, 1, 0, 50.
fn numbers(version: &str) -> Vec<u32> {
    let own = version.split(['+', '~']).next().unwrap_or_default();
    own.split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 12] = [
        "linux-image-6.1.0-9-cloud-amd64",
        "linux-image-6.1.0-50-cloud-amd64",
        "linux-image-6.1.0-50-cloud-amd64-unsigned",
        "linux-image-6.1.0-50-amd64",
        "linux-image-6.12.107+deb13-cloud-amd64",
        "linux-image-6.12.94+deb13-cloud-amd64",
        "linux-image-7.2.12+deb13-cloud-amd64",
        "linux-binary-7.2.12+deb13-cloud-amd64",
        "linux-modules-7.2.12+deb13-cloud-amd64",
        "linux-binary-7.2.9+deb13-cloud-amd64",
        "linux-image-cloud-amd64",
        "linux-doc-6.1",
    ];

    fn series(text: &str) -> Series {
        Series::parse(text).expect("a series")
    }

    #[test]
    fn the_newest_is_by_number_not_by_letter() {
        let kernels = kernels(&NAMES);
        let release = |text| newest(&kernels, series(text)).map(|kernel| kernel.release.as_str());
        assert_eq!(release("6.1"), Some("6.1.0-50-cloud-amd64"));
        assert_eq!(release("6.12"), Some("6.12.107+deb13-cloud-amd64"));
        assert_eq!(release("7.2"), Some("7.2.12+deb13-cloud-amd64"));
        assert_eq!(release("6.18"), None);
        let last = kernels.last().expect("some");
        assert_eq!(last.series(), Some(series("7.2")));
    }

    #[test]
    fn a_split_kernel_needs_both_its_packages() {
        let kernels = kernels(&NAMES);
        let packages = |text| &newest(&kernels, series(text)).expect("there").packages;
        assert_eq!(packages("6.1"), &["linux-image-6.1.0-50-cloud-amd64"]);
        assert_eq!(
            packages("7.2"),
            &[
                "linux-binary-7.2.12+deb13-cloud-amd64",
                "linux-modules-7.2.12+deb13-cloud-amd64"
            ]
        );
    }

    #[test]
    fn a_series_has_two_numbers() {
        assert_eq!(series("6.12").to_string(), "6.12");
        for wrong in ["6", "6.1.2", "six", "6.12-rc1", "06.1", ""] {
            assert!(Series::parse(wrong).is_err(), "{wrong}");
        }
    }
}
