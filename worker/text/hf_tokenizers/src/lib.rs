//! The tokenizers crate behind the C interface of hf_tokenizers.h.
//!
//! Nothing unwinds into C: every entry point runs under `catch_unwind` and turns a panic into an error message.

use std::ffi::{c_char, c_int, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{ptr, slice, str};

use tokenizers::Tokenizer;

pub struct HfTokenizer(Tokenizer);

#[repr(C)]
pub struct HfIds {
    data: *mut u32,
    size: usize,
}

/// Runs `body`; on an error or a panic stores the message and returns `None`.
///
/// # Safety
/// `error` points to writable memory.
unsafe fn guarded<T>(error: *mut *mut c_char, body: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let message = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(message)) => message,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| text.to_string())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            format!("the tokenizer panicked: {text}")
        }
    };
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    *error = message.into_raw();
    None
}

/// # Safety
/// `data` points to `size` readable bytes, or `size` is 0.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        &[]
    } else {
        slice::from_raw_parts(data, size)
    }
}

/// # Safety
/// As hf_tokenizers.h says.
#[no_mangle]
pub unsafe extern "C" fn hf_tokenizer_new(json: *const u8, size: usize, error: *mut *mut c_char) -> *mut HfTokenizer {
    let json = bytes(json, size);
    guarded(error, || {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| e.to_string())?;
        tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
        tokenizer.with_padding(None);
        Ok(Box::into_raw(Box::new(HfTokenizer(tokenizer))))
    })
    .unwrap_or(ptr::null_mut())
}

/// # Safety
/// As hf_tokenizers.h says.
#[no_mangle]
pub unsafe extern "C" fn hf_tokenizer_free(tokenizer: *mut HfTokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// # Safety
/// As hf_tokenizers.h says.
#[no_mangle]
pub unsafe extern "C" fn hf_tokenizer_encode(
    tokenizer: *const HfTokenizer,
    text: *const u8,
    size: usize,
    ids: *mut HfIds,
    error: *mut *mut c_char,
) -> c_int {
    let text = bytes(text, size);
    let encoded = guarded(error, || {
        let text = str::from_utf8(text).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))?;
        // The fast variant does not track offsets, which nobody here needs.
        let encoding = (*tokenizer).0.encode_fast(text, false).map_err(|e| e.to_string())?;
        Ok(encoding.get_ids().to_vec().into_boxed_slice())
    });
    match encoded {
        Some(encoded) => {
            let size = encoded.len();
            *ids = HfIds { data: Box::into_raw(encoded) as *mut u32, size };
            0
        }
        None => 1,
    }
}

/// # Safety
/// As hf_tokenizers.h says.
#[no_mangle]
pub unsafe extern "C" fn hf_ids_free(ids: HfIds) {
    if !ids.data.is_null() {
        drop(Box::from_raw(ptr::slice_from_raw_parts_mut(ids.data, ids.size)));
    }
}

/// # Safety
/// As hf_tokenizers.h says.
#[no_mangle]
pub unsafe extern "C" fn hf_string_free(text: *mut c_char) {
    if !text.is_null() {
        drop(CString::from_raw(text));
    }
}
