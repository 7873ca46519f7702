//! What the compiler says about mistakes in views and middleware is an interface: each mistake has its
//! own message. After a change, look at the new ones, then take them over with `TRYBUILD=overwrite`.

#[test]
fn each_mistake_has_its_own_message() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    #[cfg(feature = "auth")]
    cases.compile_fail("tests/ui/auth/*.rs");
    #[cfg(feature = "websocket")]
    cases.compile_fail("tests/ui/websocket/*.rs");
}
