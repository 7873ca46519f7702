//! Has `cargo build` notice a new file in `migrations/`: they are built into the program.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
