//! CPUs that go offline, as the kernel announces them. What was opened on such a CPU stays dead when it is
//! back, even if it was away for too short a time to be missed in a list of CPUs.

use std::{
    collections::BTreeSet,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

/// The multicast group of the kernel's own messages (`lib/kobject_uevent.c:uevent_net_broadcast_untagged`,
/// v6.12); udev's go to another.
const KERNEL: u32 = 1;
/// Room for a message (`include/linux/kobject.h:UEVENT_BUFFER_SIZE` and the path).
const MESSAGE_BYTES: usize = 8 << 10;

/// A place where the kernel's messages about devices arrive.
#[derive(Debug)]
pub struct Hotplug(Option<OwnedFd>);

impl Hotplug {
    /// Listens from now on. Where that is not allowed, nothing is ever announced.
    #[must_use]
    pub fn listen() -> Self {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let open = || {
            let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
            Ok::<_, nix::Error>(socket)
        };
        Self(open().ok())
    }

    /// Returns the CPUs that went offline since the last time.
    pub fn gone(&mut self) -> BTreeSet<u32> {
        let mut gone = BTreeSet::new();
        let Some(socket) = &self.0 else {
            return gone;
        };
        let mut message = [0; MESSAGE_BYTES];
        while let Ok(bytes) = recv(socket.as_raw_fd(), &mut message, MsgFlags::empty()) {
            gone.extend(offline_cpu(&message[..bytes]));
        }
        gone
    }
}

/// The CPU that a message says is offline.
fn offline_cpu(message: &[u8]) -> Option<u32> {
    let header = message.split(|&byte| byte == 0).next()?;
    let path = str::from_utf8(header).ok()?.strip_prefix("offline@")?;
    path.strip_prefix("/devices/system/cpu/cpu")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_goes_offline_is_told_from_everything_else() {
        for (message, cpu) in [
            (
                &b"offline@/devices/system/cpu/cpu13\0ACTION=offline\0"[..],
                Some(13),
            ),
            (b"online@/devices/system/cpu/cpu13\0ACTION=online\0", None),
            (b"offline@/devices/system/memory/memory7\0", None),
            (b"offline@/devices/system/cpu/cpufreq\0", None),
            (b"offline@/devices/system/cpu/cpu\0", None),
            (b"offline@/devices/system/cpu/cpu\xff\0", None),
            (b"", None),
        ] {
            assert_eq!(offline_cpu(message), cpu, "{message:?}");
        }
    }

    #[test]
    fn nothing_is_announced_where_nothing_happens() {
        assert!(Hotplug::listen().gone().is_empty());
    }
}
