//! What can be wrong with a field, in words for the visitor.

use std::fmt;

/// What is wrong with a field. Its `Display` is the English sentence without its subject: "must be
/// a number". No value that was sent is part of it.
///
/// With the feature `forms`, a site says it in its own words, or in another language, with
/// `duck::forms::Wording`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    not(feature = "forms"),
    expect(
        dead_code,
        unreachable_pub,
        reason = "only forms have rules, and `duck::forms` shows this type"
    )
)]
pub enum Problem {
    /// Nothing was entered.
    Required,
    /// The field was not sent.
    Missing,
    /// The type has no such field.
    Unknown,
    /// The field was sent under two of its names.
    Duplicate,
    /// The bytes are not UTF-8, or hold a NUL.
    Unreadable,
    /// The same for the field's name.
    UnreadableName,
    /// A list of a fixed length has another one.
    WrongCount,
    /// The type of the field did not take the text: it is no date, no address, ….
    Invalid,
    /// Not one of an enum's variants.
    Choice,
    /// No whole number.
    WholeNumber,
    /// No number.
    Number,
    /// No `bool`.
    YesOrNo,
    /// A number below what its type can hold.
    TooSmall,
    /// A number above what its type can hold.
    TooLarge,
    /// A file was sent for a field of text.
    Text,
    /// Text was sent for a field with a file.
    File,
    /// Below the `min` of the rule `range`.
    AtLeast(String),
    /// Above the `max` of the rule `range`.
    AtMost(String),
    /// Text below the `min` of the rule `length`.
    TooShort(usize),
    /// Text above the `max` of the rule `length`.
    TooLong(usize),
    /// A list below the `min` of the rule `length`.
    TooFew(usize),
    /// A list above the `max` of the rule `length`, or above what a form may have.
    TooMany(usize),
    /// The rule `email`.
    Email,
    /// The rule `url`.
    Url,
    /// The rule `ip`.
    Ip,
    /// The rule `phone_number`.
    Phone,
    /// The rule `credit_card`.
    Card,
    /// The rule `pattern`.
    Pattern,
    /// The rule `contains`, and what is missing.
    Contains(String),
    /// The rule `prefix`, and what is missing.
    Prefix(String),
    /// The rule `suffix`, and what is missing.
    Suffix(String),
    /// The rule `matches`, and the other field's name.
    Matches(String),
    /// The rule `ascii`.
    Ascii,
    /// The rule `alphanumeric`.
    Alphanumeric,
}

impl Problem {
    /// The sentences that have nothing to fill in.
    fn fixed(&self) -> Option<&'static str> {
        Some(match self {
            Self::Required => "is required",
            Self::Missing => "is missing",
            Self::Unknown => "is not known",
            Self::Duplicate => "comes more than once",
            Self::Unreadable => "is not readable text",
            Self::UnreadableName => "has a name that is not readable text",
            Self::WrongCount => "has the wrong number of values",
            Self::Invalid => "is not valid",
            Self::Choice => "is not one of the choices",
            Self::WholeNumber => "must be a whole number",
            Self::Number => "must be a number",
            Self::YesOrNo => "must be yes or no",
            Self::TooSmall => "is too small",
            Self::TooLarge => "is too large",
            Self::Text => "must be text",
            Self::File => "must be a file",
            Self::Email => "must be an email address",
            Self::Url => "must be a web address",
            Self::Ip => "must be an IP address",
            Self::Phone => "must be a phone number",
            Self::Card => "must be a card number",
            Self::Pattern => "does not have the right form",
            Self::Ascii => "must not have accents or other special characters",
            Self::Alphanumeric => "must be letters and digits only",
            _ => return None,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: &usize| if *count == 1 { "" } else { "s" };
        match self {
            Self::AtLeast(min) => write!(f, "must be at least {min}"),
            Self::AtMost(max) => write!(f, "must be at most {max}"),
            Self::TooShort(min) => write!(f, "must be at least {min} character{}", s(min)),
            Self::TooLong(max) => write!(f, "must be at most {max} character{}", s(max)),
            Self::TooFew(min) => write!(f, "must have at least {min} value{}", s(min)),
            Self::TooMany(max) => write!(f, "must have at most {max} value{}", s(max)),
            Self::Contains(text) => write!(f, "must contain “{text}”"),
            Self::Prefix(text) => write!(f, "must begin with “{text}”"),
            Self::Suffix(text) => write!(f, "must end with “{text}”"),
            Self::Matches(field) => write!(f, "must be the same as {field}"),
            other => f.write_str(other.fixed().unwrap_or("is not valid")),
        }
    }
}
