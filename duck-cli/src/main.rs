//! The `duck` command.

fn main() {}
