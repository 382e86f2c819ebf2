//! The headers of a tar archive: ustar, with pax records or GNU's extensions where that is too small.

/// Archives are made of blocks.
pub const BLOCK: usize = 512;
const LONGEST_NAME: usize = 100;
/// The first size that eleven octal digits don't hold.
const TOO_LARGE: u64 = 1 << 33;

pub const FILE: u8 = b'0';
pub const HARD_LINK: u8 = b'1';
pub const SYMLINK: u8 = b'2';
pub const DIRECTORY: u8 = b'5';
pub const PAX: u8 = b'x';

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub kind: u8,
    pub size: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: u64,
}

impl Header {
    /// The blocks that begin an entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut records = vec![];
        for (key, value) in [("path", &self.name), ("linkpath", &self.link)] {
            if value.len() > LONGEST_NAME {
                records.extend(record(key, value));
            }
        }
        if self.size >= TOO_LARGE {
            records.extend(record("size", self.size.to_string().as_bytes()));
        }
        let mut blocks = vec![];
        if !records.is_empty() {
            let pax =
                Header { name: b"PaxHeader".to_vec(), kind: PAX, size: records.len() as u64, ..Header::default() };
            blocks.extend(pax.block());
            blocks.extend(&records);
            blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        }
        blocks.extend(self.block());
        blocks
    }

    fn block(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put(&mut block[0..100], &self.name);
        put_number(&mut block[100..108], self.mode.into());
        put_number(&mut block[108..116], self.uid.into());
        put_number(&mut block[116..124], self.gid.into());
        put_number(&mut block[124..136], self.size);
        put_number(&mut block[136..148], self.mtime);
        block[156] = self.kind;
        put(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum = format!("{:06o}\0 ", checksum(&block));
        block[148..156].copy_from_slice(sum.as_bytes());
        block
    }

    /// Reads a header's block; `None` when it is not one.
    pub fn decode(block: &[u8; BLOCK]) -> Option<Header> {
        if number(&block[148..156])? != u64::from(checksum(block)) {
            return None;
        }
        let mut name = text(&block[0..100]).to_vec();
        let prefix = text(&block[345..500]);
        // GNU's own format has something else in that place, and a space behind its magic.
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let mut kind = block[156];
        if matches!(kind, 0 | b'7') {
            kind = if name.ends_with(b"/") { DIRECTORY } else { FILE };
        }
        Some(Header {
            name,
            link: text(&block[157..257]).to_vec(),
            kind,
            size: number(&block[124..136])?,
            mode: number(&block[100..108])? as u32 & 0o7777,
            uid: number(&block[108..116])? as u32,
            gid: number(&block[116..124])? as u32,
            // Before 1970 is as good as then.
            mtime: number(&block[136..148]).unwrap_or(0),
        })
    }

    /// Takes over what pax records say; `None` when they are none.
    pub fn apply(&mut self, mut records: &[u8]) -> Option<()> {
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ')?;
            let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
            let line = records.get(space + 1..length)?.strip_suffix(b"\n")?;
            records = &records[length..];
            let equals = line.iter().position(|byte| *byte == b'=')?;
            let value = &line[equals + 1..];
            let whole = || std::str::from_utf8(value).ok()?.split('.').next()?.parse::<u64>().ok();
            match &line[..equals] {
                b"path" => self.name = value.to_vec(),
                b"linkpath" => self.link = value.to_vec(),
                b"size" => self.size = whole()?,
                b"uid" => self.uid = u32::try_from(whole()?).ok()?,
                b"gid" => self.gid = u32::try_from(whole()?).ok()?,
                b"mtime" => self.mtime = whole().unwrap_or(0),
                _ => {}
            }
        }
        Some(())
    }
}

/// `length key=value\n`, where the length counts its own digits.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// The sum of all bytes, with its own place counted as spaces.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

/// In octal digits, or in binary where there aren't enough of them.
fn put_number(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let octal = format!("{value:0width$o}");
    if octal.len() == width {
        return put(field, octal.as_bytes());
    }
    let binary = value.to_be_bytes();
    // The lower bytes, where the field is that narrow.
    let start = field.len().saturating_sub(binary.len());
    let skipped = binary.len() - (field.len() - start);
    field[start..].copy_from_slice(&binary[skipped..]);
    field[0] |= 0x80;
}

fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let mut value: u64 = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            value = value.checked_mul(256)? | u64::from(*byte);
        }
        return Some(value);
    }
    let digits = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let name = b"some/file".to_vec();
        Header {
            name,
            kind: FILE,
            size: 12345,
            mode: 0o644,
            uid: 1000,
            gid: 4_000_000,
            mtime: 1_700_000_000,
            link: vec![],
        }
    }

    fn last_block(bytes: &[u8]) -> &[u8; BLOCK] {
        bytes[bytes.len() - BLOCK..].try_into().unwrap()
    }

    #[test]
    fn a_header_reads_as_it_was_written() {
        assert_eq!(Header::decode(last_block(&header().encode())), Some(header()));
        let mut broken = header().encode();
        broken[0] ^= 1;
        assert_eq!(Header::decode(last_block(&broken)), None);
        assert_eq!(Header::decode(&[0xff; BLOCK]), None);
    }

    #[test]
    fn what_a_header_does_not_hold_is_in_the_records_before_it() {
        for length in [101, 5000] {
            let long = Header { name: vec![b'n'; length], link: vec![b'l'; 300], size: 1 << 40, ..header() };
            let bytes = long.encode();
            let pax = Header::decode(bytes[..BLOCK].try_into().unwrap()).unwrap();
            let mut read = Header::decode(last_block(&bytes)).unwrap();
            assert_eq!((pax.kind, read.size), (PAX, 1 << 40));
            read.apply(&bytes[BLOCK..BLOCK + pax.size as usize]).unwrap();
            assert_eq!(read, long);
        }
    }

    #[test]
    fn a_record_counts_itself() {
        for length in [1, 90, 91, 92, 93, 988, 989, 990, 991] {
            let record = record("path", &vec![b'x'; length]);
            let told: usize = String::from_utf8_lossy(&record).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(told, record.len());
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for broken in [
            "x",
            "5 a=b",
            "99 path=a\n",
            "0 path=a\n",
            "3 \n",
            "11 pathabcd\n",
            "12 size=abcd\n",
            "18446744073709551615 a=b\n",
        ] {
            assert_eq!(header().apply(broken.as_bytes()), None, "{broken}");
        }
    }
}
