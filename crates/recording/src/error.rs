//! What can go wrong with a recording.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use parquet::errors::ParquetError;

use super::FORMAT;

/// Why a recording could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("{} exists already: choose another name with -o, or replace it with --overwrite", path.display())]
    Exists { path: PathBuf },
    #[error("{} lies in a recording, which is left alone: choose another place with -o", path.display())]
    WithinRecording { path: PathBuf },
    #[error("{} is not a recording of fault-trace: {reason}", path.display())]
    NotARecording { path: PathBuf, reason: String },
    // The causes stand in the middle of the messages, so they are not chained as sources, too.
    #[error("cannot {action} {}: {cause}{}", path.display(), remedy(action, cause.kind()))]
    Io {
        action: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    #[error("cannot encode {}: {cause}; please report this", path.display())]
    Encode { path: PathBuf, cause: ParquetError },
    #[error(
        "{} was made by a newer fault-trace: its format is {format}, this version reads up to {FORMAT}; update fault-trace",
        path.display()
    )]
    Newer { path: PathBuf, format: u32 },
    #[error("{} is damaged: {reason}", path.display())]
    Description { path: PathBuf, reason: String },
    #[error("nothing more can be recorded: an earlier write failed")]
    Stopped,
    #[error("the thread that writes the recording panicked; please report this")]
    Panicked,
}

impl RecordingError {
    /// For `map_err`: `action` failed on `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io {
            action,
            path: path.to_owned(),
            cause,
        }
    }

    /// For `map_err`: encoding or writing a segment failed.
    pub(super) fn encode(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        move |error| match error {
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(cause) => Self::io("write", path)(*cause),
                Err(cause) => Self::Encode {
                    path: path.to_owned(),
                    cause: ParquetError::External(cause),
                },
            },
            cause => Self::Encode {
                path: path.to_owned(),
                cause,
            },
        }
    }
}

/// What to do about it, after the message.
fn remedy(action: &str, kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space or record elsewhere (what was finished before stays readable)"
        }
        ErrorKind::FileTooLarge => {
            "; raise the limit on file sizes (ulimit -f; what was finished before stays readable)"
        }
        ErrorKind::PermissionDenied => "; choose a directory that you may use, or become its owner",
        ErrorKind::ReadOnlyFilesystem => "; choose a directory on a writable file system",
        ErrorKind::NotFound if action == "create" => {
            "; check the path (its parent directory must exist)"
        }
        ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, io::Write};

    #[test]
    fn a_full_disk_is_named_with_its_file_and_remedy() {
        let mut full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("Linux has it");
        let source = full.write_all(b"x").expect_err("it is always full");
        let path = Path::new("run.ftrace/faults/part-00003.parquet.tmp");
        let error = RecordingError::encode(path)(source.into());
        assert_eq!(
            error.to_string(),
            "cannot write run.ftrace/faults/part-00003.parquet.tmp: No space left on device (os error 28); \
             free some space or record elsewhere (what was finished before stays readable)"
        );
    }
}
