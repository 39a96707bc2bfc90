//! Ports that write down what comes through them.

use std::{
    cell::RefCell,
    collections::HashSet,
    io::{self, BufRead, Cursor, Read},
    rc::Rc,
    time::Duration,
};

use fault_trace::{
    model::{
        address_space::AddressSpace,
        code::{CodePlace, CodeSpot},
        mapping::{Devices, Mapping},
        space_event::{Origin, SpaceChange},
    },
    pipeline::{
        Code, GivenUp, Machine, Moment, News, Records, Sideband, Unwound, decode::StackCopy,
        sideband::Decoder,
    },
};

use super::journal::{Answers, Callers, Journal, Told};

impl<Q, A> Answers<Q, A> {
    /// Notes an answer. Returns its number.
    fn put(&mut self, question: Q, answer: A) -> usize {
        self.0.push_back((question, answer));
        self.0.len() - 1
    }
}

/// The journal as the fixtures keep it.
pub(super) fn to_bytes(journal: &Journal) -> Vec<u8> {
    let bytes = postcard::to_stdvec(journal).expect("a journal is written");
    zstd::encode_all(&*bytes, 19).expect("it is compressed")
}

/// A port, and what came through it.
pub(super) struct Kept<T> {
    port: T,
    journal: Rc<RefCell<Journal>>,
}

impl<T> Kept<T> {
    pub(super) fn new(port: T, journal: &Rc<RefCell<Journal>>) -> Self {
        Self {
            port,
            journal: Rc::clone(journal),
        }
    }
}

impl<R: Records> Records for Kept<R> {
    type Mark = R::Mark;

    fn mark(&mut self) -> R::Mark {
        self.port.mark()
    }

    fn records(&mut self, until: R::Mark, limit: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let mut kept = Vec::new();
        let count = self.port.records(until, limit, |record| {
            kept.push(record.to_vec());
            sink(record);
        });
        self.journal.borrow_mut().records.push_back(kept);
        count
    }
}

/// The sideband of one process and of what it forks: what others do is nobody's business.
pub(super) struct KeptSideband<S> {
    kept: Kept<S>,
    decoder: Decoder,
    family: HashSet<u32>,
}

impl<S> KeptSideband<S> {
    pub(super) fn new(port: S, pid: u32, journal: &Rc<RefCell<Journal>>) -> Self {
        Self {
            kept: Kept::new(port, journal),
            decoder: Decoder::new(Devices::default()),
            family: HashSet::from([pid]),
        }
    }
}

impl<S: Sideband> Sideband for KeptSideband<S> {
    fn read(&mut self, origin: Origin, mut sink: impl FnMut(&[u8])) {
        let mut records = Vec::new();
        self.kept.port.read(origin, |record| {
            let Ok(event) = self.decoder.decode(record) else {
                return;
            };
            if let SpaceChange::Forked {
                pid, parent_pid, ..
            } = event.change
                && self.family.contains(&parent_pid)
            {
                self.family.insert(pid);
            }
            let pid = event.change.pid();
            if pid.is_none_or(|pid| self.family.contains(&pid)) {
                records.push(record.to_vec());
                sink(record);
            }
        });
        let mut journal = self.kept.journal.borrow_mut();
        journal.sideband.put(origin == Origin::Tasks, records);
    }
}

/// The mappings of a process, kept when they are read.
pub(super) struct KeptMaps<B> {
    maps: Option<B>,
    text: Cursor<Vec<u8>>,
    /// The number of the answer that they are.
    answer: usize,
    journal: Rc<RefCell<Journal>>,
}

impl<B: BufRead> BufRead for KeptMaps<B> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Some(mut maps) = self.maps.take() {
            maps.read_to_end(self.text.get_mut())?;
            let text = self.text.get_ref().clone();
            self.journal.borrow_mut().maps.0[self.answer].1 = Some(text);
        }
        self.text.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.text.consume(amount);
    }
}

impl<B: BufRead> Read for KeptMaps<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<M: Machine> Kept<M> {
    /// Asks the machine, and keeps its answer.
    fn keep<A>(&mut self, ask: impl FnOnce(&mut M) -> A, note: impl FnOnce(&mut Journal, &A)) -> A {
        let answer = ask(&mut self.port);
        note(&mut self.journal.borrow_mut(), &answer);
        answer
    }
}

impl<M: Machine> Machine for Kept<M> {
    type Maps = KeptMaps<M::Maps>;

    fn now(&mut self) -> Duration {
        self.keep(M::now, |journal, now| {
            let ns = u64::try_from(now.as_nanos()).expect("not that long");
            journal.now.put((), ns);
        })
    }

    fn maps(&mut self, pid: u32) -> Option<Self::Maps> {
        let maps = self.port.maps(pid);
        let answer = self.journal.borrow_mut().maps.put(pid, None);
        Some(KeptMaps {
            maps: Some(maps?),
            text: Cursor::default(),
            answer,
            journal: Rc::clone(&self.journal),
        })
    }

