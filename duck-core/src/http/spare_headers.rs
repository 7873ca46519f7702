//! Header maps of requests that are over, to be filled again: two allocations less for a response.

use std::cell::Cell;

use http::HeaderMap;

/// Larger ones are given back: what a response has, its connection keeps while it waits for the next request.
const MOST: usize = 12;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// Keeps the memory of a map for the next response that this thread makes. What is in it goes.
pub(crate) fn keep(headers: &mut HeaderMap) {
    if (1..=MOST).contains(&headers.capacity()) {
        headers.clear();
        // A thread that is ending makes no response.
        let _ = SPARE.try_with(|spare| spare.set(Some(std::mem::take(headers))));
    }
}

/// An empty map.
pub(crate) fn take() -> HeaderMap {
    let spare = SPARE.try_with(Cell::take);
    spare.ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{COOKIE, HeaderName};

    use super::*;

    #[test]
    fn what_is_used_again_is_empty_and_not_large() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=b"));
        headers.append(COOKIE, HeaderValue::from_static("c=d"));
        keep(&mut headers);
        let again = take();
        assert!(again.capacity() > 0);
        assert!(again.is_empty() && again.get(COOKIE).is_none());
        assert_eq!(take().capacity(), 0, "there was one");

        let mut many = HeaderMap::new();
        for number in 0..100 {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            many.insert(name, HeaderValue::from_static(""));
        }
        keep(&mut many);
        assert_eq!(take().capacity(), 0);
    }
}
