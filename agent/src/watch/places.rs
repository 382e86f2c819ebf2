//! Which directories are watched, and where they are by now.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::inotify;

/// More directories aren't watched.
const MOST_WATCHED: usize = 16_384;

pub struct Places {
    /// What was asked for; it may be a link.
    top: PathBuf,
    paths: HashMap<i32, PathBuf>,
    /// Something below is not watched: there were too many, or the kernel had no more.
    pub is_incomplete: bool,
}

impl Places {
    pub fn new(top: PathBuf) -> Places {
        Places { top, paths: HashMap::new(), is_incomplete: false }
    }

    pub fn path(&self, watch: i32) -> Option<&Path> {
        self.paths.get(&watch).map(PathBuf::as_path)
    }

    /// Watches a directory and, if asked for, all below it. Returns what was found there.
    pub fn add(&mut self, inotify: &OwnedFd, top: &Path, recursive: bool) -> io::Result<Vec<PathBuf>> {
        let mut found = vec![];
        let mut pending = vec![top.to_owned()];
        while let Some(directory) = pending.pop() {
            match inotify::add(inotify, &directory, directory == self.top) {
                Ok(watch) => drop(self.paths.insert(watch, directory.clone())),
                Err(error) if directory == top => return Err(error),
                // What vanishes meanwhile is not there, and what turned into something else isn't watched.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
                    continue;
                }
                Err(_) => {
                    self.is_incomplete = true;
                    continue;
                }
            }
            if recursive {
                self.look_through(&directory, &mut found, &mut pending);
            }
        }
        Ok(found)
    }

    fn look_through(&mut self, directory: &Path, found: &mut Vec<PathBuf>, pending: &mut Vec<PathBuf>) {
        for item in fs::read_dir(directory).into_iter().flatten().flatten() {
            let is_dir = item.file_type().is_ok_and(|kind| kind.is_dir());
            if found.len() >= MOST_WATCHED || (is_dir && self.paths.len() + pending.len() >= MOST_WATCHED) {
                self.is_incomplete = true;
                return;
            }
            if is_dir {
                pending.push(item.path());
            }
            found.push(item.path());
        }
    }

    /// A directory has moved, and all below it.
    pub fn relocate(&mut self, from: &Path, to: &Path) {
        for path in self.paths.values_mut() {
            if let Ok(below) = path.strip_prefix(from) {
                *path = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
            }
        }
    }

    /// A directory has left, and all below it.
    pub fn leave(&mut self, inotify: &OwnedFd, top: &Path) {
        self.paths.retain(|watch, path| {
            let stays = !path.starts_with(top);
            if !stays {
                inotify::remove(inotify, *watch);
            }
            stays
        });
    }

    /// The kernel watches it no more.
    pub fn forget(&mut self, watch: i32) {
        self.paths.remove(&watch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_takes_along_what_is_below() {
        let paths = [(1, "/a"), (2, "/a/b"), (3, "/a/bc")].map(|(watch, path)| (watch, PathBuf::from(path)));
        let mut places = Places { paths: paths.into(), ..Places::new("/a".into()) };
        places.relocate(Path::new("/a/b"), Path::new("/z"));
        assert_eq!([1, 2, 3].map(|watch| places.path(watch).unwrap()), ["/a", "/z", "/a/bc"].map(Path::new));
    }
}
