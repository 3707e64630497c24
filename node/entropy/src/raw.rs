//! The only unsafe code of the crate: system calls and instructions that some sources and
//! the fork detection need and the standard library does not offer. Every function here is
//! safe to call; the reason stands at each block.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;

/// Bytes per page that [`Pages`] counts in. Larger hardware pages only make some touches
/// not fault.
pub const PAGE: usize = 4096;

/// A private anonymous mapping, unmapped when dropped.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is owned by this value alone and is plain memory.
unsafe impl Send for Pages {}
// SAFETY: shared references only read (`is_marked`), through a volatile read.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps `count` (at least one) fresh zero pages.
    pub fn map(count: usize) -> io::Result<Pages> {
        let length = count.max(1).checked_mul(PAGE).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no
        // memory that exists; the result is checked before use.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(address.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Pages { start, length })
    }

    /// Writes one byte to page `index`, counted modulo the number of pages.
    pub fn touch(&mut self, index: usize) {
        let offset = index.wrapping_mul(PAGE) % self.length;
        // SAFETY: the offset is below the mapped length, and `&mut self` excludes others.
        unsafe { self.start.as_ptr().add(offset).write_volatile(1) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` obtained, unmapped once.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.length);
        }
    }
}

/// Tells whether this process is still the one that set the mark. The mark is a page the
/// kernel wipes in a forked child (`MADV_WIPEONFORK`, Linux 4.14); where that is refused
/// the process number is compared instead.
#[derive(Debug)]
pub struct ForkMark {
    page: Option<Pages>,
    process: std::sync::atomic::AtomicU32,
}

impl ForkMark {
    #[must_use]
    pub fn new() -> ForkMark {
        let page = Pages::map(1).ok().filter(|page| {
            // SAFETY: the advice concerns exactly the page this value owns.
            let advised = unsafe { libc::madvise(page.start.as_ptr().cast(), page.length, libc::MADV_WIPEONFORK) };
            advised == 0
        });
        let mark = ForkMark { page, process: std::sync::atomic::AtomicU32::new(0) };
        mark.set();
        mark
    }

    /// Claims the mark for this process.
    pub fn set(&self) {
        match &self.page {
            Some(page) => {
                // SAFETY: the page is mapped writable and lives as long as `self`; the byte
                // is only accessed atomically, here and in `holds`.
                let byte = unsafe { &*page.start.as_ptr().cast::<std::sync::atomic::AtomicU8>() };
                byte.store(1, std::sync::atomic::Ordering::Relaxed);
            }
            None => {
                self.process.store(std::process::id(), std::sync::atomic::Ordering::Relaxed);
            }
        }
    }

    #[must_use]
    pub fn holds(&self) -> bool {
        match &self.page {
            Some(page) => {
                // SAFETY: as in `set`.
                let byte = unsafe { &*page.start.as_ptr().cast::<std::sync::atomic::AtomicU8>() };
                byte.load(std::sync::atomic::Ordering::Relaxed) == 1
            }
            None => self.process.load(std::sync::atomic::Ordering::Relaxed) == std::process::id(),
        }
    }
}

/// Runs `work` in a forked child and returns the 32 bytes it wrote.
#[cfg(test)]
pub fn in_forked_child(work: impl FnOnce(&mut [u8]) -> bool) -> Option<[u8; 32]> {
    use std::io::{Read, Write};
    let (mut near, mut far) = std::io::pipe().ok()?;
    // SAFETY: the child only runs `work` and a write, then ends without unwinding or running
    // the parent's destructors.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut out = [0u8; 32];
        let good = work(&mut out) && far.write_all(&out).is_ok();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!good)) }
    }
    drop(far);
    let mut out = [0u8; 32];
    let read = near.read_exact(&mut out);
    // SAFETY: waits for the child made above; a null status pointer is allowed.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    read.ok().map(|()| out)
}

/// Whether [`flush`] does anything on this architecture.
pub const HAS_FLUSH: bool = cfg!(target_arch = "x86_64");

/// Flushes the line of `byte` from all caches and waits until it is done.
pub fn flush(byte: &u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: clflush and mfence are part of every x86-64 processor; the address is valid.
    unsafe {
        std::arch::x86_64::_mm_clflush(std::ptr::from_ref(byte));
        std::arch::x86_64::_mm_mfence();
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::hint::black_box(byte);
}

/// Reads `byte` from memory, never from a register.
#[must_use]
pub fn reload(byte: &u8) -> u8 {
    // SAFETY: a reference is valid for reads.
    unsafe { std::ptr::from_ref(byte).read_volatile() }
}

/// Tries before a processor generator counts as failed (Intel's guide says ten for RDRAND;
/// RDSEED may be drained by other cores).
#[cfg(target_arch = "x86_64")]
const TRIES: u32 = 100;

#[must_use]
pub fn has_rdrand() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("rdrand");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[must_use]
pub fn has_rdseed() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("rdseed");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// One word of RDRAND; `None` where there is none or it fails.
#[must_use]
pub fn rdrand() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    if has_rdrand() {
        let mut word = 0;
        for _ in 0..TRIES {
            // SAFETY: the processor has the instruction, as just checked.
            if unsafe { std::arch::x86_64::_rdrand64_step(&mut word) } == 1 {
                return Some(word);
            }
        }
    }
    None
}

/// One word of RDSEED; `None` where there is none or it fails.
#[must_use]
pub fn rdseed() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    if has_rdseed() {
        let mut word = 0;
        for _ in 0..TRIES {
            // SAFETY: the processor has the instruction, as just checked.
            if unsafe { std::arch::x86_64::_rdseed64_step(&mut word) } == 1 {
                return Some(word);
            }
            std::hint::spin_loop();
        }
    }
    None
}

/// Opens and closes the C library through the dynamic loader; false where there is none.
#[must_use]
pub fn reopen_c_library() -> bool {
    // SAFETY: the name is a terminated string; RTLD_NOLOAD only takes a further reference to
    // a library that is in the process already, so no code of it runs, and it is given back.
    unsafe {
        let handle = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        !handle.is_null() && libc::dlclose(handle) == 0
    }
}
