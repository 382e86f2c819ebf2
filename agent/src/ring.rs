//! The bytes that a program wrote last, of both its streams in their order, each with its offset since the start.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of one stream that follow each other.
struct Run {
    /// The offset behind its last byte.
    end: u64,
    kind: u8,
}

/// What a run costs beside its bytes. It counts, so that streams that take turns byte by byte don't grow the ring.
pub const RUN_COST: usize = size_of::<Run>();

/// A bounded log: what is new pushes out what is old.
#[derive(Default)]
pub struct Ring {
    bytes: VecDeque<u8>,
    runs: VecDeque<Run>,
    end: u64,
}

impl Ring {
    /// The offset of the oldest byte that is kept.
    pub fn start(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// The offset that the next byte will have.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// What it occupies in memory.
    pub fn occupied(&self) -> usize {
        self.bytes.capacity() + self.runs.capacity() * RUN_COST
    }

    /// What the part from an offset on weighs against a limit.
    pub fn weight_from(&self, offset: u64) -> usize {
        let read = self.runs.partition_point(|run| run.end <= offset);
        (self.end - offset.max(self.start())) as usize + (self.runs.len() - read) * RUN_COST
    }

    /// Appends, and drops the oldest so that no more than `most` is held.
    pub fn push(&mut self, kind: u8, data: &[u8], most: usize) {
        self.drop_oldest(most.saturating_sub(data.len() + RUN_COST));
        self.grow(data.len(), most);
        self.bytes.extend(data);
        self.end += data.len() as u64;
        match self.runs.back_mut() {
            Some(run) if run.kind == kind => run.end = self.end,
            _ => self.runs.push_back(Run { end: self.end, kind }),
        }
    }

    fn drop_oldest(&mut self, most: usize) {
        loop {
            let excess = self.weight_from(self.start()).saturating_sub(most);
            if excess == 0 || self.bytes.is_empty() {
                return;
            }
            self.bytes.drain(..excess.min(self.bytes.len()));
            let start = self.start();
            while self.runs.front().is_some_and(|run| run.end <= start) {
                self.runs.pop_front();
            }
        }
    }

    /// Makes room by doubling, but not beyond the limit, as the queue itself would.
    fn grow(&mut self, more: usize, most: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let target = (self.bytes.capacity() * 2).min(most).max(needed);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        if self.bytes.capacity() > most.max(needed) {
            self.bytes.shrink_to(most.max(needed));
        }
    }

    /// Gives back the memory that is not used.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.runs.shrink_to_fit();
    }

    /// At most `most` bytes of one stream from an offset on, as a frame's kind and payload.
    pub fn piece(&self, offset: u64, most: usize) -> Option<(u8, Bytes)> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end <= offset))?;
        let from = usize::try_from(offset.checked_sub(self.start())?).ok()?;
        let length = most.min((run.end - offset) as usize);
        let mut piece = BytesMut::with_capacity(length);
        let (first, second) = self.bytes.as_slices();
        let cut = first.len().clamp(from, from + length);
        if from < first.len() {
            piece.put_slice(&first[from..cut]);
        }
        piece.put_slice(&second[cut.saturating_sub(first.len())..(from + length).saturating_sub(first.len())]);
        Some((run.kind, piece.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(ring: &Ring, mut offset: u64, most: usize) -> Vec<(u8, Vec<u8>)> {
        let mut seen = vec![];
        while let Some((kind, piece)) = ring.piece(offset, most) {
            offset += piece.len() as u64;
            seen.push((kind, piece.to_vec()));
        }
        seen
    }

    #[test]
    fn both_streams_keep_their_order_and_their_offsets() {
        let mut ring = Ring::default();
        for (kind, text) in [(1, "ab"), (1, "c"), (2, "de"), (1, "f")] {
            ring.push(kind, text.as_bytes(), 1000);
        }
        let all = [(1, b"abc".to_vec()), (2, b"de".to_vec()), (1, b"f".to_vec())];
        assert_eq!(pieces(&ring, 0, 10), all);
        assert_eq!(pieces(&ring, 4, 10), [(2, b"e".to_vec()), (1, b"f".to_vec())]);
        assert_eq!(pieces(&ring, 0, 2).len(), 4);
        assert!(ring.piece(6, 10).is_none());
    }

    #[test]
    fn the_oldest_goes_when_the_limit_is_reached() {
        let mut ring = Ring::default();
        let most = 100 + RUN_COST;
        let mut expected = vec![];
        for i in 0..50u8 {
            ring.push(1, &[i; 7], most);
            expected.extend([i; 7]);
            let kept = pieces(&ring, ring.start(), 13).concat_payloads();
            assert_eq!(kept, expected[ring.start() as usize..]);
            assert!(ring.weight_from(0) <= most);
        }
        assert_eq!(ring.end(), 350);
        assert!(ring.start() > 200 && ring.piece(ring.start() - 1, 1).is_none());
    }

    #[test]
    fn streams_that_take_turns_do_not_grow_it() {
        let mut ring = Ring::default();
        for i in 0..10_000u32 {
            ring.push((i % 2) as u8, b"x", 4096);
        }
        assert!(ring.weight_from(0) <= 4096);
        assert!(ring.occupied() <= 3 * 4096, "{}", ring.occupied());
    }

    trait Payloads {
        fn concat_payloads(&self) -> Vec<u8>;
    }
    impl Payloads for Vec<(u8, Vec<u8>)> {
        fn concat_payloads(&self) -> Vec<u8> {
            self.iter().flat_map(|(_, payload)| payload.clone()).collect()
        }
    }
}
