//! What the page calls: `push` for each byte of a question, `answer` once, and `at` for each byte
//! of what that says. `page/explain.js` is the other side.

#![expect(unsafe_code, reason = "the names of exports; no unsafe block is in this file")]

use std::cell::RefCell;

thread_local! {
    /// A question as it comes in, then its answer.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Takes the next byte of a question.
#[unsafe(no_mangle)]
pub extern "C" fn push(byte: u8) {
    TEXT.with_borrow_mut(|text| text.push(byte));
}

/// Answers the question that was pushed, and says how many bytes the answer has.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> usize {
    TEXT.with_borrow_mut(|text| {
        *text = crate::answer(text);
        text.len()
    })
}

/// A byte of the answer; 0 behind its end.
#[unsafe(no_mangle)]
pub extern "C" fn at(index: usize) -> u8 {
    TEXT.with_borrow(|text| text.get(index).copied().unwrap_or_default())
}
