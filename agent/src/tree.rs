//! Directories with all that is below them. Without recursion: how deep they are is up to others, and stacks are small.

use std::ffi::OsStr;
use std::fs::{self, Metadata, ReadDir};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Each level that is being walked keeps its directory open.
const DEEPEST: usize = 512;

/// Removes a directory with all that it holds; never follows links.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    let mut current = path.to_owned();
    let mut depth = 0;
    loop {
        if let Some(below) = remove_until_dir(&current)? {
            current.push(below);
            depth += 1;
            continue;
        }
        fs::remove_dir(&current)?;
        if depth == 0 {
            return Ok(());
        }
        current.pop();
        depth -= 1;
    }
}

/// Removes what a directory holds up to the first directory in it, whose name is returned.
fn remove_until_dir(path: &Path) -> io::Result<Option<std::ffi::OsString>> {
    for item in fs::read_dir(path)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            return Ok(Some(item.file_name()));
        }
        match fs::remove_file(item.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

/// Removes whatever is there.
pub fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { remove_dir(path) } else { fs::remove_file(path) }
}

/// Whether two paths are on one file system.
fn device(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.dev())
}

/// All that is below a directory, each directory before what it holds, with its path below the top. Other file systems
/// that are mounted there show as empty directories; links aren't followed; what vanishes meanwhile is not there.
pub struct Walk {
    top: PathBuf,
    /// Where we are, below the top.
    at: PathBuf,
    open: Vec<ReadDir>,
    device: u64,
}

impl Walk {
    pub fn new(top: &Path) -> io::Result<Walk> {
        Ok(Walk { top: top.to_owned(), at: PathBuf::new(), open: vec![fs::read_dir(top)?], device: device(top)? })
    }

    fn enter(&mut self, name: &OsStr, found: &Metadata) -> io::Result<()> {
        if found.dev() != self.device {
            return Ok(());
        }
        if self.open.len() == DEEPEST {
            return Err(io::Error::other(format!("there are more than {DEEPEST} levels of directories")));
        }
        match fs::read_dir(self.top.join(&self.at).join(name)) {
            Ok(inside) => {
                self.at.push(name);
                self.open.push(inside);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Iterator for Walk {
    type Item = io::Result<(PathBuf, Metadata)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(item) = self.open.last_mut()?.next() else {
                self.open.pop();
                self.at.pop();
                continue;
            };
            let name = match item {
                Ok(item) => item.file_name(),
                Err(error) => return Some(Err(error)),
            };
            let path = self.at.join(&name);
            let found = match fs::symlink_metadata(self.top.join(&path)) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Some(Err(error)),
            };
            if found.is_dir() {
                if let Err(error) = self.enter(&name, &found) {
                    return Some(Err(error));
                }
            }
            return Some(Ok((path, found)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("wrenn-tree-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_walk_sees_everything_once_and_parents_first() {
        let top = scratch("walk");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::write(top.join("a/b/file"), "").unwrap();
        fs::write(top.join("z"), "").unwrap();
        std::os::unix::fs::symlink("/", top.join("a/link")).unwrap();
        let seen: Vec<PathBuf> = Walk::new(&top).unwrap().map(|item| item.unwrap().0).collect();
        let place = |name: &str| seen.iter().position(|path| path == Path::new(name)).unwrap();
        assert_eq!(seen.len(), 5);
        assert!(place("a") < place("a/b") && place("a/b") < place("a/b/file") && place("a/link") < 5 && place("z") < 5);
        remove(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn depth_costs_no_stack() {
        let top = scratch("deep");
        let deep: PathBuf = std::iter::repeat_n("d", 1500).collect();
        fs::create_dir_all(top.join(&deep)).unwrap();
        let small = std::thread::Builder::new().stack_size(128 * 1024).spawn(move || {
            assert!(Walk::new(&top).unwrap().any(|item| item.is_err()));
            remove(&top).unwrap();
            top.exists()
        });
        assert!(!small.unwrap().join().unwrap());
    }
}
