//! What the kernel lets this process do.

use super::perf_events::PARANOID_EVERYWHERE;

/// The capabilities that matter here; the value is the bit (linux/capability.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Capability {
    SysRawio = 17,
    SysPtrace = 19,
    SysAdmin = 21,
    Syslog = 34,
    Perfmon = 38,
    Bpf = 39,
}

/// The privileges of a process, and the settings they are held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Privileges {
    /// The effective capabilities, a bit each; `None` where unknown, as in all of these.
    pub capabilities: Option<u64>,
    pub is_in_first_user_namespace: Option<bool>,
    pub is_in_first_pid_namespace: Option<bool>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i32>,
    /// `kernel.kptr_restrict`.
    pub kptr_restrict: Option<i32>,
}

impl Privileges {
    /// Whether the capability is effective.
    #[must_use]
    pub fn has(&self, capability: Capability) -> Option<bool> {
        Some(self.capabilities? & 1 << capability as u8 != 0)
    }

    /// Whether tracing programs may be loaded.
    #[must_use]
    pub fn allow_bpf(&self) -> Option<bool> {
        let narrow = self.has(Capability::Bpf)? && self.has(Capability::Perfmon)?;
        Some(narrow || self.has(Capability::SysAdmin)?)
    }

    /// Whether perf events of all processes may be opened on every CPU (`perf_allow_cpu`); `None` also where
    /// that depends on who built the kernel.
    #[must_use]
    pub fn allow_perf(&self) -> Option<bool> {
        match (
            self.has(Capability::Perfmon),
            self.has(Capability::SysAdmin),
        ) {
            (_, Some(true)) => Some(true),
            (Some(true), _) => {
                let level = self.perf_event_paranoid.unwrap_or_default();
                (level <= PARANOID_EVERYWHERE).then_some(true)
            }
            _ => Some(self.perf_event_paranoid? <= 0),
        }
    }

    /// Whether kallsyms shows addresses (`kallsyms_show_value`, kernel/ksyms_common.c).
    #[must_use]
    pub fn allow_kernel_symbols(&self) -> Option<bool> {
        match self.kptr_restrict? {
            0 if self.perf_event_paranoid.is_some_and(|level| level <= 1) => Some(true),
            0 | 1 => self.has(Capability::Syslog),
            _ => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(capabilities: &[Capability]) -> Privileges {
        let bit = |&capability| 1 << capability as u8;
        Privileges {
            capabilities: Some(capabilities.iter().map(bit).sum()),
            perf_event_paranoid: Some(2),
            kptr_restrict: Some(1),
            ..Privileges::default()
        }
    }

    #[test]
    fn bpf_needs_one_wide_or_two_narrow_capabilities() {
        use Capability::{Bpf, Perfmon, SysAdmin};
        for (capabilities, allowed) in [
            (&[][..], false),
            (&[Bpf], false),
            (&[Perfmon], false),
            (&[Bpf, Perfmon], true),
            (&[SysAdmin], true),
        ] {
            assert_eq!(with(capabilities).allow_bpf(), Some(allowed));
        }
        assert_eq!(Privileges::default().allow_bpf(), None);
    }

    #[test]
    fn a_low_paranoia_replaces_the_perf_capability() {
        let paranoid = |perf_event_paranoid| Privileges {
            perf_event_paranoid,
            ..with(&[])
        };
        assert_eq!(paranoid(Some(-1)).allow_perf(), Some(true));
        assert_eq!(paranoid(Some(0)).allow_perf(), Some(true));
        assert_eq!(paranoid(Some(1)).allow_perf(), Some(false));
        assert_eq!(paranoid(None).allow_perf(), None);
        assert_eq!(with(&[Capability::Perfmon]).allow_perf(), Some(true));
    }

    #[test]
    fn a_paranoia_that_not_every_kernel_has_leaves_only_the_wide_capability_certain() {
        let paranoid = |capabilities| Privileges {
            perf_event_paranoid: Some(3),
            ..with(capabilities)
        };
        let narrow = [Capability::Bpf, Capability::Perfmon];
        assert_eq!(paranoid(&narrow).allow_perf(), None);
        assert_eq!(paranoid(&[Capability::SysAdmin]).allow_perf(), Some(true));
        assert_eq!(paranoid(&[]).allow_perf(), Some(false));
    }

    #[test]
    fn kernel_addresses_are_hidden_as_kallsyms_hides_them() {
        let shown = |kptr_restrict, perf_event_paranoid, capabilities| {
            let privileges = Privileges {
                kptr_restrict: Some(kptr_restrict),
                perf_event_paranoid: Some(perf_event_paranoid),
                ..with(capabilities)
            };
            privileges.allow_kernel_symbols()
        };
        assert_eq!(shown(0, 1, &[]), Some(true));
        assert_eq!(shown(0, 2, &[]), Some(false));
        assert_eq!(shown(1, -1, &[Capability::Syslog]), Some(true));
        assert_eq!(shown(1, -1, &[]), Some(false));
        assert_eq!(shown(2, -1, &[Capability::Syslog]), Some(false));
    }
}
