//! What the compiler says about mistakes in views and middleware is an interface: each mistake has its
//! own message. After a change, look at the new ones, then take them over with `TRYBUILD=overwrite`.

#[test]
fn each_mistake_has_its_own_message() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
