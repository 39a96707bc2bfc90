//! Features of a machine and the build of its kernel, without which some classes never happen.

named! {
    /// Something that a machine or its kernel may lack. The meaning says what is lacking.
    pub enum Feature: u8, "the name of a feature" {
        ProtectionKeys "protection-keys" "the CPU or the kernel has no protection keys",
        ShadowStack "shadow-stack" "the CPU or the kernel has no user shadow stacks",
        Sgx "sgx" "the CPU or the kernel has no SGX",
        Vsyscall "vsyscall" "the kernel has no vsyscall page",
        MemoryFailure "memory-failure" "the kernel does not handle memory failures",
        NumaBalancing "numa-balancing" "the kernel has no NUMA balancing",
        Migration "migration" "the kernel does not migrate pages",
        HugePages "huge-pages" "the kernel has no transparent huge pages",
        Hugetlb "hugetlb" "the kernel has no hugetlb pages",
        Swap "swap" "the kernel has no swap",
        Userfaultfd "userfaultfd" "the kernel has no userfaultfd",
    }
}

impl Feature {
    /// Returns what is lacking, for people.
    #[must_use]
    pub const fn lack(self) -> &'static str {
        self.meaning()
    }
}
