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
        let value = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let Some((uid, gid)) = sudo_ids(value)? else {
            return Ok(None);
        };
        Self::of(uid, gid).map(Some)
    }

    /// The user with this id, and `gid` as the group.
    ///
    /// # Errors
    /// If there is no such user or the groups cannot be found out.
    pub fn of(uid: u32, gid: u32) -> Result<Self, UnknownUser> {
        let unknown = || UnknownUser::Id { uid };
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

/// The user behind sudo cannot be told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnknownUser {
    #[error(
        "cannot run the command as the user behind sudo: user id {uid} is unknown; \
         run it from a root shell without SUDO_UID to run it as root"
    )]
    Id { uid: u32 },
    #[error(
        "cannot tell the user behind sudo: {name} is `{value}`, no user's number; \
         run it from a root shell without SUDO_UID to run it as root"
    )]
    Variable { name: &'static str, value: String },
}

/// User and group of whoever ran sudo, unless that was root.
fn sudo_ids(
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Option<(u32, u32)>, UnknownUser> {
    let number = |name| {
        let value = variable(name);
        let number = value.map(|value| {
            let unreadable = |_| UnknownUser::Variable {
                name,
                value: value.clone(),
            };
            value.parse().map_err(unreadable)
        });
        number.transpose()
    };
    let ids = number("SUDO_UID")?.zip(number("SUDO_GID")?);
    Ok(ids.filter(|&(uid, _)| uid != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(uid: Option<&str>, gid: Option<&str>) -> Result<Option<(u32, u32)>, UnknownUser> {
        sudo_ids(|name| match name {
            "SUDO_UID" => uid.map(str::to_owned),
            "SUDO_GID" => gid.map(str::to_owned),
            _ => None,
        })
    }

    #[test]
    fn sudo_names_the_user() {
        assert_eq!(ids(Some("1000"), Some("100")), Ok(Some((1000, 100))));
    }

    #[test]
    fn root_stays_root() {
        assert_eq!(ids(None, None), Ok(None));
        assert_eq!(ids(Some("0"), Some("0")), Ok(None));
        assert_eq!(ids(Some("1000"), None), Ok(None));
    }

    #[test]
    fn what_is_no_number_is_not_taken_for_root() {
        for unreadable in ["-1", "abc", "", "4294967296", "1 2"] {
            let error = ids(Some(unreadable), Some("100")).expect_err("no number");
            assert!(error.to_string().contains("SUDO_UID"), "{error}");
            let error = ids(Some("1000"), Some(unreadable)).expect_err("no number");
            assert!(error.to_string().contains("SUDO_GID"), "{error}");
        }
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
