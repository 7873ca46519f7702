//! The example.

fn main() {}
