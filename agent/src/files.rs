//! Files: read, written, listed, made and removed. What blocks runs in threads of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};

use crate::body::next_piece;
use crate::entry::{Entry, Names};
use crate::failure::{Code, Failure};
use crate::pool;
use crate::system::random_hex;
use crate::tree;

/// The pieces of a file on their way.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;

const PIECE: usize = 128 * 1024;
const WAITING_PIECES: usize = 4;
const MOST_ENTRIES: usize = 100_000;

/// The absolute path that is meant; `~` and relative ones mean below /root. `..` is taken away with what it follows.
pub fn resolve(given: &str) -> Result<PathBuf, Failure> {
    if given.is_empty() || given.contains('\0') {
        return Err(Failure::invalid("A path must not be empty or contain NUL."));
    }
    let below_home = if given == "~" { "" } else { given.strip_prefix("~/").unwrap_or(given) };
    let mut path = PathBuf::from("/");
    for component in Path::new("/root").join(below_home).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => drop(path.pop()),
            _ => {}
        }
    }
    Ok(path)
}

/// Makes failures of errors about a path.
pub fn about(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::of(&error, &path.to_string_lossy())
}

/// Opens a file; its content comes in pieces. The size is known of what lies on a disk.
pub async fn read(path: PathBuf) -> Result<(Option<u64>, Pieces), Failure> {
    let (opened, told) = oneshot::channel();
    let (pieces, content) = mpsc::channel(WAITING_PIECES);
    pool::run(move || {
        let (file, size) = match open(&path) {
            Ok(open) => open,
            Err(failure) => return drop(opened.send(Err(failure))),
        };
        if opened.send(Ok(size)).is_ok() {
            send(file, size, &pieces);
        }
    })
    .await?;
    let size = told.await.unwrap_or_else(|_| Err(Failure::new(Code::Io, "The file could not be read.")))?;
    Ok((size, content))
}

fn open(path: &Path) -> Result<(File, Option<u64>), Failure> {
    // Without waiting: opening a pipe would wait for its other end.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(about(path))?;
    let found = file.metadata().map_err(about(path))?;
    if found.is_dir() {
        return Err(Failure::new(Code::IsDirectory, format!("{} is a directory.", path.display())));
    }
    let is_made_up = path.starts_with("/proc") || path.starts_with("/sys");
    Ok((file, (found.is_file() && !is_made_up).then_some(found.len())))
}

fn send(file: File, size: Option<u64>, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    // A file that grows meanwhile is read to the size that was promised.
    let mut left = size.unwrap_or(u64::MAX);
    let mut file = file;
    while left > 0 {
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        match file.read(&mut piece) {
            Ok(0) if size.is_none() => return,
            Ok(0) => return drop(pieces.blocking_send(Err(io::ErrorKind::UnexpectedEof.into()))),
            Ok(n) => {
                piece.truncate(n);
                left -= n as u64;
                if pieces.blocking_send(Ok(piece.into())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return drop(pieces.blocking_send(Err(error))),
        }
    }
}

/// What a thread that writes is told.
pub enum Word {
    Piece(Bytes),
    End,
}

/// Writes a file whole or not at all: a request that breaks off leaves what was there.
pub async fn write(path: PathBuf, mut body: Incoming) -> Result<(), Failure> {
    let (pieces, mut content) = mpsc::channel(WAITING_PIECES);
    let writing = pool::run(move || {
        let mut target = Target::create(&path)?;
        loop {
            match content.blocking_recv() {
                Some(Word::Piece(piece)) => target.file.write_all(&piece).map_err(about(&path))?,
                Some(Word::End) => return target.finish().map_err(about(&path)),
                None => return Err(Failure::invalid("The request broke off.")),
            }
        }
    })
    .await?;
    pass(&mut body, pieces).await;
    writing.await.unwrap_or_else(|_| Err(Failure::new(Code::Io, "The writing broke off.")))
}

/// Passes a request's body to a thread, and its end if it comes to that.
pub async fn pass(body: &mut Incoming, pieces: mpsc::Sender<Word>) {
    loop {
        let word = match next_piece(body).await {
            Some(Ok(piece)) => Word::Piece(piece),
            None => Word::End,
            Some(Err(_)) => return,
        };
        let is_end = matches!(word, Word::End);
        // When the thread has given up already, it says why.
        if pieces.send(word).await.is_err() || is_end {
            return;
        }
    }
}

/// A file that is being written: beside its place, and moved there when it is whole.
struct Target {
    file: File,
    /// From where to where; absent where the file is written in place, as a device is.
    moved: Option<(PathBuf, PathBuf)>,
}

impl Target {
    fn create(path: &Path) -> Result<Target, Failure> {
        // Through links: what they point at is written, and they stay.
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let parent = path.parent().ok_or_else(|| Failure::new(Code::IsDirectory, "/ is a directory."))?;
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Failure::new(Code::IsDirectory, format!("{} is a directory.", path.display())));
            }
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path);
                return Ok(Target { file: file.map_err(about(path))?, moved: None });
            }
            _ => {}
        }
        make_parents(parent)?;
        let beside = parent.join(format!(".wrenn-{}", random_hex(8)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside).map_err(about(path))?;
        Ok(Target { file, moved: Some((beside, path.to_owned())) })
    }

    fn finish(mut self) -> io::Result<()> {
        if let Some((from, to)) = &self.moved {
            fs::rename(from, to)?;
        }
        self.moved = None;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((from, _)) = &self.moved {
            let _ = fs::remove_file(from);
        }
    }
}

