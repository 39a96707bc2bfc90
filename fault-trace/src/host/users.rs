//! The user behind sudo, as whom a launched command runs and files are written.

use std::{env, ffi::CString, path::PathBuf};

use nix::unistd::{Gid, Uid, User, getgrouplist};

/// A user with everything that a process needs to run as that user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    pub name: String,
    pub home: PathBuf,
}

impl Identity {
    /// The user who ran sudo; `None` when not root, when root ran it, or without sudo.
    ///
    /// # Errors
    /// If sudo names a user that the system does not know.
    pub fn behind_sudo() -> Result<Option<Self>, UnknownUser> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let Some((uid, gid)) = sudo_ids(|name| env::var(name).ok()) else {
            return Ok(None);
        };
        Self::of(uid, gid).map(Some)
    }

    /// The user with this id, and `gid` as the group.
    ///
    /// # Errors
    /// If there is no such user or the groups cannot be found out.
    pub fn of(uid: u32, gid: u32) -> Result<Self, UnknownUser> {
        let unknown = || UnknownUser { uid };
        let user = User::from_uid(Uid::from_raw(uid))
            .ok()
            .flatten()
            .ok_or_else(unknown)?;
        let name = CString::new(user.name.as_bytes()).map_err(|_| unknown())?;
        let groups = getgrouplist(&name, Gid::from_raw(gid)).map_err(|_| unknown())?;
        Ok(Self {
            uid,
            gid,
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            name: user.name,
            home: user.dir,
        })
    }
}

/// The id of a user, given by name or number.
///
/// # Errors
/// If there is no user of that name; a number need not be anybody's.
pub fn id_of(user: &str) -> Result<u32, NoSuchUser> {
    if let Ok(uid) = user.parse() {
        return Ok(uid);
    }
    match User::from_name(user) {
        Ok(Some(found)) => Ok(found.uid.as_raw()),
        Ok(None) | Err(_) => Err(NoSuchUser {
            name: user.to_owned(),
        }),
    }
}

/// A name that no user has.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no user {name}; give a name or a number, as in `getent passwd`")]
pub struct NoSuchUser {
    pub name: String,
}

/// A user id without a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "cannot run the command as the user behind sudo: user id {uid} is unknown; \\
     run it from a root shell without SUDO_UID to run it as root"
)]
pub struct UnknownUser {
    pub uid: u32,
}

/// User and group of whoever ran sudo, unless that was root.
fn sudo_ids(variable: impl Fn(&str) -> Option<String>) -> Option<(u32, u32)> {
    let number = |name| variable(name)?.parse().ok();
    let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
    (uid != 0).then_some((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(uid: Option<&str>, gid: Option<&str>) -> Option<(u32, u32)> {
        sudo_ids(|name| match name {
            "SUDO_UID" => uid.map(str::to_owned),
            "SUDO_GID" => gid.map(str::to_owned),
            _ => None,
        })
    }

    #[test]
    fn sudo_names_the_user() {
        assert_eq!(ids(Some("1000"), Some("100")), Some((1000, 100)));
    }

    #[test]
    fn root_stays_root() {
        assert_eq!(ids(None, None), None);
        assert_eq!(ids(Some("0"), Some("0")), None);
        assert_eq!(ids(Some("1000"), None), None);
        assert_eq!(ids(Some("-1"), Some("x")), None);
    }

    #[test]
    fn roots_identity_is_complete() {
        let root = Identity::of(0, 0).expect("root");
        assert_eq!(root.name, "root");
        assert!(root.groups.contains(&0));
    }

    #[test]
    fn a_user_is_given_by_name_or_number() {
        assert_eq!(id_of("root"), Ok(0));
        assert_eq!(id_of("4123456789"), Ok(4_123_456_789));
        let error = id_of("no such user").expect_err("unknown");
        assert!(error.to_string().contains("no such user"), "{error}");
    }

    #[test]
    fn an_unknown_user_is_an_error_that_names_it() {
        let error = Identity::of(4_123_456_789, 0).expect_err("unknown");
        assert!(error.to_string().contains("4123456789"), "{error}");
    }
}
