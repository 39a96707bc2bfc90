//! A socket whose packets are whole messages, with files beside them.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType,
        recvmsg, sendmsg, setsockopt, shutdown, socketpair, sockopt,
    },
};

use super::protocol::{FILES_MAX, MESSAGE_MAX};

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Channel {
    socket: OwnedFd,
}

/// A packet that came.
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    pub(super) files: Vec<File>,
}

impl Channel {
    /// A connection, both ends closed on exec.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        for end in [&one, &other] {
            // A packet must fit; the default is enough where this is refused.
            let _ = setsockopt(end, sockopt::SndBuf, &(4 * MESSAGE_MAX));
        }
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// The end that the process was started with.
    pub(super) const fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Sends a packet; waits for room.
    pub(super) fn send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        loop {
            match self.send_flags(bytes, files, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                sent => return sent.map_err(Into::into),
            }
        }
    }

    /// Sends a packet if there is room for it; false if not.
    pub(super) fn try_send(&self, bytes: &[u8]) -> io::Result<bool> {
        match self.send_flags(bytes, &[], MsgFlags::MSG_DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn send_flags(
        &self,
        bytes: &[u8],
        files: &[BorrowedFd<'_>],
        flags: MsgFlags,
    ) -> Result<(), Errno> {
        let numbers: Vec<RawFd> = files.iter().map(BorrowedFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &[][..] } else { &rights };
        let flags = flags | MsgFlags::MSG_NOSIGNAL;
        let data = [IoSlice::new(bytes)];
        sendmsg::<()>(self.socket.as_raw_fd(), &data, control, flags, None).map(drop)
    }

    /// Tells the other side that nothing more is sent; what it sends can still be received.
    pub(super) fn close_sending(&self) -> io::Result<()> {
        Ok(shutdown(self.socket.as_raw_fd(), Shutdown::Write)?)
    }

    /// Receives a packet; `None` if none is there within the time, which is for ever where none is
    /// given.
    ///
    /// # Errors
    /// `UnexpectedEof` when the other side is gone.
    pub(super) fn receive(&self, wait: Option<Duration>) -> io::Result<Option<Packet>> {
        if !self.wait(PollFlags::POLLIN, wait)? {
            return Ok(None);
        }
        let mut bytes = vec![0; MESSAGE_MAX];
        let mut space = nix::cmsg_space!([RawFd; FILES_MAX]);
        let mut data = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
        let received = recvmsg::<()>(self.socket.as_raw_fd(), &mut data, Some(&mut space), flags);
        let received = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (length, truncated) = (received.bytes, received.flags.contains(MsgFlags::MSG_TRUNC));
        let mut files = Vec::new();
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                // SAFETY: the kernel has just made these descriptors for us.
                files.extend(
                    numbers
                        .into_iter()
                        .map(|fd| unsafe { File::from_raw_fd(fd) }),
                );
            }
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if truncated {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.truncate(length);
        Ok(Some(Packet { bytes, files }))
    }

    /// Whether a packet can be received, or sent, within the time.
    pub(super) fn wait(&self, what: PollFlags, time: Option<Duration>) -> io::Result<bool> {
        let timeout = time.map_or(PollTimeout::NONE, |time| {
            PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
        });
        let mut socket = [PollFd::new(self.socket.as_fd(), what)];
        match poll(&mut socket, timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
