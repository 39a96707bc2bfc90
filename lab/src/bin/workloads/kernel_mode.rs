//! Faults that the kernel takes on behalf of a system call, and completes.

use std::{
    fs::File,
    io::{Read as _, pipe},
};

use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    expect::Faults,
    memory::{PAGE, Pages},
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "anon-alloc-kernel",
        class: Some(Class::AnonAlloc),
        about: "read(2) into fresh anonymous pages",
        needs: "nothing",
        count: 64,
        run: read_into_fresh,
    },
    Scenario {
        name: "anon-zero-kernel",
        class: Some(Class::AnonZero),
        about: "write(2) to a pipe from fresh anonymous pages",
        needs: "nothing",
        count: 64,
        run: write_from_fresh,
    },
];

/// `read_iter_zero` calls `clear_user` page by page, which faults and goes on.
fn read_into_fresh(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let mut zeros = File::open("/dev/zero")?;
    let expected = Faults::new(Class::AnonAlloc, Access::Write, pages).kernel_mode();
    let mut done = Ok(());
    run.provoke([expected], || {
        // SAFETY: mapped, and nothing else uses it.
        done = zeros.read_exact(unsafe { pages.as_bytes() });
    })?;
    Ok(done?)
}

/// `anon_pipe_write` copies a page from user memory, which faults and goes on.
fn write_from_fresh(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let (mut reader, writer) = pipe()?;
    let mut buffer = vec![1; PAGE];
    let expected = Faults::new(Class::AnonZero, Access::Read, pages).kernel_mode();
    let mut done = Ok(());
    run.provoke([expected], || {
        for address in pages.addresses() {
            // The pipe holds a few pages only, so it is emptied after each.
            done = write_page(&writer, address).and_then(|()| Ok(reader.read_exact(&mut buffer)?));
            if done.is_err() {
                return;
            }
        }
    })?;
    done
}

/// write(2) of a page, which may be mapped or not.
pub(crate) fn write_page(file: &impl std::os::fd::AsRawFd, address: usize) -> anyhow::Result<()> {
    let pointer = std::ptr::with_exposed_provenance::<libc::c_void>(address);
    // SAFETY: the kernel checks the address.
    let written = unsafe { libc::write(file.as_raw_fd(), pointer, PAGE) };
    anyhow::ensure!(
        usize::try_from(nix::errno::Errno::result(written)?)? == PAGE,
        "a short write"
    );
    Ok(())
}
