//! The rules of garde, said for visitors.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;

use garde::i18n::{I18n, InvalidCreditCard, InvalidEmail, InvalidPhoneNumber, InvalidUrl, IpKind};

use super::form_type::FormType;
use super::shape::{Kind, Shape};
use super::wording::Words;
use crate::http::fields::Problem;

/// What the rules find, by the names of the fields.
pub(super) fn check<T: FormType>(
    value: &T,
    shape: &Shape,
    words: &Words<'_>,
) -> Vec<(String, String)> {
    let speaker = Speaker {
        words,
        lengths: RefCell::default(),
    };
    let Err(report) = garde::with_i18n(&speaker, || value.validate()) else {
        return Vec::new();
    };
    let said = report.iter().map(|(field, error)| {
        let field = field.to_string();
        let message = speaker.fitting(shape, &field, error.message());
        (field, message)
    });
    said.collect()
}

/// Says what the rules find in the site's words.
struct Speaker<'a> {
    words: &'a Words<'a>,
    /// What was said of lengths. Only the name of the field says whether that is a list's.
    lengths: RefCell<Vec<(String, Problem)>>,
}

impl Speaker<'_> {
    fn say(&self, problem: &Problem) -> Cow<'static, str> {
        self.words.say(problem).into()
    }

    fn say_length(&self, problem: Problem) -> Cow<'static, str> {
        let said = self.words.say(&problem);
        self.lengths.borrow_mut().push((said.clone(), problem));
        said.into()
    }

    fn fitting(&self, shape: &Shape, field: &str, message: &str) -> String {
        let lengths = self.lengths.borrow();
        let length = lengths.iter().find(|(said, _)| said == message);
        let is_list = || {
            let field = shape.find(field);
            field.is_some_and(|field| matches!(field.kind, Kind::List(_)))
        };
        match length {
            Some((_, Problem::TooShort(min))) if is_list() => {
                self.words.say(&Problem::TooFew(*min))
            }
            Some((_, Problem::TooLong(max))) if is_list() => {
                self.words.say(&Problem::TooMany(*max))
            }
            _ => message.to_owned(),
        }
    }
}

impl I18n for Speaker<'_> {
    fn length_lower_than(&self, min: usize) -> Cow<'static, str> {
        self.say_length(Problem::TooShort(min))
    }

    fn length_greater_than(&self, max: usize) -> Cow<'static, str> {
        self.say_length(Problem::TooLong(max))
    }

    fn range_lower_than(&self, min: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::AtLeast(min.to_string()))
    }

    fn range_greater_than(&self, max: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::AtMost(max.to_string()))
    }

    fn credit_card_invalid(&self, _: InvalidCreditCard) -> Cow<'static, str> {
        self.say(&Problem::Card)
    }

    fn pattern_no_match(&self, _: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::Pattern)
    }

    fn contains_missing(&self, pattern: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::Contains(pattern.to_string()))
    }

    fn url_invalid(&self, _: InvalidUrl) -> Cow<'static, str> {
        self.say(&Problem::Url)
    }

    fn prefix_missing(&self, pattern: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::Prefix(pattern.to_string()))
    }

    fn suffix_missing(&self, pattern: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::Suffix(pattern.to_string()))
    }

    fn phone_number_invalid(&self, _: InvalidPhoneNumber) -> Cow<'static, str> {
        self.say(&Problem::Phone)
    }

    fn ip_invalid(&self, _: IpKind) -> Cow<'static, str> {
        self.say(&Problem::Ip)
    }

    fn matches_field_mismatch(&self, field: &dyn Display) -> Cow<'static, str> {
        self.say(&Problem::Matches(field.to_string()))
    }

    fn email_invalid(&self, _: InvalidEmail) -> Cow<'static, str> {
        self.say(&Problem::Email)
    }

    fn ascii_invalid(&self) -> Cow<'static, str> {
        self.say(&Problem::Ascii)
    }

    fn alphanumeric_invalid(&self) -> Cow<'static, str> {
        self.say(&Problem::Alphanumeric)
    }

    fn required_not_set(&self) -> Cow<'static, str> {
        self.say(&Problem::Required)
    }
}
