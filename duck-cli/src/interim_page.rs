//! The page that stands in for the site while it is not there.

use std::sync::{Arc, Mutex, PoisonError};

use anstream::adapter::strip_str;

use crate::escape::escape_html;
use crate::progress::Progress;

/// More of what a compiler has to say is on the terminal.
const MAX_BYTES: usize = 100_000;

/// Why the site does not answer.
#[derive(Debug)]
pub(crate) enum Reason {
    None,
    Building(Progress),
    /// It does not compile, or has ended.
    Failed {
        sentence: String,
        /// What the compiler or the site itself said.
        said: String,
    },
}

/// The page of a site. Clones show the same reason.
#[derive(Clone, Debug)]
pub(crate) struct InterimPage {
    site: String,
    reason: Arc<Mutex<Reason>>,
}

impl InterimPage {
    pub(crate) fn new(site: &str) -> Self {
        Self {
            site: site.to_owned(),
            reason: Arc::new(Mutex::new(Reason::None)),
        }
    }

    pub(crate) fn show(&self, reason: Reason) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// The whole answer to a request with this method. A page that was asked for with `GET` asks again
    /// by itself; anything else would be sent twice, or not be what was meant.
    pub(crate) fn answer(&self, method: &[u8]) -> Vec<u8> {
        let asks_again = matches!(method, b"GET" | b"HEAD");
        let page = self.html(asks_again);
        let mut answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Length: {}\r\nCache-Control: no-store\r\nRetry-After: 1\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            page.len()
        )
        .into_bytes();
        if method != b"HEAD" {
            answer.extend(page.bytes());
        }
        answer
    }

    fn html(&self, asks_again: bool) -> String {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        let (title, body) = match &*reason {
            Reason::None => (format!("{} is not there yet", self.site), String::new()),
            Reason::Building(progress) => (
                format!("Building {}", self.site),
                format!("<p>{}</p>", escape_html(&progress.words())),
            ),
            Reason::Failed { sentence, said } => (
                sentence.clone(),
                format!(
                    "<pre tabindex=\"0\">{}</pre>\n<p>The next edit starts a new build.</p>",
                    escape_html(shortened(&strip_str(said).to_string()).trim_end())
                ),
            ),
        };
        let title = escape_html(&title);
        let (refresh, advice) = if asks_again {
            (REFRESH, "This page asks again by itself.")
        } else {
            (
                "",
                "What you sent has reached nobody. Go back, and send it again when the site is there.",
            )
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n{refresh}\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <main>\n<h1>{title}</h1>\n{body}\n</main>\n<footer><small>{advice}</small></footer>\n</html>\n"
        )
    }
}

/// A page that says the same as before stays as it is: what is read or marked in it is not lost. It is asked
/// with `OPTIONS`, so that the site, once it is there, counts no visit.
const REFRESH: &str = "<script>\n\
setInterval(async () => {\n\
  const answer = await fetch(location.href, {method: \"OPTIONS\"});\n\
  const page = new DOMParser().parseFromString(await answer.text(), \"text/html\");\n\
  if (page.querySelector(\"main\")?.innerHTML !== document.querySelector(\"main\").innerHTML) location.reload();\n\
}, 1000);\n\
</script>\n\
<noscript><meta http-equiv=\"refresh\" content=\"1\"></noscript>\n";

const STYLE: &str = ":root{color-scheme:light dark;--paper:#fdfcf7;--ink:#222;--card:#fff;--line:#ddd}\
@media(prefers-color-scheme:dark){:root{--paper:#171b21;--ink:#e9e6dc;--card:#20262e;--line:#343c47}}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:var(--paper);color:var(--ink)}\
main,footer{max-width:60rem;margin:0 auto;padding:0 1rem;overflow-wrap:break-word}\
main{margin-top:8vh}\
h1{font-size:1.5rem;border-bottom:4px solid #ffcf33;display:inline-block;max-width:100%}\
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:1rem;overflow-x:auto;\
font-size:.85rem;line-height:1.4}";

/// The first [`MAX_BYTES`], and a word about the rest.
fn shortened(text: &str) -> String {
    if text.len() <= MAX_BYTES {
        return text.to_owned();
    }
    let mut short = text[..text.floor_char_boundary(MAX_BYTES)].to_owned();
    short.push_str("\n… the terminal has the rest");
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(said: &str) -> String {
        let page = InterimPage::new("shop");
        page.show(Reason::Failed {
            sentence: "shop does not compile".into(),
            said: said.into(),
        });
        String::from_utf8(page.answer(b"GET")).unwrap()
    }

    #[test]
    fn what_the_compiler_said_is_text_and_not_markup() {
        let page = failed("\u{1b}[31merror\u{1b}[0m: </pre><script>alert('&\"')</script>");
        assert!(
            !page.contains("<script>alert") && !page.contains('\u{1b}'),
            "{page}"
        );
        assert!(page.contains(
            "<pre tabindex=\"0\">error: &lt;/pre&gt;&lt;script&gt;alert(&#39;&amp;&quot;&#39;)"
        ));
    }

    #[test]
    fn a_thousand_errors_are_cut_short() {
        let page = failed(&"ü".repeat(MAX_BYTES));
        assert!(page.contains("… the terminal has the rest"));
        assert!(page.len() < MAX_BYTES + 5_000, "{}", page.len());
    }

    #[test]
    fn the_page_fits_a_telephone_and_the_dark_and_is_not_kept() {
        let page = failed("x");
        for part in [
            "HTTP/1.1 503 ",
            "Cache-Control: no-store\r\n",
            "<meta charset=\"utf-8\">",
            "<meta name=\"viewport\" content=\"width=device-width",
            "<meta name=\"color-scheme\" content=\"light dark\">",
            "prefers-color-scheme:dark",
            "<meta http-equiv=\"refresh\" content=\"1\">",
            "<link rel=\"icon\" href=\"data:,\">",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
    }

    #[test]
    fn what_was_sent_is_not_sent_again_and_head_has_no_body() {
        let page = InterimPage::new("shop");
        page.show(Reason::Building(Progress::start("shop", true)));
        let get = String::from_utf8(page.answer(b"GET")).unwrap();
        assert!(get.contains("<h1>Building shop</h1>") && get.contains("http-equiv=\"refresh\""));
        let post = String::from_utf8(page.answer(b"POST")).unwrap();
        assert!(post.contains("send it again") && !post.contains("http-equiv=\"refresh\""));
        let head = String::from_utf8(page.answer(b"HEAD")).unwrap();
        let length = get.split("\r\n\r\n").nth(1).unwrap().len();
        assert!(
            head.ends_with("\r\n\r\n") && head.contains(&format!("Content-Length: {length}\r\n"))
        );
    }
}
