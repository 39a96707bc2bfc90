//! The signals that end a live run.

use std::task::Poll;

use anyhow::Context as _;
use nix::sys::signal::Signal;
use tokio::{
    signal::unix::{self, SignalKind, signal},
    time::Instant,
};

use crate::host::signals;

/// The signals that end a run or tell of the tracee's end.
pub(super) struct Signals {
    /// When the first one came that ended the run.
    pub(super) ended_at: Option<Instant>,
    pub(super) ending: Vec<(Signal, unix::Signal)>,
    pub(super) child: unix::Signal,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        const FAILED: &str = "cannot listen for signals";
        let listen = |kind| signal(kind).context(FAILED);
        let ending = signals::listen().context(FAILED)?.iter().map(|heard| {
            let kind = SignalKind::from_raw(heard.number);
            Ok((heard.meaning, listen(kind)?))
        });
        Ok(Self {
            ended_at: None,
            ending: ending.collect::<anyhow::Result<_>>()?,
            child: listen(SignalKind::child())?,
        })
    }
}

/// The next of these signals.
pub(super) async fn next(signals: &mut [(Signal, unix::Signal)]) -> Signal {
    std::future::poll_fn(|context| {
        let came = signals
            .iter_mut()
            .find_map(|(signal, came)| came.poll_recv(context).is_ready().then_some(*signal));
        came.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
