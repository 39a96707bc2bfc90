//! The parts of a fault's latency.

/// Doing of a thread in a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// It waits, and may spin: what it waits for decides, not whether it is on the CPU.
    Waits,
    /// It waits off the CPU: the phase ends when it runs again.
    Away,
    /// It works for the fault at something else.
    Works,
}

macro_rules! phases {
    (
        measured { $($Measured:ident $name:literal $nature:ident $meaning:literal,)+ }
        rest { $Rest:ident $rest_name:literal $rest_meaning:literal }
    ) => {
        named! {
            /// A part of a fault's latency.
            pub enum Phase: u32, "the name of a phase" {
                $($Measured $name $meaning,)+
                $Rest $rest_name $rest_meaning,
            }
        }

        /// The phase that is never measured, but what the others leave of the latency.
        pub const REST: Phase = Phase::$Rest;

        impl Phase {
            /// The phases that are measured, each with the name of its column in recordings.
            pub const MEASURED: [(Self, &'static str); Self::COUNT - 1] =
                [$((Self::$Measured, concat!($name, "_ns")),)+];

            /// Returns what the thread does in this phase; `None` of [`REST`].
            #[inline(always)]
            #[must_use]
            pub const fn nature(self) -> Option<Nature> {
                match self {
                    $(Self::$Measured => Some(Nature::$nature),)+
                    Self::$Rest => None,
                }
            }
        }
    };
}

// The measured ones have the lowest numbers, in any order: the index in a table of times.
phases! {
    measured {
        Lock "lock" Waits "waited for a contended lock",
        Io "io" Away "slept on I/O: uninterruptibly, after issuing I/O or within the page cache",
        Sleep "sleep" Away "slept on anything else",
        Preempted "preempted" Away "was ready to run, and another thread ran",
        Reclaim "reclaim" Works "reclaimed memory",
        Compaction "compaction" Works "compacted memory",
    }
    rest { Cpu "cpu" "all the rest; never counted, but what is left of the latency" }
}

/// Number of phases that are measured.
pub const MEASURED: usize = Phase::MEASURED.len();

impl Phase {
    /// A mask of numbers that holds those of the phases of one nature.
    pub(crate) const fn mask(nature: Nature) -> u32 {
        let mut mask = 0;
        let mut index = 0;
        while index < MEASURED {
            let (phase, _) = Self::MEASURED[index];
            if let Some(its) = phase.nature()
                && its as u8 == nature as u8
            {
                mask |= 1 << phase as u32;
            }
            index += 1;
        }
        mask
    }
}

const _: () = assert!(
    Phase::COUNT <= u32::BITS as usize,
    "masks of phases are 32 bits"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measured_phases_are_all_but_the_rest_and_index_a_table_of_times() {
        for (index, (phase, column)) in Phase::MEASURED.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
            assert_ne!(phase, REST);
            assert_eq!(column.strip_suffix("_ns"), Some(phase.name()));
        }
        assert_eq!(REST.nature(), None);
        assert_eq!(MEASURED + 1, Phase::ALL.len());
    }

    /// A table with one phase more, at the first place.
    #[expect(unreachable_pub, reason = "the macro is for public tables")]
    mod grown {
        use super::Nature;

        phases! {
            measured {
                Added "added" Works "added",
                Slept "slept" Away "slept",
            }
            rest { Cpu "cpu" "the rest" }
        }

        #[test]
        fn a_phase_can_be_added_at_any_place() {
            assert_eq!(Phase::MEASURED[0], (Phase::Added, "added_ns"));
            for phase in Phase::ALL {
                assert_eq!(Phase::from_number(phase as u32), Some(phase));
                assert_eq!(Phase::from_name(phase.name()), Some(phase));
                assert!(!phase.meaning().is_empty());
            }
            assert_eq!(Phase::MEASURED[Phase::Slept as usize].0, Phase::Slept);
            assert_eq!(Phase::Slept.nature(), Some(Nature::Away));
            assert_eq!((REST, REST as usize), (Phase::Cpu, Phase::MEASURED.len()));
        }
    }
}
