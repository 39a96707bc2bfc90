//! Anomalies that the programs tell of, shown on standard error: for those who debug the programs.
//!
//! The counters count every anomaly; of those that are told, some are lost where they come in crowds.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use aya::{Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

use super::CaptureError;
use crate::messages;

/// How often anomalies are looked for.
const PERIOD: Duration = Duration::from_millis(50);
/// Size of the ring buffer between the programs and the reader, bytes.
const RING_BYTES: u32 = 1 << 20;
/// The least that a ring buffer can have, bytes.
const LEAST_BYTES: u32 = 4096;

/// Sets what the programs know of debugging before they are loaded: constants to the verifier, which
/// removes what is switched off.
pub(super) fn prepare(loader: &mut EbpfLoader<'_>, is_on: bool) {
    let (debugging, level, bytes) = if is_on {
        (&1_u8, &u8::MAX, RING_BYTES)
    } else {
        (&0, &0, LEAST_BYTES)
    };
    loader
        .override_global("DEBUGGING", debugging, true)
        .override_global(aya_log::LEVEL, level, true)
        .map_max_entries("AYA_LOGS", bytes);
}

/// The reader of the anomalies.
pub(super) enum Debug {
    Waiting(EbpfLogger<Lines>),
    /// Goes on until the sender is gone.
    Reading(Sender<()>, JoinHandle<()>),
    Finished,
}

impl Debug {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, CaptureError> {
        let logger = EbpfLogger::init_with_logger(ebpf, Lines);
        let logger = logger.map_err(|error| CaptureError::Debug(error.into()))?;
        Ok(Self::Waiting(logger))
    }

    /// Begins to show anomalies. Not earlier than tracing begins: the thread would keep the rights
    /// that its creator gives up.
    pub(super) fn start(&mut self) -> Result<(), CaptureError> {
        let Self::Waiting(logger) = std::mem::replace(self, Self::Finished) else {
            return Ok(());
        };
        let (sender, receiver) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("debug".to_owned());
        let thread = thread.spawn(move || {
            let mut logger = logger;
            while receiver.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                logger.flush();
            }
            logger.flush();
        });
        let thread = thread.map_err(|error| CaptureError::Debug(error.into()))?;
        *self = Self::Reading(sender, thread);
        Ok(())
    }

    /// Shows what is left, and ends.
    pub(super) fn finish(&mut self) {
        if let Self::Reading(sender, thread) = std::mem::replace(self, Self::Finished) {
            drop(sender);
            // A panic was shown already.
            let _ = thread.join();
        }
    }
}

/// Shows each anomaly on a line of its own.
pub(super) struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        messages::say(format_args!("eBPF: {}", record.args()));
    }

    fn flush(&self) {}
}
