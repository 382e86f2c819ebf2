//! Sends what lies on a disk as an archive.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::header::{BLOCK, DIRECTORY, FILE, Header, SYMLINK};
use crate::failure::Failure;
use crate::files::{Pieces, about};
use crate::pool;
use crate::tree::Walk;

const PIECE: usize = 128 * 1024;
const WAITING_PIECES: usize = 4;

/// Opens a directory or a file; the archive comes in pieces.
pub async fn pack(path: PathBuf) -> Result<Pieces, Failure> {
    let top = path.clone();
    let walk = pool::blocking(move || {
        let found = fs::metadata(&top).map_err(about(&top))?;
        match (found.is_dir(), found.is_file()) {
            (true, _) => Walk::new(&top).map(Some).map_err(about(&top)),
            (_, true) => Ok(None),
            _ => Err(Failure::invalid(format!("{} is neither a file nor a directory.", top.display()))),
        }
    })
    .await?;
    let (pieces, content) = mpsc::channel(WAITING_PIECES);
    pool::run(move || {
        let mut sink = Sink { buffer: Vec::with_capacity(PIECE), pieces };
        let sent = match walk {
            Some(walk) => send_all(&path, walk, &mut sink),
            None => send_file(&path, name_of(&path), &mut sink),
        };
        let ended = sent.and_then(|()| sink.write_all(&[0; 2 * BLOCK])).and_then(|()| sink.flush());
        if let Err(error) = ended {
            let _ = sink.pieces.blocking_send(Err(error));
        }
    })
    .await?;
    Ok(content)
}

fn name_of(path: &Path) -> Vec<u8> {
    path.file_name().unwrap_or_default().as_bytes().to_vec()
}

fn send_all(top: &Path, walk: Walk, sink: &mut Sink) -> io::Result<()> {
    for item in walk {
        let (below, found) = item?;
        let (path, mut name) = (top.join(&below), below.as_os_str().as_bytes().to_vec());
        let kind = found.file_type();
        if kind.is_dir() {
            name.push(b'/');
            sink.write_all(&header(name, DIRECTORY, &found).encode())?;
        } else if kind.is_symlink() {
            let Ok(target) = fs::read_link(&path) else { continue };
            let link = target.into_os_string().as_encoded_bytes().to_vec();
            sink.write_all(&Header { link, ..header(name, SYMLINK, &found) }.encode())?;
        } else if kind.is_file() {
            match send_file(&path, name, sink) {
                // It vanished meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
    }
    Ok(())
}

fn header(name: Vec<u8>, kind: u8, found: &Metadata) -> Header {
    Header {
        name,
        kind,
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        mtime: found.mtime().try_into().unwrap_or(0),
        ..Header::default()
    }
}

fn send_file(path: &Path, name: Vec<u8>, sink: &mut Sink) -> io::Result<()> {
    // Without waiting: what was a file may be a pipe by now.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(());
    }
    let size = found.len();
    sink.write_all(&Header { size, ..header(name, FILE, &found) }.encode())?;
    // A file that grows meanwhile is read to the size that was promised; one that shrinks cannot be made up for.
    if sink.take_from(&mut file.take(size))? < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    sink.write_all(&[0; BLOCK][..(size.next_multiple_of(BLOCK as u64) - size) as usize])
}

/// Collects what is written to pieces, and waits while nobody takes them.
struct Sink {
    buffer: Vec<u8>,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Sink {
    /// Copies without a buffer between.
    fn take_from(&mut self, file: &mut io::Take<File>) -> io::Result<u64> {
        let mut taken = 0;
        loop {
            let before = self.buffer.len();
            self.buffer.resize(PIECE, 0);
            let read = file.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Ok(taken),
                Ok(n) => taken += n as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.buffer.len() == PIECE {
                self.flush()?;
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = data.len().min(PIECE - self.buffer.len());
        self.buffer.extend(&data[..n]);
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.pieces.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
