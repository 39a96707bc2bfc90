//! What the made-up machine answers. Files are identified, and places named, with the next poll.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    fmt::Write as _,
    io::Cursor,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use fault_trace::{
    model::{
        address_space::AddressSpace,
        code::{CodeFile, CodePlace, CodeSpot, Frame},
        mapping::{Device, Devices, Mapping},
    },
    pipeline::{Code, GivenUp, Machine, Moment, News, decode::StackCopy},
};

use super::World;

/// Names that come with one poll.
const NAMES_A_POLL: usize = 1 << 10;
/// Where every process has its code.
const CODE: &str = "555555550000-555557550000 r-xp 00000000 00:00 7 /usr/bin/service\n";

pub(super) struct MadeUpMachine {
    maps: HashMap<u32, String>,
    clock: Rc<Cell<u64>>,
    identified: HashSet<u32>,
    news: Vec<u32>,
    asked: Vec<u32>,
    file: Arc<CodeFile>,
    frames: Arc<[Frame]>,
}

impl MadeUpMachine {
    pub(super) fn new(world: &World, clock: &Rc<Cell<u64>>) -> Self {
        let mut maps: HashMap<u32, String> = HashMap::new();
        for mapping in &*world.mappings {
            let text = maps.entry(mapping.pid).or_insert_with(|| CODE.to_owned());
            let shared = if mapping.shared { 's' } else { 'p' };
            let (start, end, inode) = (mapping.start, mapping.end, mapping.inode);
            let name = String::from_utf8_lossy(&mapping.name);
            writeln!(
                text,
                "{start:x}-{end:x} rw-{shared} 00000000 00:00 {inode} {name}"
            )
            .expect("a String takes everything");
        }
        let name = Frame {
            function: Arc::from("module::function"),
            offset_bytes: 4,
            source: None,
            inlined: false,
        };
        Self {
            maps,
            clock: Rc::clone(clock),
            identified: HashSet::new(),
            news: Vec::new(),
            asked: Vec::new(),
            file: Arc::new(CodeFile {
                path: Arc::from(&b"/usr/bin/service"[..]),
                device: Device::default(),
                inode: 7,
                build_id: None,
            }),
            frames: Arc::new([name]),
        }
    }
}

impl Machine for MadeUpMachine {
    type Maps = Cursor<Vec<u8>>;

    fn now(&mut self) -> Duration {
        Duration::from_nanos(self.clock.get())
    }

    fn maps(&mut self, pid: u32) -> Option<Self::Maps> {
        let text = self.maps.get(&pid)?;
        Some(Cursor::new(text.clone().into_bytes()))
    }

    fn has_process(&mut self, pid: u32) -> bool {
        self.maps.contains_key(&pid)
    }

    fn cgroup_path(&mut self, _id: u64, _pid: u32) -> Option<Vec<u8>> {
        None
    }

    fn devices(&mut self) -> Devices {
        Devices::default()
    }

    fn huge_zero_page(&mut self) -> bool {
        true
    }

    fn numa_hint_faults(&mut self) -> Option<u64> {
        None
    }
}

impl Code for MadeUpMachine {
    fn spot(&mut self, _pid: u32, address: u64, mapping: Option<&Mapping>) -> CodeSpot {
        match mapping {
            None => CodeSpot::Place(CodePlace::Unknown { address }),
            Some(mapping) => CodeSpot::File {
                file: 1,
                offset_bytes: address - mapping.start,
            },
        }
    }

    fn place(&mut self, spot: &CodeSpot) -> Result<CodePlace, u32> {
        match spot {
            CodeSpot::Place(place) => Ok(place.clone()),
            CodeSpot::File { file, .. } | CodeSpot::Shared { file, .. }
                if !self.identified.contains(file) =>
            {
                self.news.push(*file);
                Err(*file)
            }
            CodeSpot::File { offset_bytes, .. } | CodeSpot::Shared { offset_bytes, .. } => {
                Ok(CodePlace::File {
                    file: Arc::clone(&self.file),
                    offset_bytes: *offset_bytes,
                    elf_address: Some(*offset_bytes),
                })
            }
        }
    }

    fn ask(&mut self, id: u32, _place: &CodePlace, _spot: &CodeSpot) {
        self.asked.push(id);
    }

    fn unwind(&mut self, _at: Moment, _copy: &StackCopy, _space: &AddressSpace) -> Option<u64> {
        None
    }

    fn abandon_stack(&mut self, _stack: u64) {}

    fn process_executed(&mut self, _pid: u32) {}

    fn process_exited(&mut self, _pid: u32) {}

    fn poll(&mut self) -> News {
        let mut identified = std::mem::take(&mut self.news);
        identified.retain(|&file| self.identified.insert(file));
        let left = self.asked.len().saturating_sub(NAMES_A_POLL);
        let named = self.asked.drain(left..);
        News {
            identified,
            named: named.map(|id| (id, Ok(Arc::clone(&self.frames)))).collect(),
            unwound: Vec::new(),
        }
    }

    fn is_down(&mut self) -> bool {
        false
    }

    fn is_named(&mut self) -> bool {
        self.asked.is_empty()
    }

    fn unnamed(&mut self) -> usize {
        self.asked.len()
    }

    fn abandon_names(&mut self) -> usize {
        std::mem::take(&mut self.asked).len()
    }

    fn abandon_files(&mut self, _why: GivenUp) -> Vec<u32> {
        Vec::new()
    }

    fn lost_files(&mut self) -> u64 {
        0
    }

    fn losses(&mut self, _is_missed: bool) -> Vec<String> {
        Vec::new()
    }
}
