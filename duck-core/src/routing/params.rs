//! The values of a path's parameters, and the types they can be read as.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::ops::Range;
use std::str::FromStr;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::routing::encoding;

/// How many parameters fit without an allocation.
const INLINE: usize = 4;

/// Where in the path each parameter's value stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(SmallVec<[(u16, u16); INLINE]>);

impl Params {
    /// Adds the next parameter. A path is at most 65,534 bytes long: hyper's limit for a URI.
    pub(crate) fn push(&mut self, range: &Range<usize>) {
        self.0.push((clamp(range.start), clamp(range.end)));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The undecoded value of parameter `index` in `path`.
    pub(crate) fn raw<'a>(&self, path: &'a str, index: usize) -> Option<&'a str> {
        let (start, end) = self.0.get(index)?;
        path.get(usize::from(*start)..usize::from(*end))
    }
}

fn clamp(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// A type that a path parameter can be read as.
///
/// Text that the type cannot read makes the request a 404: there is no such page. Integers,
/// floats, `bool`, `char`, `String`, [`Uuid`] and IP addresses are there; wrap any other type that
/// implements [`FromStr`] in [`Param`], or implement this trait for your own.
///
/// ```
/// use duck::routing::FromParam;
///
/// struct Year(u16);
///
/// impl FromParam for Year {
///     fn from_param(value: &str) -> Option<Self> {
///         value.parse().ok().filter(|year| (1900..2100).contains(year)).map(Year)
///     }
/// }
///
/// assert!(Year::from_param("2026").is_some());
/// assert!(Year::from_param("1066").is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a path parameter",
    label = "not a type for a path parameter",
    note = "numbers, `bool`, `char`, `String`, `Uuid` and IP addresses can be",
    note = "wrap another type that implements `FromStr` as `Param<{Self}>`, or implement `FromParam` for it"
)]
pub trait FromParam: Sized {
    /// Reads the decoded value, or says `None` for "no such page".
    fn from_param(value: &str) -> Option<Self>;
}

macro_rules! from_param_by_from_str {
    ($($type:ty),* $(,)?) => {
        $(impl FromParam for $type {
            fn from_param(value: &str) -> Option<Self> {
                value.parse().ok()
            }
        })*
    };
}

from_param_by_from_str!(
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    f32,
    f64,
    bool,
    char,
    String,
    Uuid,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    NonZero<u32>,
    NonZero<u64>,
);

/// A path parameter of any type that implements [`FromStr`].
///
/// ```
/// use duck::routing::{FromParam, Param};
/// use std::net::SocketAddr;
///
/// let Param(address) = Param::<SocketAddr>::from_param("127.0.0.1:80").unwrap();
/// assert_eq!(address.port(), 80);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<T>(pub T);

impl<T: FromStr> FromParam for Param<T> {
    fn from_param(value: &str) -> Option<Self> {
        value.parse().ok().map(Param)
    }
}

/// The further arguments of a view, read from the path's parameters in their order.
///
/// Implemented for up to eight arguments that are [`FromParam`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the path's parameters",
    note = "a view takes the request and up to eight arguments that implement `FromParam`"
)]
pub trait FromParams: Sized + Send + 'static {
    /// How many parameters the path must have at least.
    #[doc(hidden)]
    const COUNT: usize;

    #[doc(hidden)]
    fn from_params(values: &Values<'_>) -> Option<Self>;
}

/// The parameters of one request, for [`FromParams`].
#[doc(hidden)]
pub struct Values<'a> {
    pub(crate) path: &'a str,
    pub(crate) params: &'a Params,
}

impl Values<'_> {
    fn read<T: FromParam>(&self, index: usize) -> Option<T> {
        T::from_param(&encoding::decode(self.params.raw(self.path, index)?)?)
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries((0..self.params.len()).map(|index| self.params.raw(self.path, index)))
            .finish()
    }
}

macro_rules! from_params_for_tuple {
    ($count:literal: $($type:ident $index:literal),*) => {
        impl<$($type: FromParam + Send + 'static),*> FromParams for ($($type,)*) {
            const COUNT: usize = $count;

            fn from_params(values: &Values<'_>) -> Option<Self> {
                let _ = values;
                Some(($(values.read::<$type>($index)?,)*))
            }
        }
    };
}

from_params_for_tuple!(0:);
from_params_for_tuple!(1: A 0);
from_params_for_tuple!(2: A 0, B 1);
from_params_for_tuple!(3: A 0, B 1, C 2);
from_params_for_tuple!(4: A 0, B 1, C 2, D 3);
from_params_for_tuple!(5: A 0, B 1, C 2, D 3, E 4);
from_params_for_tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
from_params_for_tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
from_params_for_tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
