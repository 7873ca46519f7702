//! The `Date` of a response: RFC 9110, 6.6.1. Over HTTP/1 hyper writes it.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// Now, in whole seconds. Each thread writes it once a second.
pub(super) fn now() -> HeaderValue {
    thread_local! {
        static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let now = SystemTime::now();
    let second = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs());
    LAST.with_borrow_mut(|last| match last {
        Some((written, date)) if *written == second => date.clone(),
        _ => {
            let text = httpdate::fmt_http_date(now);
            let date = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
            *last = Some((second, date.clone()));
            date
        }
    })
}
