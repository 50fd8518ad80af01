//! The name of a process that runs no Perl, as ps and top show it.
//!
//! ps shows the memory that the kernel has copied the command line into; a title is written over
//! that, and never beyond: `/proc/self/stat` says where it begins and ends. (Not `argv`: whoever
//! assigned to Perl's `$0` has overwritten its strings and cleared its pointers.) Behind it the
//! kernel has put the environment. A title that is longer than the command line was goes on there,
//! and then this process has no environment any more.
//!
//! The price: `std::env::args` is the title from now on. Not here: Perl's processes, whose title is
//! `$0`.

use std::ffi::{CString, c_char};
use std::ops::Range;
use std::{fs, ptr, slice};

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// Calls this process so, from now on. Where that is not possible (no `/proc`), it keeps its name;
/// a title that is too long is cut.
///
/// For a process that has one thread, runs no Perl, and has read what it wants of arguments and
/// environment.
pub fn set(title: &str) {
    if let Ok(name) = CString::new(title) {
        // Of this the kernel keeps 15 bytes. It cannot fail for our own thread.
        let _ = rustix::thread::set_name(&name);
    }
    let Some((arguments, environment)) =
        fs::read_to_string("/proc/self/stat").ok().and_then(|stat| areas(&stat))
    else {
        return;
    };
    if !are_ours(arguments.end.max(environment.end)) {
        return;
    }
    let mut area = arguments.clone();
    // One byte more, for the NUL at its end.
    if area.len() <= title.len() && environment.start == area.end {
        area.end = environment.end;
        forget_environment();
    }
    overwrite(area, title);
}

/// Where arguments and environment are, according to `/proc/self/stat`: fields 48 to 51 (proc(5)).
fn areas(stat: &str) -> Option<(Range<usize>, Range<usize>)> {
    // The second field may hold anything, spaces and parentheses too; behind it stands the third.
    let fields = stat.rsplit_once(") ")?.1;
    let mut fields = fields.split_whitespace().skip(45).map(|field| field.parse::<usize>().ok());
    let mut range = || {
        let (start, end) = (fields.next()??, fields.next()??);
        // The kernel says 0 to those who may not know.
        (start != 0 && start < end).then_some(start..end)
    };
    let arguments = range()?;
    Some((arguments, range().unwrap_or(0..0)))
}

/// Whether the areas that end there are this program's: the kernel puts the name of the program right
/// behind them. Under an emulator, valgrind for one, they are the emulator's.
fn are_ours(end: usize) -> bool {
    let name = rustix::param::linux_execfn().as_ptr().addr();
    name.checked_sub(end).is_some_and(|gap| gap < 4096)
}

fn forget_environment() {
    let empty = Box::leak(Box::new(ptr::null_mut()));
    // SAFETY: `environ` is libc's list of pointers to strings, ended by a null pointer; this one is
    // such a list, of length zero, and leaked, so it is never freed. No other thread reads it
    // meanwhile, for this process has one (the condition of `set`).
    unsafe { environ = ptr::from_mut(empty) };
}

/// Writes the title at the beginning of `area`, and zeros behind it, at least one.
fn overwrite(area: Range<usize>, title: &str) {
    let start: *mut u8 = ptr::with_exposed_provenance_mut(area.start);
    // SAFETY: the kernel made this area when it started this program (`are_ours`), writable and on
    // the stack above all frames, for the texts of arguments and environment; nothing unmaps it. No
    // Rust reference to it exists (std copies what it reads), and no other thread does.
    let area = unsafe { slice::from_raw_parts_mut(start, area.len()) };
    let room = area.len() - 1;
    let written = title.len().min(room);
    area.fill(0);
    area[..written].copy_from_slice(&title.as_bytes()[..written]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_areas_are_found_behind_a_name_with_parentheses() {
        let between = vec!["7"; 45].join(" ");
        let stat = format!("12 (a) b (c) {between} 100 120 120 300 0\n");
        assert_eq!(areas(&stat), Some((100..120, 120..300)));
        let hidden = format!("12 (a) {between} 0 0 0 0 0\n");
        assert_eq!(areas(&hidden), None);
        assert_eq!(areas("12 (a) S 1"), None);
    }

    #[test]
    fn a_title_is_cut_and_always_ended() {
        let mut area = *b"monoceros\0app.psgi\0";
        let at = |area: &mut [u8]| {
            let start = area.as_mut_ptr().expose_provenance();
            start..start + area.len()
        };
        overwrite(at(&mut area), "monoceros: manager and more");
        assert_eq!(&area, b"monoceros: manager\0");
        overwrite(at(&mut area), "x");
        assert_eq!(area, *b"x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}
