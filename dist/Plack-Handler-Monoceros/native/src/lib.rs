//! What perl loads for `plackup -s Monoceros`: one exported symbol, one call inward.
#![expect(non_snake_case, reason = "XSLoader derives the library's name from the package's")]
use std::ffi::c_void;

/// What XSLoader calls.
///
/// # Safety
///
/// Only perl may call it, with its interpreter and the XSUB's own value.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn boot_Plack__Handler__Monoceros(
    _perl: *mut c_void,
    _cv: *mut c_void,
) {
}
