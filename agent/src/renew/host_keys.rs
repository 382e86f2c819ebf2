//! SSH host keys: a clone with those of its template could be taken for any of its siblings, by whoever has one of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Code, Failure};
use crate::own::{self, Ended};
use crate::renew::sshd;
use crate::spawn::Spec;
use crate::state::State;
use crate::system::random_hex;
use crate::tree;

const MOST_TIME: Duration = Duration::from_secs(10);
/// The time to look for two primes: mostly less than a second, but many where the processor is emulated.
const MOST_TIME_OF_RSA: Duration = Duration::from_secs(5);

/// Makes each key that is there anew, of its own type, and tells a server that runs. `false` where there are none.
///
/// An old private key never stays: an RSA key that is not found in five seconds is removed without another in its place,
/// as is one of a type that can't be made any more (DSA), or whose type its name does not say. A server goes on with the others.
pub async fn renew(state: &State) -> Result<bool, Failure> {
    let Some(folder) = state.etc.as_ref().map(|etc| etc.join("ssh")) else { return Ok(false) };
    let old = private_keys(&folder);
    if old.is_empty() {
        return Ok(false);
    }
    let place = folder.join(format!(".wrenn-{}", random_hex(8)));
    fs::create_dir(&place).map_err(failed)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    let renewed = renew_each(state, &old, &place).await;
    let _ = tree::remove(&place);
    renewed?;
    sshd::reload(state);
    Ok(true)
}

async fn renew_each(state: &State, old: &[PathBuf], place: &Path) -> Result<(), Failure> {
    let mut made = vec![];
    for key in old {
        made.push(make(state, key, place).await?);
    }
    // Only now, so that a failure leaves all as it was: such a capsule is never started.
    for (key, new) in old.iter().zip(made) {
        match new {
            Some(new) => replace(key, &new).map_err(failed)?,
            None => remove(key).map_err(failed)?,
        }
    }
    Ok(())
}

/// A new key for the place of an old one; none where there can be none, or not in time.
async fn make(state: &State, old: &Path, place: &Path) -> Result<Option<PathBuf>, Failure> {
    let name = old.file_name().unwrap_or_default().to_string_lossy();
    let kind = name.trim_start_matches("ssh_host_").trim_end_matches("_key");
    if !["rsa", "ecdsa", "ed25519"].contains(&kind) {
        return Ok(None);
    }
    let new = place.join(&*name);
    let path = new.to_string_lossy().into_owned();
    let args = ["-q", "-t", kind, "-N", "", "-C", "", "-f", &path].map(String::from).to_vec();
    let time = if kind == "rsa" { MOST_TIME_OF_RSA } else { MOST_TIME };
    let spec = Spec::own(Path::new("ssh-keygen"), args, BTreeMap::new(), time);
    match own::run(&spec, state).await? {
        Ended { exit_code: Some(0), .. } if new.is_file() => Ok(Some(new)),
        Ended { exit_code: None, .. } if kind == "rsa" => Ok(None),
        Ended { exit_code, output, .. } => {
            let said = String::from_utf8_lossy(&output);
            let how = exit_code.map_or("took too long".to_owned(), |code| format!("ended with {code}"));
            Err(Failure::new(Code::Io, format!("Making the SSH host key {name}: ssh-keygen {how}. {}", said.trim())))
        }
    }
}

fn private_keys(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_key = |name: &str| name.starts_with("ssh_host_") && name.ends_with("_key");
    let mut keys: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(is_key)).map(|entry| entry.path()).collect();
    // ecdsa, ed25519, rsa: the one that may take long comes last.
    keys.sort();
    keys
}

/// Puts a pair in the place of another, with the owners and permissions of that.
fn replace(old: &Path, new: &Path) -> io::Result<()> {
    for (old, new) in [(old.to_owned(), new.to_owned()), (public(old), public(new))] {
        if let Ok(found) = fs::metadata(&old) {
            fs::set_permissions(&new, fs::Permissions::from_mode(found.mode() & 0o7777))?;
            chown(&new, Some(found.uid()), Some(found.gid()))?;
        }
        match fs::rename(&new, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Without a public half: that of the old one must not stay.
            Err(_) => remove_file(&old)?,
            Ok(()) => {}
        }
    }
    Ok(())
}

fn remove(old: &Path) -> io::Result<()> {
    remove_file(old).and_then(|()| remove_file(&public(old)))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn public(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn failed(error: io::Error) -> Failure {
    Failure::of(&error, "Renewing the SSH host keys")
}
