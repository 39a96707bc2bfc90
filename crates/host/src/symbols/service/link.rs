//! The connection to the opener.

use std::{
    collections::{BTreeMap, VecDeque},
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::poll::PollFlags;

use crate::symbols::{
    channel::Channel,
    helper,
    protocol::{Loss, Order, Report, decode, encode},
};

/// Bound: files that are told of by name; others are counted.
const GAVE_UP_MAX: usize = 64;
/// How long to wait at the end for the opener to be gone. One that a file system holds is left behind.
const END_MAX: Duration = Duration::from_millis(100);

/// The connection to the opener. Where there is none every order is forgotten.
#[derive(Debug, Default)]
pub(in crate::symbols) struct Service {
    channel: Option<Channel>,
    /// What there was no room for yet.
    unsent: VecDeque<Vec<u8>>,
    gave_up: BTreeMap<Vec<u8>, Loss>,
    more_gave_up: u64,
    unavailable: Option<String>,
}

impl Service {
    /// Starts the opener, which has the rights of the caller that it needs. Where it cannot be started
    /// the service is down. To be called before this process becomes a subreaper, which would make it its
    /// child.
    pub(in crate::symbols) fn start_program(program: &Path, debug_directories: &[PathBuf]) -> Self {
        let started = Channel::pair().and_then(|(ours, theirs)| {
            helper::start_opener(program, &theirs)?;
            Ok(ours)
        });
        match started {
            Ok(channel) => Self::connected(channel, debug_directories),
            Err(error) => {
                let mut service = Self::default();
                service.down(&error.to_string());
                service
            }
        }
    }

    /// With an opener at the other end.
    pub(in crate::symbols) fn connected(channel: Channel, debug_directories: &[PathBuf]) -> Self {
        let mut service = Self::default();
        service.channel = Some(channel);
        let path = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
        let debug_directories = debug_directories.iter().map(path).collect();
        service.order(&Order::Setup { debug_directories }, &[]);
        service
    }

    /// Whether nothing will be answered any more.
    pub(in crate::symbols) const fn is_down(&self) -> bool {
        self.channel.is_none()
    }

    /// The descriptor that tells when there is something to take.
    pub(in crate::symbols) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.channel.as_ref().map(|channel| channel.as_fd())
    }

    /// Why no file can be read, and the files that were given up, with how many more there were.
    pub(in crate::symbols) fn losses(&self) -> (Option<&str>, &BTreeMap<Vec<u8>, Loss>, u64) {
        (
            self.unavailable.as_deref(),
            &self.gave_up,
            self.more_gave_up,
        )
    }

    /// Gives an order, now or when there is room.
    pub(in crate::symbols) fn order(&mut self, order: &Order, payload: &[u8]) {
        if self.channel.is_some()
            && let Ok(bytes) = encode(order, payload)
        {
            self.unsent.push_back(bytes);
            self.send();
        }
    }

    /// Notes that a file was given up.
    pub(in crate::symbols) fn gave_up(&mut self, path: Vec<u8>, loss: Loss) {
        if self.gave_up.contains_key(&path) {
            return;
        }
        if self.gave_up.len() < GAVE_UP_MAX {
            self.gave_up.insert(path, loss);
        } else {
            self.more_gave_up += 1;
        }
    }

    /// Takes what has come. Waits for nothing.
    pub(in crate::symbols) fn poll(&mut self, take: &mut dyn FnMut(Report)) {
        self.send();
        while let Some(channel) = &self.channel {
            let packet = match channel.receive(Some(Duration::ZERO)) {
                Ok(Some(packet)) => packet,
                Ok(None) => return,
                Err(error) => {
                    self.down(&format!("the process that opens files has ended: {error}"));
                    return;
                }
            };
            match decode::<Report>(&packet.bytes) {
                Ok((Report::GaveUp { path, loss }, _)) => self.gave_up(path, loss),
                Ok((Report::Unavailable { reason }, _)) => {
                    self.unavailable.get_or_insert(reason);
                }
                Ok((report, _)) => take(report),
                Err(error) => self.down(&error.to_string()),
            }
        }
    }

    /// Waits until something has come, but no longer than that.
    pub(super) fn wait(&self, time: Duration) {
        if let Some(channel) = &self.channel {
            let what = if self.unsent.is_empty() {
                PollFlags::POLLIN
            } else {
                PollFlags::POLLIN | PollFlags::POLLOUT
            };
            // An error shows when something is received.
            let _ = channel.wait(what, Some(time));
        }
    }

    fn send(&mut self) {
        while let Some((channel, first)) = self.channel.as_ref().zip(self.unsent.front()) {
            match channel.try_send(first) {
                Ok(true) => drop(self.unsent.pop_front()),
                Ok(false) => return,
                Err(error) => {
                    self.down(&format!("the process that opens files has ended: {error}"));
                }
            }
        }
    }

    fn down(&mut self, reason: &str) {
        self.channel = None;
        self.unsent.clear();
        self.unavailable.get_or_insert_with(|| reason.to_owned());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let Some(channel) = &self.channel else {
            return;
        };
        // The opener ends when nobody asks any more, and its end of the connection is closed then.
        if channel.close_sending().is_err() {
            return;
        }
        let began = Instant::now();
        while let Some(left) = END_MAX.checked_sub(began.elapsed()) {
            if !matches!(channel.receive(Some(left)), Ok(Some(_))) {
                return;
            }
        }
    }
}
