//! What execve needs, prepared before the fork.

use std::{
    env,
    ffi::{CStr, CString, OsStr, OsString, c_char},
    os::unix::ffi::{OsStrExt, OsStringExt},
    ptr,
};

use nix::errno::Errno;

use crate::users::Identity;

/// The shell that runs a script without an interpreter line.
const SHELL: &CStr = c"/bin/sh";

/// Where programs are looked up without PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

pub(super) struct Image {
    candidates: Vec<Candidate>,
    /// Whether the candidates come from PATH, and the next is tried where one does not exist.
    is_searched: bool,
    arguments: Pointers,
    environment: Pointers,
}

struct Candidate {
    path: CString,
    /// The arguments to run it with as a script.
    script: Pointers,
}

/// Strings, and pointers to them as execve takes them.
struct Pointers {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Pointers {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr());
        Self {
            pointers: pointers.chain([ptr::null()]).collect(),
            _strings: strings,
        }
    }
}

impl Image {
    /// `None` if a string has a NUL byte or there is no program.
    pub(super) fn new(command: &[OsString], identity: Option<&Identity>) -> Option<Self> {
        let arguments = command
            .iter()
            .map(|argument| c_string(argument.as_bytes().to_vec()))
            .collect::<Option<Vec<_>>>()?;
        let program = command.first()?.as_bytes();
        let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let is_searched = !program.is_empty() && !program.contains(&b'/');
        let paths = if is_searched {
            search(program, &path)
        } else {
            vec![program.to_vec()]
        };
        let candidates = paths
            .into_iter()
            .map(|path| Candidate::new(c_string(path)?, &arguments))
            .collect::<Option<Vec<_>>>()?;
        let environment = environment(env::vars_os(), identity)
            .map(c_string)
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            candidates,
            is_searched,
            arguments: Pointers::new(arguments),
            environment: Pointers::new(environment),
        })
    }

    /// Execs as a shell does; returns why it could not. Async-signal-safe.
    pub(super) fn exec(&self) -> Errno {
        let mut failure = Errno::ENOENT;
        for candidate in &self.candidates {
            let mut error = self.exec_path(&candidate.path, &self.arguments);
            if error == Errno::ENOEXEC {
                error = self.exec_path(SHELL, &candidate.script);
            }
            match error {
                Errno::ENOENT | Errno::ENOTDIR if self.is_searched => {}
                Errno::EACCES if self.is_searched => {
                    // A directory that may not be searched does not make it a known command.
                    if candidate.exists() {
                        failure = error;
                    }
                }
                _ => return error,
            }
        }
        failure
    }

    fn exec_path(&self, path: &CStr, arguments: &Pointers) -> Errno {
        let (argv, envp) = (&arguments.pointers, &self.environment.pointers);
        // SAFETY: the strings live as long as `self`, and both arrays end with a null pointer.
        unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        Errno::last()
    }
}

impl Candidate {
    fn new(path: CString, arguments: &[CString]) -> Option<Self> {
        let shell = [SHELL.to_owned(), path.clone()];
        let script = shell.into_iter().chain(arguments.get(1..)?.iter().cloned());
        Some(Self {
            script: Pointers::new(script.collect()),
            path,
        })
    }

    fn exists(&self) -> bool {
        // SAFETY: the path ends with a NUL byte.
        unsafe { libc::access(self.path.as_ptr(), libc::F_OK) == 0 }
    }
}

fn c_string(bytes: Vec<u8>) -> Option<CString> {
    CString::new(bytes).ok()
}

/// The paths of a program in the directories of `path`; an empty directory is the current one.
fn search(program: &[u8], path: &OsStr) -> Vec<Vec<u8>> {
    let directories = path.as_bytes().split(|&byte| byte == b':');
    let join = |directory: &[u8]| match directory {
        b"" => [b"./", program].concat(),
        _ => [directory, b"/", program].concat(),
    };
    directories.map(join).collect()
}

/// This process's environment, with the variables that name the user set for `identity`.
fn environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    identity: Option<&Identity>,
) -> impl Iterator<Item = Vec<u8>> {
    let user = identity.map_or_else(Vec::new, |identity| {
        let name = OsString::from(&identity.name);
        vec![
            ("HOME".into(), identity.home.clone().into_os_string()),
            ("USER".into(), name.clone()),
            ("LOGNAME".into(), name),
        ]
    });
    let names: Vec<OsString> = user.iter().map(|(name, _)| OsString::clone(name)).collect();
    variables
        .into_iter()
        .filter(move |(name, _)| !names.contains(name))
        .chain(user)
        .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_up_in_order() {
        let found = search(b"true", OsStr::new("/a:/b/::."));
        let expected = ["/a/true", "/b//true", "./true", "./true"];
        assert_eq!(found, expected.map(|path| path.as_bytes().to_vec()));
    }

    #[test]
    fn the_environment_names_the_user() {
        let identity = Identity {
            uid: 1000,
            gid: 1000,
            groups: vec![1000],
            name: "ann".to_owned(),
            home: "/home/ann".into(),
        };
        let root = [("HOME", "/root"), ("LANG", "C"), ("USER", "root")];
        let variables = root.map(|(name, value)| (name.into(), value.into()));
        let lines = |identity| {
            environment(variables.clone(), identity)
                .map(|line| String::from_utf8(line).expect("text"))
                .collect::<Vec<_>>()
        };
        let expected = ["LANG=C", "HOME=/home/ann", "USER=ann", "LOGNAME=ann"];
        assert_eq!(lines(Some(&identity)), expected);
        assert_eq!(lines(None), ["HOME=/root", "LANG=C", "USER=root"]);
    }

    #[test]
    fn a_nul_byte_is_refused() {
        assert!(Image::new(&["a\0b".into()], None).is_none());
        assert!(Image::new(&["true".into(), "\0".into()], None).is_none());
        assert!(Image::new(&[], None).is_none());
    }
}
