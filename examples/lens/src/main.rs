//! lens.

fn main() {}
