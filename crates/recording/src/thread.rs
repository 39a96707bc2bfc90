//! A recording written by a thread of its own, so that encoding never keeps the ring buffer's reader
//! waiting. The queue is bounded: when the disk cannot keep up, sending blocks, the ring buffer
//! fills, and the kernel counts what it drops.

use std::{
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread::JoinHandle,
};

use super::{RecordingError, RecordingWriter, Written};
use fault_trace_model::{Batch, Run};

/// Messages that may wait: batches, mostly. Of the usual size they take 44 MB.
const QUEUE_LENGTH: usize = 64;

enum Message {
    Events(Batch),
    Roll,
    Checkpoint(Box<Run>),
}

/// What the thread leaves: the writer, and its first error.
type Ended = (RecordingWriter, Result<(), RecordingError>);

/// A handle to the thread. Dropping it lets the thread write what is queued and end; the recording is
/// then left as a crash would.
pub struct WriterThread {
    sender: SyncSender<Message>,
    /// Batches that were written, for the room they have: at most as many as were under way at once.
    emptied: Receiver<Batch>,
    state: State,
}

enum State {
    Running(JoinHandle<Ended>),
    /// After an error that was handed out.
    Stopped(Box<RecordingWriter>),
    Panicked,
}

impl WriterThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses another thread.
    pub fn spawn(writer: RecordingWriter) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE_LENGTH);
        let (give_back, emptied) = channel();
        let thread = std::thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || run(writer, receiver, give_back))?;
        Ok(Self {
            sender,
            emptied,
            state: State::Running(thread),
        })
    }

    /// Queues the events and leaves the batch empty; waits while the queue is full.
    ///
    /// # Errors
    /// The thread's first error, once; then [`RecordingError::Stopped`].
    pub fn send(&mut self, batch: &mut Batch) -> Result<(), RecordingError> {
        let empty = self.emptied.try_recv().unwrap_or_default();
        self.queue(Message::Events(std::mem::replace(batch, empty)))
    }

    /// Queues [`RecordingWriter::roll`].
    ///
    /// # Errors
    /// As [`WriterThread::send`].
    pub fn roll(&mut self) -> Result<(), RecordingError> {
        self.queue(Message::Roll)
    }

    /// Queues [`RecordingWriter::checkpoint`].
    ///
    /// # Errors
    /// As [`WriterThread::send`].
    pub fn checkpoint(&mut self, run: Run) -> Result<(), RecordingError> {
        self.queue(Message::Checkpoint(Box::new(run)))
    }

    /// Waits for the queued events and finishes the recording; after an error, too, but then as not
    /// complete.
    ///
    /// # Errors
    /// The first error that [`WriterThread::send`] has not handed out yet.
    pub fn finish(self, run: &Run) -> Result<Written, RecordingError> {
        drop(self.sender);
        let (writer, result) = match self.state {
            State::Running(thread) => thread.join().map_err(|_| RecordingError::Panicked)?,
            State::Stopped(writer) => (*writer, Err(RecordingError::Stopped)),
            State::Panicked => return Err(RecordingError::Panicked),
        };
        let finished = writer.finish(&Run {
            complete: run.complete && result.is_ok(),
            ..run.clone()
        });
        result.and(finished)
    }

    /// Waits until nothing is written any more, and leaves the recording as a crash would.
    pub fn abandon(self) {
        drop(self.sender);
        if let State::Running(thread) = self.state {
            // Whatever became of it: nobody wants the recording.
            let _ = thread.join();
        }
    }

    fn queue(&mut self, message: Message) -> Result<(), RecordingError> {
        match self.sender.send(message) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.stop()),
        }
    }

    /// The thread no longer listens: takes its error over.
    fn stop(&mut self) -> RecordingError {
        let (state, error) = match std::mem::replace(&mut self.state, State::Panicked) {
            State::Running(thread) => match thread.join() {
                Ok((writer, result)) => (
                    State::Stopped(Box::new(writer)),
                    result.err().unwrap_or(RecordingError::Stopped),
                ),
                Err(_) => (State::Panicked, RecordingError::Panicked),
            },
            stopped @ State::Stopped(_) => (stopped, RecordingError::Stopped),
            State::Panicked => (State::Panicked, RecordingError::Panicked),
        };
        self.state = state;
        error
    }
}

/// The thread: ends with the first error, or when the handle is gone.
fn run(
    mut writer: RecordingWriter,
    receiver: Receiver<Message>,
    give_back: Sender<Batch>,
) -> Ended {
    let result = receiver.iter().try_for_each(|message| match message {
        Message::Events(mut batch) => {
            writer.push_batch(&mut batch)?;
            // Nobody wants it any more when the handle is gone.
            let _ = give_back.send(batch);
            Ok(())
        }
        Message::Roll => writer.roll(),
        Message::Checkpoint(run) => writer.checkpoint(&run),
    });
    (writer, result)
}
