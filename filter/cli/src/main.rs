//! The hopspan command.

fn main() {}
