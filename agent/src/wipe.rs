//! Memory that is given back is wiped. What passes through the agent (the environment of a program, what is typed) must not
//! stand in a later snapshot, and there it would: nothing else writes over what was freed.

use std::alloc::{GlobalAlloc, Layout, System};

pub struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

/// Overwrites, also where nobody will read it any more.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: the slice is valid for its length.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast(), bytes.len()) };
}

// SAFETY: all is passed on to the system's allocator; only what is about to be given back is written.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe {
            libc::explicit_bzero(ptr.cast(), layout.size());
            System.dealloc(ptr, layout);
        }
    }

    /// Never in place: what the system moves it leaves behind as it was.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        unsafe {
            let new = System.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(ptr, new, layout.size().min(new_size));
                self.dealloc(ptr, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_or_moved_is_wiped() {
        let layout = Layout::from_size_align(200_000, 8).unwrap();
        // SAFETY: the memory is looked at after it was given back, while it is still mapped: the second block keeps the
        // heap from being made smaller. Only whether our bytes are there is asked.
        unsafe {
            let small = Layout::from_size_align(64, 8).unwrap();
            let block = Wiping.alloc(small);
            block.write_bytes(0xa5, 64);
            let moved = Wiping.realloc(block, small, 4096);
            assert_eq!(std::slice::from_raw_parts(moved, 64), [0xa5; 64]);
            let left = std::slice::from_raw_parts(std::hint::black_box(block), 64);
            assert!(left.iter().filter(|byte| **byte == 0xa5).count() < 16);
            Wiping.dealloc(moved, Layout::from_size_align(4096, 8).unwrap());
            let large = Wiping.alloc_zeroed(layout);
            assert!(std::slice::from_raw_parts(large, 200_000).iter().all(|byte| *byte == 0));
            Wiping.dealloc(large, layout);
        }
        let mut bytes = *b"secret";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 6]);
    }
}
