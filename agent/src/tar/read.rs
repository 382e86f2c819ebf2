//! Reads an archive entry by entry.

use std::io::{self, Read};

use super::header::{BLOCK, Header, PAX};
use crate::failure::Failure;

/// Names and records are held in memory; longer ones are refused.
const LONGEST_EXTENSION: u64 = 64 * 1024;
const LONG_NAME: u8 = b'L';
const LONG_LINK: u8 = b'K';
const SPARSE: u8 = b'S';

pub struct Archive<R> {
    source: R,
    /// What of the current entry's content hasn't been read, and the padding behind it.
    left: u64,
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub fn new(source: R) -> Self {
        Archive { source, left: 0, padding: 0 }
    }

    /// The next entry's header; `None` at the end. What has not been read of the current one is passed over.
    pub fn next(&mut self) -> Result<Option<Header>, Failure> {
        let (mut name, mut link, mut records) = (None, None, vec![]);
        loop {
            self.pass_over()?;
            let mut block = [0; BLOCK];
            self.source.read_exact(&mut block).map_err(broken)?;
            if block == [0; BLOCK] {
                io::copy(&mut self.source, &mut io::sink()).map_err(broken)?;
                return Ok(None);
            }
            let mut header = Header::decode(&block)
                .ok_or_else(|| Failure::invalid("The archive has no header where one must be."))?;
            self.begin(header.size);
            match header.kind {
                LONG_NAME => name = Some(self.extension()?),
                LONG_LINK => link = Some(self.extension()?),
                PAX => records = self.extension()?,
                SPARSE => return Err(Failure::invalid("The archive holds sparse files in a form that isn't read.")),
                _ => {
                    header.name = name.unwrap_or(header.name);
                    header.link = link.unwrap_or(header.link);
                    header.apply(&records).ok_or_else(|| Failure::invalid("The archive's pax records are broken."))?;
                    // The records may say another size.
                    self.begin(header.size);
                    return Ok(Some(header));
                }
            }
        }
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn pass_over(&mut self) -> Result<(), Failure> {
        for length in [std::mem::take(&mut self.left), std::mem::take(&mut self.padding)] {
            let passed = io::copy(&mut (&mut self.source).take(length), &mut io::sink()).map_err(broken)?;
            if passed < length {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(())
    }

    /// The content of an entry that is about the next one.
    fn extension(&mut self) -> Result<Vec<u8>, Failure> {
        if self.left > LONGEST_EXTENSION {
            return Err(Failure::invalid("The archive has a name that is too long."));
        }
        let mut content = vec![0; self.left as usize];
        self.source.read_exact(&mut content).map_err(broken)?;
        self.left = 0;
        // GNU's names end in NUL; records don't.
        if content.last() == Some(&0) {
            content.pop();
        }
        Ok(content)
    }
}

/// The content of the current entry.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let n = self.source.read(&mut into[..most])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// The failure when the archive doesn't go on.
pub fn broken(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::invalid("The archive ends before its end."),
        _ => Failure::invalid("The request broke off."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::FILE;
    use super::*;

    fn entry(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
        let header = Header { name: name.to_vec(), kind, size: content.len() as u64, ..Header::default() };
        let mut bytes = header.encode();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    #[test]
    fn entries_are_read_in_turn_with_their_long_names() {
        let mut bytes = entry(b"skipped", FILE, &[7; 1000]);
        bytes.extend(entry(b"././@LongLink", LONG_NAME, &[vec![b'g'; 200], vec![0]].concat()));
        bytes.extend(entry(b"short", FILE, b"content"));
        bytes.extend(entry(&[b'p'; 150], FILE, b""));
        bytes.resize(bytes.len() + 10240, 0);
        let mut archive = Archive::new(bytes.as_slice());
        assert_eq!(archive.next().unwrap().unwrap().name, b"skipped");
        assert_eq!(archive.next().unwrap().unwrap().name, [b'g'; 200]);
        let mut content = String::new();
        archive.read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
        assert_eq!(archive.next().unwrap().unwrap().name, [b'p'; 150]);
        assert_eq!(archive.next().unwrap(), None);
    }

    #[test]
    fn what_breaks_off_or_is_no_archive_is_refused() {
        let whole = entry(b"file", FILE, &[7; 1000]);
        for cut in [0, 100, 512, 1000, 1530, 1536] {
            let mut archive = Archive::new(&whole[..cut]);
            let result = archive.next().and_then(|_| archive.next());
            assert!(result.is_err(), "{cut}");
        }
        assert!(Archive::new([b'x'; 2048].as_slice()).next().is_err());
        let huge = Header { kind: LONG_NAME, size: 1 << 60, ..Header::default() };
        assert!(Archive::new(huge.block_for_test().as_slice()).next().is_err());
    }

    impl Header {
        fn block_for_test(&self) -> Vec<u8> {
            let bytes = self.encode();
            bytes[bytes.len() - BLOCK..].to_vec()
        }
    }
}
