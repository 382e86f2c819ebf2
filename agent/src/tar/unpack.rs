//! Lays an archive out on a disk, below one directory and nowhere else.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, fchown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::header::{DIRECTORY, FILE, HARD_LINK, Header, SYMLINK};
use super::read::{Archive, broken};
use crate::failure::{Code, Failure};
use crate::files::{self, Word, about};
use crate::pool;

const WAITING_PIECES: usize = 4;
const PIECE: usize = 128 * 1024;

/// Unpacks a request's body below a path, which is made if need be. What was unpacked before a failure stays.
pub async fn unpack(path: PathBuf, mut body: Incoming) -> Result<(), Failure> {
    let (pieces, content) = mpsc::channel(WAITING_PIECES);
    let working = pool::run(move || {
        files::make_parents(&path)?;
        let base = fs::canonicalize(&path).map_err(about(&path))?;
        unpack_below(&base, Source { content, piece: Bytes::new(), is_over: false })
    })
    .await?;
    files::pass(&mut body, pieces).await;
    working.await.unwrap_or_else(|_| Err(Failure::new(Code::Io, "The unpacking broke off.")))
}

/// The request's body, as a thread reads it.
struct Source {
    content: mpsc::Receiver<Word>,
    piece: Bytes,
    is_over: bool,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.is_over {
            match self.content.blocking_recv() {
                Some(Word::Piece(piece)) => self.piece = piece,
                Some(Word::End) => self.is_over = true,
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let n = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}

fn unpack_below(base: &Path, source: impl Read) -> Result<(), Failure> {
    let mut archive = Archive::new(source);
    let mut buffer = vec![0; PIECE];
    while let Some(header) = archive.next()? {
        let place = Place::of(&header.name)?;
        // The directory itself is as it is.
        let Some((name, parents)) = place.split() else { continue };
        match header.kind {
            FILE => {
                let path = descend(base, parents, true)?.join(name);
                let file = create(&path).map_err(about(&path))?;
                copy(&mut archive, (&file, &path), &mut buffer)?;
                settle(&file, &header).map_err(about(&path))?;
            }
            DIRECTORY => make_dir(base, descend(base, parents, true)?.join(name), &header)?,
            SYMLINK => {
                let path = descend(base, parents, true)?.join(name);
                clear(&path).and_then(|()| symlink(OsStr::from_bytes(&header.link), &path)).map_err(about(&path))?;
                may_own(lchown(&path, Some(header.uid), Some(header.gid))).map_err(about(&path))?;
            }
            HARD_LINK => {
                let target = Place::of(&header.link)?;
                let Some((target, above)) = target.split() else { continue };
                let target = descend(base, above, false)?.join(target);
                let path = descend(base, parents, true)?.join(name);
                if target != path {
                    clear(&path).and_then(|()| fs::hard_link(&target, &path)).map_err(about(&path))?;
                }
            }
            // Devices, pipes, and what only some programs know.
            _ => {}
        }
    }
    Ok(())
}

/// The names on the way to an entry.
struct Place<'a> {
    names: Vec<&'a OsStr>,
}

impl<'a> Place<'a> {
    fn of(name: &'a [u8]) -> Result<Place<'a>, Failure> {
        let told = || String::from_utf8_lossy(name).into_owned();
        let names: Vec<&[u8]> = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        if name.starts_with(b"/") || names.contains(&b"..".as_slice()) {
            return Err(Failure::invalid(format!("The archive leads out of the directory: {}.", told())));
        }
        if name.contains(&0) {
            return Err(Failure::invalid(format!("The archive has a name with NUL: {}.", told())));
        }
        Ok(Place { names: names.into_iter().map(OsStr::from_bytes).collect() })
    }

    fn split(&self) -> Option<(&'a OsStr, &[&'a OsStr])> {
        self.names.split_last().map(|(last, others)| (*last, others))
    }
}

/// Goes down from the base, name by name, and makes what is missing. A link on the way may lead anywhere below the base.
fn descend(base: &Path, names: &[&OsStr], make: bool) -> Result<PathBuf, Failure> {
    let mut current = base.to_owned();
    for name in names {
        current.push(name);
        match fs::symlink_metadata(&current) {
            Ok(found) if found.is_dir() => {}
            Ok(found) if found.is_symlink() => current = inside(base, &current)?,
            Ok(_) => return Err(about(&current)(io::Error::from_raw_os_error(libc::ENOTDIR))),
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&current).map_err(about(&current))?;
            }
            Err(error) => return Err(about(&current)(error)),
        }
    }
    Ok(current)
}

/// Where a link leads, if that is a directory below the base.
fn inside(base: &Path, link: &Path) -> Result<PathBuf, Failure> {
    let target = fs::canonicalize(link).map_err(about(link))?;
    if !target.starts_with(base) {
        return Err(Failure::invalid(format!(
            "The archive leads out of the directory, by the link {}.",
            link.display()
        )));
    }
    if !target.is_dir() {
        return Err(about(link)(io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    Ok(target)
}

/// Takes away what is in the place of an entry; never a directory.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn create(path: &Path) -> io::Result<File> {
    clear(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn copy(archive: &mut impl Read, to: (&File, &Path), buffer: &mut [u8]) -> Result<(), Failure> {
    let (mut file, path) = to;
    loop {
        let n = archive.read(buffer).map_err(broken)?;
        if n == 0 {
            return Ok(());
        }
        io::Write::write_all(&mut file, &buffer[..n]).map_err(about(path))?;
    }
}

fn settle(file: &File, header: &Header) -> io::Result<()> {
    may_own(fchown(file, Some(header.uid), Some(header.gid)))?;
    file.set_permissions(Permissions::from_mode(header.mode))?;
    // A time that the clock doesn't know isn't worth a failure.
    match UNIX_EPOCH.checked_add(Duration::from_secs(header.mtime)) {
        Some(time) if header.mtime < 1 << 33 => file.set_times(FileTimes::new().set_modified(time)),
        _ => Ok(()),
    }
}

/// A directory that is there stays as it is.
fn make_dir(base: &Path, path: PathBuf, header: &Header) -> Result<(), Failure> {
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(found) if found.is_symlink() && inside(base, &path).is_ok() => return Ok(()),
        _ => {}
    }
    clear(&path).and_then(|()| fs::create_dir(&path)).map_err(about(&path))?;
    may_own(chown(&path, Some(header.uid), Some(header.gid))).map_err(about(&path))?;
    fs::set_permissions(&path, Permissions::from_mode(header.mode)).map_err(about(&path))
}

/// Who may not give files away keeps them.
fn may_own(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_below_or_nowhere() {
        let split = |name: &str| {
            let place = Place::of(name.as_bytes()).ok()?;
            Some(place.names.iter().map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>().join("|"))
        };
        assert_eq!(split("./a//b/").as_deref(), Some("a|b"));
        assert_eq!(split("./").as_deref(), Some(""));
        for out in ["/etc/passwd", "../x", "a/../../b", "a/..", "a\0b"] {
            assert_eq!(split(out), None, "{out}");
        }
    }
}
