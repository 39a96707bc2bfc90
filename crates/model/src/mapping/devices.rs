//! Which device numbers are shared memory or huge pages: no mapping says so itself.

use std::{
    collections::HashSet,
    io::{self, BufRead},
};

use serde::{Deserialize, Serialize};

/// The device number of a file system.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

/// The file systems whose pages are not file pages to the fault handler.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Devices {
    pub shared_memory: HashSet<Device>,
    pub hugetlb: HashSet<Device>,
}

impl Devices {
    /// Reads /proc/PID/mountinfo. The kernel's own mounts, where memfd, System V and `MAP_HUGETLB`
    /// memory lies, are not listed there: `st_dev` of a memfd, with and without `MFD_HUGETLB`, tells
    /// them and may be added. Lines of another form are skipped.
    ///
    /// # Errors
    /// What reading gives.
    pub fn parse_mountinfo(mut mountinfo: impl BufRead) -> io::Result<Self> {
        let mut devices = Self::default();
        let mut line = Vec::new();
        while mountinfo.read_until(b'\n', &mut line)? != 0 {
            match mount(&line) {
                Some((device, b"tmpfs")) => {
                    devices.shared_memory.insert(device);
                }
                Some((device, b"hugetlbfs")) => {
                    devices.hugetlb.insert(device);
                }
                _ => {}
            }
            line.clear();
        }
        Ok(devices)
    }
}

/// The device number and the type of a line `id parent MAJOR:MINOR root mount options… - TYPE …`.
fn mount(line: &[u8]) -> Option<(Device, &[u8])> {
    let mut fields = line.split(u8::is_ascii_whitespace);
    let device = std::str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let device = Device {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    };
    // Mount points have their blanks escaped, so the separator is a field of its own.
    fields.find(|field| *field == b"-")?;
    Some((device, fields.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_file_systems_are_found_among_the_mounts() {
        let mountinfo: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            28 24 0:27 / /dev/shm rw,nosuid shared:4 master:2 - tmpfs tmpfs rw\n\
            29 24 0:28 / /a\\040b\xff rw - tmpfs - rw\n\
            short\n\
            30 24 0:17 / /dev/hugepages rw - hugetlbfs hugetlbfs rw,pagesize=2M";
        let devices = Devices::parse_mountinfo(mountinfo).expect("reads");
        let device = |minor| Device { major: 0, minor };
        assert_eq!(
            devices.shared_memory,
            HashSet::from([device(27), device(28)])
        );
        assert_eq!(devices.hugetlb, HashSet::from([device(17)]));
    }
}
