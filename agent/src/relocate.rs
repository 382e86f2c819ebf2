//! Files and directories that move.

use std::ffi::CString;
use std::fs::{self, FileTimes, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::entry::Entry;
use crate::failure::{Code, Failure};
use crate::files::{self, about};
use crate::system::{check, random_hex};
use crate::tree::{self, Walk};

/// Moves, with the target's parents made. What is at the target is replaced in one step, if it may be at all.
pub fn relocate(from: &Path, to: &Path, overwrite: bool) -> Result<Entry, Failure> {
    fs::symlink_metadata(from).map_err(about(from))?;
    let parent = to.parent().ok_or_else(|| Failure::new(Code::Exists, "/ exists."))?;
    files::make_parents(parent)?;
    let (given, from, to) = (to, &settled(from)?, &settled(to)?);
    if from != to && (from.starts_with(to) || to.starts_with(from)) {
        return Err(Failure::invalid("A directory cannot be moved into itself, or onto what holds it."));
    }
    match rename(from, to, overwrite) {
        Err(error) if error.raw_os_error() == Some(libc::EXDEV) => {
            let beside = to.with_file_name(format!(".wrenn-{}", random_hex(8)));
            let copied = copy(from, &beside).and_then(|()| rename(&beside, to, overwrite));
            if let Err(error) = copied {
                let _ = tree::remove(&beside);
                return Err(about(to)(error));
            }
            tree::remove(from).map_err(about(from))?;
        }
        result => result.map_err(about(to))?,
    }
    files::stat(given)
}

/// The path with its parent's links resolved.
fn settled(path: &Path) -> Result<PathBuf, Failure> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent).map_err(about(parent))?.join(name)),
        _ => Ok(path.to_owned()),
    }
}

fn rename(from: &Path, to: &Path, overwrite: bool) -> io::Result<()> {
    if !overwrite {
        return rename_with(from, to, libc::RENAME_NOREPLACE);
    }
    match fs::rename(from, to) {
        // A directory that is not empty, or of which one is a directory and the other is none.
        Err(error)
            if matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::EEXIST | libc::EISDIR | libc::ENOTDIR)) =>
        {
            rename_with(from, to, libc::RENAME_EXCHANGE)?;
            tree::remove(from)
        }
        result => result,
    }
}

fn rename_with(from: &Path, to: &Path, flags: libc::c_uint) -> io::Result<()> {
    let [from, to] = [from, to].map(|path| CString::new(path.as_os_str().as_bytes()));
    let (from, to) = (from?, to?);
    // SAFETY: strings that end in NUL.
    check(unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) })
}

/// Copies with all that is below, and with owners, permissions and the times of files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    copy_one(from, to, &found)?;
    if found.is_dir() {
        for item in Walk::new(from)? {
            let (below, found) = item?;
            copy_one(&from.join(&below), &to.join(&below), &found)?;
        }
    }
    Ok(())
}

fn copy_one(from: &Path, to: &Path, found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return lchown(to, Some(found.uid()), Some(found.gid()));
    }
    if kind.is_file() {
        let mut source = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(from)?;
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut source, &mut target)?;
        target.set_times(FileTimes::new().set_accessed(found.accessed()?).set_modified(found.modified()?))?;
    } else if kind.is_dir() {
        fs::create_dir(to)?;
    } else {
        let path = CString::new(to.as_os_str().as_bytes())?;
        // SAFETY: a string that ends in NUL, and plain numbers.
        check(unsafe { libc::mknod(path.as_ptr(), found.mode(), found.rdev()) })?;
    }
    chown(to, Some(found.uid()), Some(found.gid()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(found.mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_that_the_original_has() {
        let top = std::env::temp_dir().join(format!("wrenn-copy-{}", std::process::id()));
        fs::create_dir_all(top.join("from/sub")).unwrap();
        fs::write(top.join("from/sub/file"), "content").unwrap();
        fs::set_permissions(top.join("from/sub/file"), fs::Permissions::from_mode(0o4750)).unwrap();
        symlink("sub/file", top.join("from/link")).unwrap();
        check(unsafe {
            libc::mkfifo(CString::new(top.join("from/fifo").as_os_str().as_bytes()).unwrap().as_ptr(), 0o600)
        })
        .unwrap();
        copy(&top.join("from"), &top.join("to")).unwrap();
        for name in ["sub", "sub/file", "link", "fifo"] {
            let [one, other] = ["from", "to"].map(|side| fs::symlink_metadata(top.join(side).join(name)).unwrap());
            assert_eq!(
                (one.mode(), one.uid(), one.is_dir() || one.mtime() == other.mtime()),
                (other.mode(), other.uid(), true)
            );
        }
        assert_eq!(fs::read_link(top.join("to/link")).unwrap(), Path::new("sub/file"));
        assert_eq!(fs::read(top.join("to/sub/file")).unwrap(), b"content");
        tree::remove(&top).unwrap();
    }
}
