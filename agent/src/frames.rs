//! The frames of an exec: type (1 byte), length (4 bytes, big endian), payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub const START: u8 = 0x01;
pub const STDIN: u8 = 0x02;
pub const STDIN_END: u8 = 0x03;
pub const SIGNAL: u8 = 0x04;
pub const RESIZE: u8 = 0x05;
pub const STARTED: u8 = 0x81;
pub const STDOUT: u8 = 0x82;
pub const STDERR: u8 = 0x83;
pub const EXITED: u8 = 0x84;
pub const POSITION: u8 = 0x85;

const HEADER: usize = 5;
/// The longest payload that is taken; a start carries arguments and environment.
const LONGEST: usize = 4 << 20;

pub fn encode(kind: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER + payload.len());
    frame.put_u8(kind);
    frame.put_u32(payload.len() as u32);
    frame.put_slice(payload);
    frame.freeze()
}

/// Cuts bytes into frames.
#[derive(Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. An error is a frame that is too long.
    pub fn next(&mut self) -> Result<Option<(u8, Bytes)>, ()> {
        if self.buffer.len() < HEADER {
            return Ok(None);
        }
        let length = u32::from_be_bytes([self.buffer[1], self.buffer[2], self.buffer[3], self.buffer[4]]) as usize;
        if length > LONGEST {
            return Err(());
        }
        if self.buffer.len() < HEADER + length {
            return Ok(None);
        }
        let kind = self.buffer.get_u8();
        self.buffer.advance(HEADER - 1);
        Ok(Some((kind, self.buffer.split_to(length).freeze())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let whole = [encode(START, b"one"), encode(STDIN, b""), encode(STDIN_END, b"three")].concat();
        let mut decoder = Decoder::default();
        let mut seen = vec![];
        for byte in whole {
            decoder.push(&[byte]);
            while let Ok(Some(frame)) = decoder.next() {
                seen.push(frame);
            }
        }
        let expected: [(u8, &[u8]); 3] = [(START, b"one"), (STDIN, b""), (STDIN_END, b"three")];
        assert_eq!(seen, expected.map(|(kind, payload)| (kind, Bytes::copy_from_slice(payload))));
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused() {
        let mut decoder = Decoder::default();
        decoder.push(&[STDIN, 0xff, 0xff, 0xff, 0xff]);
        assert!(decoder.next().is_err());
    }
}
