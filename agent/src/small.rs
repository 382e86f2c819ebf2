//! Small files of the system. What the users of a capsule put in their place may wait for ever or never end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

/// Longer ones are cut.
const MOST: u64 = 1 << 20;

/// Reads a text; other files than regular ones are refused.
pub fn read(path: &str) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = vec![];
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens to write without waiting, and without making it.
pub fn open_to_write(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Replaces a text, in place: a file that is emptied first gives up its place on the disk and has to find another, which
/// costs many times what the writing does.
pub fn write(path: &str, text: &str) -> io::Result<()> {
    let options = OpenOptions::new().write(true).create(true).truncate(false).custom_flags(libc::O_NONBLOCK).open(path);
    let mut file = options?;
    file.write_all(text.as_bytes())?;
    let length = text.len() as u64;
    if file.metadata()?.len() > length { file.set_len(length) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_or_never_ends_is_refused() {
        assert!(read("/dev/zero").is_err());
        assert!(read("/proc/version").unwrap().starts_with("Linux"));
        let pipe = std::env::temp_dir().join(format!("wrenn-small-{}", std::process::id()));
        let path = pipe.to_str().unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        assert!(read(path).is_err() && write(path, "x").is_err() && open_to_write(path).is_err());
        std::fs::remove_file(path).unwrap();
        write(path, "longer").and_then(|()| write(path, "text")).unwrap();
        assert_eq!(read(path).unwrap(), "text");
        std::fs::remove_file(path).unwrap();
    }
}
