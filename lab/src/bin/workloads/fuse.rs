//! A file whose pages come when its server pleases: the least of the FUSE protocol
//! (`include/uapi/linux/fuse.h`), on a mount that no path leads to.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
    thread,
};

use anyhow::{Context as _, bail};

use crate::{
    memory::PAGE,
    scenario::{require, skip},
    syscall::detached_mount,
};

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
/// FORGET, INTERRUPT and BATCH_FORGET want no answer.
const UNANSWERED: [u32; 3] = [2, 36, 42];

const IN_HEADER: usize = 40;
const OUT_HEADER: u32 = 16;
/// The inode of the one file.
const FILE_NODE: u64 = 2;
/// How long the kernel may keep names and attributes, s.
const VALID_S: u64 = 3600;

/// Opens a file of `pages` pages. `before_answer` gets the offset of every read, and the reader
/// waits as long as it takes. The server lives as long as the process.
pub(crate) fn open(
    pages: usize,
    before_answer: impl FnMut(u64) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<File> {
    let Ok(device) = OpenOptions::new().read(true).write(true).open("/dev/fuse") else {
        return skip("there is no /dev/fuse");
    };
    let descriptor = device.as_raw_fd().to_string();
    let options = [
        ("fd", descriptor.as_str()),
        ("rootmode", "40000"),
        ("user_id", "0"),
        ("group_id", "0"),
    ];
    let mount = match detached_mount("fuse", &options) {
        Ok(mount) => mount,
        Err(error) => return skip(format!("no FUSE file system can be made: {error:#}")),
    };
    require(pages > 0, "--count must be at least 1")?;
    let server = Server {
        device,
        size: (pages * PAGE) as u64,
        before_answer,
    };
    thread::spawn(move || {
        if let Err(error) = server.serve() {
            eprintln!("workloads: FUSE server: {error:#}");
            std::process::exit(1);
        }
    });
    let path = format!("/proc/self/fd/{}/file", mount.as_raw_fd());
    File::open(&path).with_context(|| path)
}

struct Server<F> {
    device: File,
    size: u64,
    before_answer: F,
}

impl<F: FnMut(u64) -> anyhow::Result<()>> Server<F> {
    fn serve(mut self) -> anyhow::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = match self.device.read(&mut buffer) {
                Ok(length) => length,
                // Unmounted: nobody is left who could ask.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
                Err(error) => return Err(error).context("/dev/fuse"),
            };
            let request = buffer.get(..length).context("a read past its buffer")?;
            let operation = u32_at(request, 4)?;
            let unique = u64_at(request, 8)?;
            if UNANSWERED.contains(&operation) {
                continue;
            }
            let answer = self.answer(operation, request.get(IN_HEADER..))?;
            // Whatever else is asked gets an answer, too, or the asker would wait for ever.
            let error = if answer.is_some() { 0 } else { -libc::ENOSYS };
            let answer = answer.unwrap_or_default();
            let mut reply = Vec::with_capacity(answer.len() + OUT_HEADER as usize);
            let length = u32::try_from(answer.len())? + OUT_HEADER;
            reply.extend(length.to_ne_bytes());
            reply.extend(error.to_ne_bytes());
            reply.extend(unique.to_ne_bytes());
            reply.extend(answer);
            self.device.write_all(&reply).context("/dev/fuse")?;
        }
    }

    /// What to answer; `None` to what this file does not have.
    fn answer(&mut self, operation: u32, body: Option<&[u8]>) -> anyhow::Result<Option<Vec<u8>>> {
        let body = body.context("a short FUSE request")?;
        Ok(Some(match operation {
            INIT => init(u32_at(body, 4)?),
            LOOKUP => self.entry(),
            GETATTR => [VALID_S, 0]
                .into_iter()
                .flat_map(u64::to_ne_bytes)
                .chain(self.attributes())
                .collect(),
            OPEN => vec![0; 16],
            READ => {
                let offset = u64_at(body, 8)?;
                let size = u32_at(body, 16)? as usize;
                (self.before_answer)(offset)?;
                vec![0x5a; size]
            }
            FLUSH | RELEASE => Vec::new(),
            _ => return Ok(None),
        }))
    }

    /// `fuse_entry_out`.
    fn entry(&self) -> Vec<u8> {
        [FILE_NODE, 0, VALID_S, VALID_S, 0]
            .into_iter()
            .flat_map(u64::to_ne_bytes)
            .chain(self.attributes())
            .collect()
    }

    /// `fuse_attr`: an ordinary file, readable by all.
    fn attributes(&self) -> Vec<u8> {
        let times = [0; 3];
        let nanoseconds = [0u32; 3];
        let rest = [libc::S_IFREG | 0o444, 1, 0, 0, 0, PAGE as u32, 0];
        [FILE_NODE, self.size, self.size / 512]
            .into_iter()
            .chain(times)
            .flat_map(u64::to_ne_bytes)
            .chain(
                nanoseconds
                    .into_iter()
                    .chain(rest)
                    .flat_map(u32::to_ne_bytes),
            )
            .collect()
    }
}

/// `fuse_init_out`: protocol 7, the kernel's minor version, no readahead, no flags.
fn init(minor: u32) -> Vec<u8> {
    const MAJOR: u32 = 7;
    let mut answer: Vec<u8> = [MAJOR, minor, 0, 0]
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    // max_background and congestion_threshold, then max_write.
    answer.extend([16u16, 12].into_iter().flat_map(u16::to_ne_bytes));
    answer.extend((PAGE as u32).to_ne_bytes());
    answer.resize(64, 0);
    answer
}

fn u32_at(bytes: &[u8], offset: usize) -> anyhow::Result<u32> {
    match bytes.get(offset..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => Ok(u32::from_ne_bytes(*chunk)),
        None => bail!("a short FUSE request"),
    }
}

fn u64_at(bytes: &[u8], offset: usize) -> anyhow::Result<u64> {
    match bytes.get(offset..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => Ok(u64::from_ne_bytes(*chunk)),
        None => bail!("a short FUSE request"),
    }
}
