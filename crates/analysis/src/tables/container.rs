//! Which container a cgroup's path names.

/// What container engines put before the id in the names of their cgroups.
const ENGINES: [&str; 8] = [
    "docker-",
    "cri-containerd-",
    "crio-",
    "libpod-",
    "libpod-payload-",
    "podman-",
    "containerd-",
    "nerdctl-",
];
/// Ids of containers have so many hexadecimal digits.
const ID_DIGITS: usize = 64;

/// The id or name of the innermost container in `path`, as far as its names tell: Docker, Podman,
/// containerd, CRI-O and Kubernetes by their ids; LXC and systemd-machined by name.
#[must_use]
pub fn container(path: &[u8]) -> Option<&str> {
    let path = str::from_utf8(path).ok()?;
    let mut parts = path.rsplit('/').peekable();
    while let Some(part) = parts.next() {
        let parent = parts.peek().copied().unwrap_or_default();
        if let Some(name) = named(part, parent) {
            return Some(name);
        }
    }
    None
}

fn named<'a>(part: &'a str, parent: &str) -> Option<&'a str> {
    let unit = part.strip_suffix(".scope").unwrap_or(part);
    let mut ids = ENGINES
        .iter()
        .filter_map(|engine| unit.strip_prefix(engine))
        .chain([unit]);
    if let Some(id) = ids.find(|id| is_id(id)) {
        return Some(id);
    }
    let name = if parent == "lxc" || parent == "lxc.payload" {
        Some(part)
    } else {
        None
    };
    name.or_else(|| part.strip_prefix("lxc.payload."))
        .or_else(|| part.strip_prefix("machine-")?.strip_suffix(".scope"))
        .or_else(|| {
            part.strip_prefix("systemd-nspawn@")?
                .strip_suffix(".service")
        })
        .filter(|name| !name.is_empty())
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_cgroups_name() {
        let id = "0123456789abcdef".repeat(4);
        for path in [
            "/system.slice/docker-ID.scope",
            "/docker/ID",
            "/system.slice/docker-ID.scope/init.scope",
            "/machine.slice/libpod-ID.scope/container",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/cri-containerd-ID.scope",
            "/kubepods.slice/kubepods-pod12.slice/crio-ID.scope",
            "/kubepods/besteffort/pod12/ID",
        ] {
            let path = path.replace("ID", &id);
            assert_eq!(container(path.as_bytes()), Some(&*id), "{path}");
        }
        for (path, name) in [
            ("/lxc/web/system.slice", "web"),
            ("/lxc.payload.web/init.scope", "web"),
            ("/machine.slice/machine-deb.scope/payload", "deb"),
            ("/machine.slice/systemd-nspawn@deb.service", "deb"),
        ] {
            assert_eq!(container(path.as_bytes()), Some(name), "{path}");
        }
    }

    #[test]
    fn the_innermost_container_counts() {
        let (outer, inner) = ("a".repeat(64), "b".repeat(64));
        let path = format!("/docker/{outer}/docker/{inner}/x");
        assert_eq!(container(path.as_bytes()), Some(&*inner));
    }

    #[test]
    fn other_cgroups_are_no_containers() {
        for path in [
            "",
            "/",
            "/user.slice/user-1000.slice/session-2.scope",
            "/system.slice/docker.service",
            "/docker/0123",
            "/lxc",
            "/\u{fffd}",
        ] {
            assert_eq!(container(path.as_bytes()), None, "{path}");
        }
    }
}
