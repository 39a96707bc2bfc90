//! What a fault was: classes, their families and how sure the verdict is.

/// Groups of classes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    Demand,
    Cow,
    Swap,
    Userfault,
    Placement,
    Raced,
    BadArea,
    Kernel,
    Retried,
    Unknown,
}

impl Family {
    /// Every family, in the order of the output.
    pub const ALL: [Self; 10] = [
        Self::Demand,
        Self::Cow,
        Self::Swap,
        Self::Userfault,
        Self::Placement,
        Self::Raced,
        Self::BadArea,
        Self::Kernel,
        Self::Retried,
        Self::Unknown,
    ];

    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Cow => "cow",
            Self::Swap => "swap",
            Self::Userfault => "userfault",
            Self::Placement => "placement",
            Self::Raced => "raced",
            Self::BadArea => "bad-area",
            Self::Kernel => "kernel",
            Self::Retried => "retried",
            Self::Unknown => "unknown",
        }
    }

    /// The family of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

/// Whether the evidence proves the class or only fits it best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Confidence {
    Exact = 0,
    Inferred = 1,
}

impl Confidence {
    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Inferred => "inferred",
        }
    }

    /// The confidence of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Exact, Self::Inferred]
            .into_iter()
            .find(|confidence| confidence.name() == name)
    }
}

macro_rules! classes {
    ($($number:literal $variant:ident $name:literal $family:ident,)*) => {
        /// What a fault was. The discriminant is stored in recordings and never reused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Class {
            $($variant = $number,)*
        }

        impl Class {
            /// Every class, in the order of the output; the index is its number.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$variant),*];

            /// The name used in every output.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The family this class belongs to.
            #[must_use]
            pub const fn family(self) -> Family {
                match self {
                    $(Self::$variant => Family::$family,)*
                }
            }
        }
    };
}

classes! {
    0 AnonZero "anon-zero" Demand,
    1 AnonAlloc "anon-alloc" Demand,
    2 AnonHuge "anon-huge" Demand,
    3 Hugetlb "hugetlb" Demand,
    4 StackGrowth "stack-growth" Demand,
    5 FileCached "file-cached" Demand,
    6 FileRead "file-read" Demand,
    7 FileWait "file-wait" Demand,
    8 Shmem "shmem" Demand,
    9 CowAnon "cow-anon" Cow,
    10 CowZero "cow-zero" Cow,
    11 CowFile "cow-file" Cow,
    12 WriteReuse "write-reuse" Cow,
    13 WriteNotify "write-notify" Cow,
    14 SwapIn "swap-in" Swap,
    15 Uffd "uffd" Userfault,
    16 NumaHint "numa-hint" Placement,
    17 MigrationWait "migration-wait" Placement,
    18 Spurious "spurious" Raced,
    19 SegvUnmapped "segv-unmapped" BadArea,
    20 SegvAccess "segv-access" BadArea,
    21 SegvGuard "segv-guard" BadArea,
    22 SegvPkey "segv-pkey" BadArea,
    23 SegvKernelAddress "segv-kernel-address" BadArea,
    24 Sigbus "sigbus" BadArea,
    25 Hwpoison "hwpoison" BadArea,
    26 Sgx "sgx" BadArea,
    27 ShadowStack "shadow-stack" BadArea,
    28 KernelEfault "kernel-efault" Kernel,
    29 NofaultProbe "nofault-probe" Kernel,
    30 SpuriousKernel "spurious-kernel" Kernel,
    31 Vmalloc "vmalloc" Kernel,
    32 Vsyscall "vsyscall" Kernel,
    33 Interrupted "interrupted" Retried,
    34 Oom "oom" Retried,
    35 Unknown "unknown" Unknown,
}

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The class of that number; `None` for a number from a newer version.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if (number as usize) < Self::COUNT {
            Some(Self::ALL[number as usize])
        } else {
            None
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// This class's bit in a mask of classes.
    #[inline(always)]
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_the_class() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
            assert_eq!(Class::from_number(class as u8), Some(class));
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
        assert_eq!(Class::from_number(Class::COUNT as u8), None);
        const { assert!(Class::COUNT <= 64, "masks of classes are 64 bits") };
    }

    #[test]
    fn classes_are_listed_family_by_family() {
        assert!(Class::ALL.is_sorted_by_key(|class| class.family()));
    }
}
