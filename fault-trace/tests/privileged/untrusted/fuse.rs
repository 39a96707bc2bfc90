//! A file system that stops answering: the least of the FUSE protocol (`include/uapi/linux/fuse.h`).

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

const LOOKUP: u32 = 1;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
/// RELEASE, FLUSH, RELEASEDIR and ACCESS: whatever they ask is fine.
const GRANTED: [u32; 4] = [18, 25, 29, 34];
/// FORGET, INTERRUPT and BATCH_FORGET want no answer.
const UNANSWERED: [u32; 3] = [2, 36, 42];
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

/// The file system, until it is dropped: then all that waits for it fails.
pub(super) struct Fuse {
    folder: PathBuf,
    stalls: Arc<AtomicBool>,
    /// Closing it is what makes waiters fail; the server has another.
    device: Arc<File>,
}

impl Fuse {
    /// Mounts it, with one file named `file`. `None` where there is no FUSE.
    pub(super) fn mount(folder: &Path, bytes: Vec<u8>) -> Option<Self> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = Arc::new(device.ok()?);
        fs::create_dir(folder).expect("makes the folder");
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
            device.as_raw_fd()
        );
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
        mount(
            Some("test"),
            folder,
            Some("fuse"),
            flags,
            Some(options.as_str()),
        )
        .ok()?;
        let stalls = Arc::new(AtomicBool::new(false));
        let server = Server {
            device: Arc::clone(&device),
            bytes,
            stalls: Arc::clone(&stalls),
        };
        thread::spawn(move || server.serve());
        Some(Self {
            folder: folder.to_owned(),
            stalls,
            device,
        })
    }

    /// Answers nothing any more.
    pub(super) fn stall(&self) {
        self.stalls.store(true, Ordering::SeqCst);
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        // Forced: ends the connection, and whoever waits gets an error.
        let _ = umount2(&self.folder, MntFlags::MNT_FORCE);
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
        let _ = &self.device;
    }
}

struct Server {
    device: Arc<File>,
    bytes: Vec<u8>,
    stalls: Arc<AtomicBool>,
}

impl Server {
    fn serve(self) {
        let mut request = vec![0; 1 << 18];
        // Ends with the connection.
        while let Ok(length) = (&*self.device).read(&mut request) {
            let number =
                |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().expect("four bytes"));
            let code = number(4);
            let stalls = self.stalls.load(Ordering::SeqCst);
            if stalls || UNANSWERED.contains(&code) || length < 40 {
                continue;
            }
            let id = request[8..16].to_vec();
            let (error, body) = match self.answer(code, number(16), &request[40..length]) {
                Ok(body) => (0, body),
                Err(error) => (error, Vec::new()),
            };
            let mut reply = Vec::new();
            let length = u32::try_from(16 + body.len()).expect("small");
            reply.extend(length.to_le_bytes());
            reply.extend((-error).to_le_bytes());
            reply.extend(id);
            reply.extend(body);
            let _ = (&*self.device).write(&reply);
        }
    }

    fn answer(&self, code: u32, node: u32, body: &[u8]) -> Result<Vec<u8>, i32> {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        match code {
            INIT => {
                // Version 7.31 and the sizes of requests.
                let mut reply: Vec<u8> = words(&[7, 31]);
                reply.extend_from_slice(&body[8..12]);
                reply.extend(words(&[0, 12 << 16 | 16, 1 << 17, 1]));
                reply.resize(64, 0);
                Ok(reply)
            }
            LOOKUP if body.starts_with(b"file\0") => {
                let mut reply: Vec<u8> = words(&[2, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
                reply.extend(self.attributes(2));
                Ok(reply)
            }
            LOOKUP => Err(ENOENT),
            GETATTR => {
                let mut reply: Vec<u8> = words(&[1, 0, 0, 0]);
                reply.extend(self.attributes(node));
                Ok(reply)
            }
            OPEN | OPENDIR => Ok(words(&[1, 0, 0, 0])),
            READ => {
                let from = u64::from_le_bytes(body[8..16].try_into().expect("eight bytes"));
                let size = u32::from_le_bytes(body[16..20].try_into().expect("four bytes"));
                let from = usize::try_from(from).expect("small").min(self.bytes.len());
                let end = (from + size as usize).min(self.bytes.len());
                Ok(self.bytes[from..end].to_vec())
            }
            code if GRANTED.contains(&code) => Ok(Vec::new()),
            _ => Err(ENOSYS),
        }
    }

    fn attributes(&self, node: u32) -> Vec<u8> {
        let (size, mode) = match node {
            1 => (0, 0o40755),
            _ => (self.bytes.len() as u64, 0o100_755),
        };
        let long = [u64::from(node), size, 8, 0, 0, 0];
        let short: [u32; 10] = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0];
        let long = long.iter().flat_map(|number| number.to_le_bytes());
        long.chain(short.iter().flat_map(|number| number.to_le_bytes()))
            .collect()
    }
}
