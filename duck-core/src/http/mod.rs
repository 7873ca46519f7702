//! What HTTP says, as types.

pub(crate) mod authority;
pub(crate) mod origin;
