//! Threads that outlive the main thread, or take its place.

use std::{sync::Barrier, thread, time::Duration};

use crate::{again, memory, processes};

/// Pages that each thread touches.
const PAGES: usize = 5;

/// In a child: threads that touch memory when the main thread is gone, the last of which ends the process.
pub(crate) fn strays(count: usize) {
    processes::succeeds(processes::child(|| {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                thread::spawn(|| {
                    while main_thread_lives() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    memory::touch(PAGES);
                })
            })
            .collect();
        // Their end is that of the process.
        drop(threads);
        // SAFETY: ends this thread and no other; nothing of its stack is used by them.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        unreachable!("the thread has ended");
    }));
}

/// Whether the main thread is not a zombie.
fn main_thread_lives() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("text");
    !stat.contains(") Z ")
}

/// Executes this program with a step from a thread, which becomes the main one, while others fault.
pub(crate) fn usurp(step: &str, rest: Vec<String>) -> ! {
    let ready = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                ready.wait();
                loop {
                    memory::touch(PAGES);
                }
            });
        }
        scope.spawn(|| {
            ready.wait();
            again(step, rest.into_iter())
        });
    });
    unreachable!("two of the threads go on for ever");
}