/// Removes a file, a link, or a directory with all that it holds.
pub fn remove(path: &Path) -> Result<(), Failure> {
    if path == Path::new("/") {
        return Err(Failure::invalid("The root directory cannot be removed."));
    }
    tree::remove(path).map_err(about(path))
}

pub fn stat(path: &Path) -> Result<Entry, Failure> {
    let found = fs::symlink_metadata(path).map_err(about(path))?;
    Ok(Entry::new(path, &found, &Names::load()))
}

/// Makes a directory and its parents.
pub fn make_dir(path: &Path) -> Result<Entry, Failure> {
    path.parent().map_or(Ok(()), make_parents)?;
    fs::create_dir(path).map_err(about(path))?;
    stat(path)
}

/// Makes a directory with its parents, unless it is there.
pub fn make_parents(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| match error.kind() {
        // A file in the place of a parent.
        io::ErrorKind::AlreadyExists => about(path)(io::Error::from_raw_os_error(libc::ENOTDIR)),
        _ => about(path)(error),
    })
}

/// The entries of a directory, to `depth` levels, sorted by path. Links are not followed.
pub fn list(path: &Path, depth: u32) -> Result<Vec<Entry>, Failure> {
    let names = Names::load();
    let mut entries: Vec<(PathBuf, Entry)> = vec![];
    let mut pending = vec![(path.to_owned(), 1)];
    while let Some((directory, level)) = pending.pop() {
        let items = match fs::read_dir(&directory) {
            Ok(items) => items,
            // What vanishes meanwhile is not there.
            Err(error) if level > 1 && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(about(&directory)(error)),
        };
        for item in items {
            let below = item.map_err(about(&directory))?.path();
            let Ok(found) = fs::symlink_metadata(&below) else { continue };
            if entries.len() == MOST_ENTRIES {
                return Err(Failure::new(Code::TooLarge, format!("There are more than {MOST_ENTRIES} entries.")));
            }
            if found.is_dir() && level < depth {
                pending.push((below.clone(), level + 1));
            }
            entries.push((below.clone(), Entry::new(&below, &found, &names)));
        }
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_or_below_the_home() {
        for (given, meant) in [
            ("/a/b", "/a/b"),
            ("~", "/root"),
            ("~/x", "/root/x"),
            ("x/./y", "/root/x/y"),
            ("/a/../../b", "/b"),
            ("~x", "/root/~x"),
        ] {
            assert_eq!(resolve(given).unwrap(), Path::new(meant), "{given}");
        }
        assert!(resolve("").is_err());
        assert!(resolve("a\0b").is_err());
    }
}