    fn has_process(&mut self, pid: u32) -> bool {
        self.keep(
            |machine| machine.has_process(pid),
            |journal, &has| _ = journal.has_process.put(pid, has),
        )
    }

    fn cgroup_path(&mut self, id: u64, pid: u32) -> Option<Vec<u8>> {
        self.keep(
            |machine| machine.cgroup_path(id, pid),
            |journal, path| _ = journal.cgroup_path.put((id, pid), path.clone()),
        )
    }

    fn devices(&mut self) -> Devices {
        self.keep(M::devices, |journal, devices| {
            let all = |devices: &HashSet<_>| devices.iter().copied().collect();
            let both = (all(&devices.shared_memory), all(&devices.hugetlb));
            journal.devices.put((), both);
        })
    }

    fn huge_zero_page(&mut self) -> bool {
        self.keep(M::huge_zero_page, |journal, &answer| {
            _ = journal.huge_zero_page.put((), answer);
        })
    }

    fn numa_hint_faults(&mut self) -> Option<u64> {
        self.keep(M::numa_hint_faults, |journal, &answer| {
            _ = journal.numa_hint_faults.put((), answer);
        })
    }
}

impl<M: Machine> Code for Kept<M> {
    fn spot(&mut self, pid: u32, address: u64, mapping: Option<&Mapping>) -> CodeSpot {
        self.keep(
            |machine| machine.spot(pid, address, mapping),
            |journal, spot| _ = journal.spot.put((pid, address), spot.clone()),
        )
    }

    fn place(&mut self, spot: &CodeSpot) -> Result<CodePlace, u32> {
        self.keep(
            |machine| machine.place(spot),
            |journal, place| _ = journal.place.put(spot.clone(), place.clone()),
        )
    }

    fn ask(&mut self, id: u32, place: &CodePlace, spot: &CodeSpot) {
        self.keep(
            |machine| machine.ask(id, place, spot),
            |journal, &()| _ = journal.ask.put(id, ()),
        );
    }

    fn unwind(&mut self, at: Moment, copy: &StackCopy, space: &AddressSpace) -> Option<u64> {
        self.keep(
            |machine| machine.unwind(at, copy, space),
            |journal, &stack| _ = journal.unwind.put(at, stack),
        )
    }

    fn abandon_stack(&mut self, stack: u64) {
        self.keep(
            |machine| machine.abandon_stack(stack),
            |journal, &()| _ = journal.abandon_stack.put(stack, ()),
        );
    }

    fn process_executed(&mut self, pid: u32) {
        self.keep(
            |machine| machine.process_executed(pid),
            |journal, &()| _ = journal.process_executed.put(pid, ()),
        );
    }

    fn process_exited(&mut self, pid: u32) {
        self.keep(
            |machine| machine.process_exited(pid),
            |journal, &()| _ = journal.process_exited.put(pid, ()),
        );
    }

    fn poll(&mut self) -> News {
        self.keep(M::poll, |journal, news| {
            let News {
                identified,
                named,
                unwound,
            } = news.clone();
            let named = named.into_iter();
            let unwound = unwound.into_iter();
            let told = Told {
                identified,
                named: named
                    .map(|(id, found)| (id, found.map(|frames| frames.to_vec())))
                    .collect(),
                unwound: unwound
                    .map(|Unwound { stack, pid, calls }| Callers { stack, pid, calls })
                    .collect(),
            };
            journal.poll.put((), told);
        })
    }

    fn is_down(&mut self) -> bool {
        self.keep(M::is_down, |journal, &answer| {
            _ = journal.is_down.put((), answer);
        })
    }

    fn is_named(&mut self) -> bool {
        self.keep(M::is_named, |journal, &answer| {
            _ = journal.is_named.put((), answer);
        })
    }

    fn unnamed(&mut self) -> usize {
        self.keep(M::unnamed, |journal, &answer| {
            _ = journal.unnamed.put((), answer);
        })
    }

    fn abandon_names(&mut self) -> usize {
        self.keep(M::abandon_names, |journal, &answer| {
            _ = journal.abandon_names.put((), answer);
        })
    }

    fn abandon_files(&mut self, why: GivenUp) -> Vec<u32> {
        self.keep(
            |machine| machine.abandon_files(why),
            |journal, files| _ = journal.abandon_files.put((), files.clone()),
        )
    }

    fn lost_files(&mut self) -> u64 {
        self.keep(M::lost_files, |journal, &answer| {
            _ = journal.lost_files.put((), answer);
        })
    }

    fn losses(&mut self, is_missed: bool) -> Vec<String> {
        self.keep(
            |machine| machine.losses(is_missed),
            |journal, losses| _ = journal.losses.put(is_missed, losses.clone()),
        )
    }
}
