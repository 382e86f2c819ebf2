//! Files: read, written, listed, made and removed. What blocks runs in threads of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use crate::body::next_piece;
use crate::entry::{Entry, Names};
use crate::failure::{Code, Failure};

/// The pieces of a file on their way.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;

const PIECE: usize = 128 * 1024;
const WAITING_PIECES: usize = 4;
const MOST_ENTRIES: usize = 100_000;

/// Runs what may block.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::new(Code::Io, error.to_string())))
}

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

fn about(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::of(&error, &path.to_string_lossy())
}

/// Opens a file; its content comes in pieces. The size is known of what lies on a disk.
pub async fn read(path: PathBuf) -> Result<(Option<u64>, Pieces), Failure> {
    let (opened, told) = oneshot::channel();
    let (pieces, content) = mpsc::channel(WAITING_PIECES);
    spawn_blocking(move || {
        let (file, size) = match open(&path) {
            Ok(open) => open,
            Err(failure) => return drop(opened.send(Err(failure))),
        };
        if opened.send(Ok(size)).is_ok() {
            send(file, size, &pieces);
        }
    });
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

/// What the thread that writes is told.
enum Word {
    Piece(Bytes),
    End,
}

/// Writes a file whole or not at all: a request that breaks off leaves what was there.
pub async fn write(path: PathBuf, mut body: Incoming) -> Result<(), Failure> {
    let (pieces, mut content) = mpsc::channel(WAITING_PIECES);
    let writing = spawn_blocking(move || {
        let mut target = Target::create(&path)?;
        loop {
            match content.blocking_recv() {
                Some(Word::Piece(piece)) => target.file.write_all(&piece).map_err(about(&path))?,
                Some(Word::End) => return target.finish().map_err(about(&path)),
                None => return Err(Failure::invalid("The request broke off.")),
            }
        }
    });
    loop {
        let word = match next_piece(&mut body).await {
            Some(Ok(piece)) => Word::Piece(piece),
            None => Word::End,
            Some(Err(_)) => break,
        };
        let is_end = matches!(word, Word::End);
        // When the thread has given up already, it says why.
        if pieces.send(word).await.is_err() || is_end {
            break;
        }
    }
    drop(pieces);
    writing.await.unwrap_or_else(|error| Err(Failure::new(Code::Io, error.to_string())))
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
        fs::create_dir_all(parent).map_err(|error| match error.kind() {
            // A file in the place of a parent.
            io::ErrorKind::AlreadyExists => {
                Failure::of(&io::Error::from_raw_os_error(libc::ENOTDIR), &parent.to_string_lossy())
            }
            _ => Failure::of(&error, &parent.to_string_lossy()),
        })?;
        let mut random = [0; 8];
        // SAFETY: the buffer is valid for its length.
        unsafe { libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0) };
        let beside = parent.join(format!(".wrenn-{:016x}", u64::from_ne_bytes(random)));
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
    let found = fs::symlink_metadata(path).map_err(about(path))?;
    if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(about(path))
}

pub fn stat(path: &Path) -> Result<Entry, Failure> {
    let found = fs::symlink_metadata(path).map_err(about(path))?;
    Ok(Entry::new(path, &found, &Names::load()))
}

/// Makes a directory and its parents.
pub fn make_dir(path: &Path) -> Result<Entry, Failure> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::of(&io::Error::from_raw_os_error(libc::ENOTDIR), &parent.to_string_lossy())
            }
            _ => Failure::of(&error, &parent.to_string_lossy()),
        })?;
    }
    fs::create_dir(path).map_err(about(path))?;
    stat(path)
}

/// The entries of a directory, to `depth` levels, sorted by path. Links are not followed.
pub fn list(path: &Path, depth: u32) -> Result<Vec<Entry>, Failure> {
    let names = Names::load();
    let mut entries = vec![];
    collect(path, depth.max(1), &names, &mut entries)?;
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn collect(path: &Path, depth: u32, names: &Names, into: &mut Vec<(PathBuf, Entry)>) -> Result<(), Failure> {
    for item in fs::read_dir(path).map_err(about(path))? {
        let item = item.map_err(about(path))?;
        let below = item.path();
        // What vanishes meanwhile is not there.
        let Ok(found) = fs::symlink_metadata(&below) else { continue };
        if into.len() == MOST_ENTRIES {
            return Err(Failure::new(Code::TooLarge, format!("There are more than {MOST_ENTRIES} entries.")));
        }
        let is_dir = found.is_dir();
        into.push((below.clone(), Entry::new(&below, &found, names)));
        if is_dir && depth > 1 {
            collect(&below, depth - 1, names, into)?;
        }
    }
    Ok(())
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
