//! The parts of the x86-64 address space (Documentation/arch/x86/x86_64/mm.rst).

named! {
    /// Part of the address space. The numbers are stored in the evidence word of recordings.
    pub enum Region: u8, "the name of a region" {
        User = 0 "user" "user space",
        DirectMap = 1 "kernel-direct-map" "the kernel's map of all memory",
        Vmalloc = 2 "kernel-vmalloc" "memory of vmalloc",
        Vmemmap = 3 "kernel-vmemmap" "the kernel's descriptions of pages",
        KernelText = 4 "kernel-text" "the kernel itself",
        Vsyscall = 5 "vsyscall" "the legacy vsyscall page",
        KernelOther = 6 "kernel-other" "any other kernel address: modules, fixmap, holes",
    }
}
