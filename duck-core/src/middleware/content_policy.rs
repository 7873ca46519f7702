//! The content security policy of a site: <https://www.w3.org/TR/CSP3/>.

use ::http::HeaderValue;

use crate::settings::{Settings, SettingsError, nearest};

pub(crate) const POLICY: &str = "CONTENT_SECURITY_POLICY";

/// What stands for the nonce in the text of a policy.
const NONCE: &str = "{nonce}";

/// The policy of a site that sets none. `docs/headers.md` has it word for word.
const DEFAULT: &str = "default-src 'self'; script-src 'self' {nonce}; style-src 'self' {nonce}; img-src 'self' data:; \
                       object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The directives that browsers know. They pass over any other, and so over what was meant by it.
const DIRECTIVES: [&str; 27] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "sandbox",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "trusted-types",
    "upgrade-insecure-requests",
    "webrtc",
    "worker-src",
];

/// Words that are names of hosts without their quotes.
const KEYWORDS: [&str; 9] = [
    "none",
    "report-sample",
    "self",
    "strict-dynamic",
    "unsafe-eval",
    "unsafe-hashes",
    "unsafe-inline",
    "wasm-unsafe-eval",
    "inline-speculation-rules",
];

/// A policy, as pages without a nonce send it and as those with one do.
#[derive(Debug)]
pub(crate) struct ContentPolicy {
    without_nonce: HeaderValue,
    /// What stands around the places of the nonce.
    around_nonce: Vec<String>,
}

impl ContentPolicy {
    /// `None` where the setting is empty: no policy is sent then.
    pub(crate) fn from_settings(settings: &Settings) -> Result<Option<Self>, SettingsError> {
        let text: Option<String> = settings.get(POLICY)?;
        let text = text.as_deref().unwrap_or(DEFAULT);
        if text.trim().is_empty() {
            return Ok(None);
        }
        let policy = Self::parse(text).map_err(|right| settings.error(POLICY, right))?;
        Ok(Some(policy))
    }

    /// The error says what would be right.
    fn parse(text: &str) -> Result<Self, String> {
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(
                "has a line break or a character beyond ASCII; a header has neither".to_owned(),
            );
        }
        if text.contains(',') {
            return Err("has a comma, which begins another policy; write a `;` between directives, and spaces between sources".to_owned());
        }
        let directives = text
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let directives: Vec<Vec<&str>> = directives
            .map(|directive| directive.split_ascii_whitespace().collect())
            .collect();
        for (place, directive) in directives.iter().enumerate() {
            check(directive)?;
            let name = directive[0];
            if directives[..place].iter().any(|before| before[0] == name) {
                return Err(format!(
                    "has {name:?} twice; browsers look at the first one only"
                ));
            }
        }
        let around = written(&directives, true);
        let without = written(&directives, false);
        Ok(Self {
            without_nonce: HeaderValue::try_from(without).map_err(|error| error.to_string())?,
            around_nonce: around.split(NONCE).map(str::to_owned).collect(),
        })
    }

    /// For a page that has asked for no nonce.
    pub(crate) fn without_nonce(&self) -> &HeaderValue {
        &self.without_nonce
    }

    /// For a page whose scripts and styles bear this nonce. `None` where the policy has no place for it.
    pub(crate) fn with_nonce(&self, nonce: &str) -> Option<HeaderValue> {
        if self.around_nonce.len() < 2 {
            return None;
        }
        let text = self.around_nonce.join(&format!("'nonce-{nonce}'"));
        HeaderValue::try_from(text).ok()
    }

    /// Whether a script that an attacker puts into a page runs, where the page has asked for no nonce: browsers pass over
    /// `'unsafe-inline'` only where there is one.
    #[cfg(feature = "cli")]
    pub(crate) fn lets_inline_scripts_run(&self) -> bool {
        let text = self.without_nonce.to_str().unwrap_or_default();
        let sources = |name| sources_of(text, name);
        let scripts = sources("script-src-elem")
            .or_else(|| sources("script-src"))
            .or_else(|| sources("default-src"));
        scripts.is_none_or(|scripts| {
            let mut sources = scripts.split(' ');
            sources.any(|source| source.eq_ignore_ascii_case("'unsafe-inline'"))
        })
    }
}

/// The sources of one directive in the text of a policy.
pub(crate) fn sources_of<'a>(policy: &'a str, name: &str) -> Option<&'a str> {
    let mut directives = policy.split(';').map(str::trim_ascii);
    directives.find_map(|directive| {
        let (first, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        first.eq_ignore_ascii_case(name).then_some(rest)
    })
}

fn check(directive: &[&str]) -> Result<(), String> {
    let (name, values) = (directive[0], &directive[1..]);
    if !DIRECTIVES.contains(&name) {
        let meant = nearest(name, DIRECTIVES);
        let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?"));
        return Err(format!(
            "has no directive {name:?}{}",
            hint.unwrap_or_default()
        ));
    }
    for value in values {
        if KEYWORDS.contains(value)
            && (name.ends_with("-src") || name.contains("-src-") || TAKES_SOURCES.contains(&name))
        {
            return Err(format!(
                "{name:?} has {value:?} without its quotes; write \"'{value}'\""
            ));
        }
        if value
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("'nonce-"))
        {
            return Err(format!(
                "has a nonce that is the same for each page; write {NONCE} in its place"
            ));
        }
        let takes_nonce = ["default-src", "script-src", "style-src"]
            .iter()
            .any(|kind| name.starts_with(kind));
        if value.contains(['{', '}']) && (*value != NONCE || !takes_nonce) {
            return Err(format!(
                "{name:?} has {value:?}; what is put in is {NONCE} alone, among the sources of scripts and styles"
            ));
        }
    }
    Ok(())
}

const TAKES_SOURCES: [&str; 3] = ["base-uri", "form-action", "frame-ancestors"];

/// The policy in one spelling, with or without what stands for the nonce.
fn written(directives: &[Vec<&str>], with_nonce: bool) -> String {
    let directives = directives.iter().map(|directive| {
        let words = directive.iter().copied();
        let mut words: Vec<&str> = words.filter(|word| with_nonce || *word != NONCE).collect();
        if words.len() == 1 && directive.len() > 1 {
            // The nonce was the only source.
            words.push("'none'");
        }
        words.join(" ")
    });
    directives.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(policy: &str) -> Result<Option<ContentPolicy>, SettingsError> {
        ContentPolicy::from_settings(&Settings::default().with(POLICY, policy))
    }

    fn policy(text: &str) -> ContentPolicy {
        read(text).unwrap().unwrap()
    }

    #[test]
    fn the_nonce_stands_in_its_places_on_pages_that_have_one_and_nowhere_else() {
        let policy = policy("default-src 'none';script-src  {nonce} ; style-src 'self' {nonce};");
        assert_eq!(
            policy.without_nonce(),
            "default-src 'none'; script-src 'none'; style-src 'self'"
        );
        assert_eq!(
            policy.with_nonce("abc").unwrap(),
            "default-src 'none'; script-src 'nonce-abc'; style-src 'self' 'nonce-abc'"
        );
        assert!(
            self::policy("default-src 'self'")
                .with_nonce("abc")
                .is_none()
        );
        assert!(
            policy.with_nonce("a\r\nb: c").is_none(),
            "it is no way to another header"
        );
    }

    #[test]
    fn an_empty_policy_is_none() {
        assert!(read("").unwrap().is_none());
        assert!(read(" ").unwrap().is_none());
    }

    #[test]
    fn what_browsers_would_pass_over_or_an_attacker_could_use_is_refused_at_start() {
        for (wrong, right) in [
            ("default-src 'self'\r\nset-cookie: a=b", "line break"),
            ("default-src 'self'\n", "line break"),
            ("default-src 'self'\0", "line break"),
            ("default-src https://b\u{fc}cher.example", "beyond ASCII"),
            ("default-src 'self', script-src 'self'", "has a comma"),
            ("scrip-src 'self'", "did you mean \"script-src\"?"),
            ("default-src: 'self'", "did you mean \"default-src\"?"),
            ("script-src self", "write \"'self'\""),
            ("frame-ancestors none", "write \"'none'\""),
            ("style-src unsafe-inline", "write \"'unsafe-inline'\""),
            (
                "img-src a.example; img-src b.example",
                "has \"img-src\" twice",
            ),
            ("script-src 'nonce-abc'", "write {nonce}"),
            ("script-src 'NONCE-abc'", "write {nonce}"),
            ("script-src {nonse}", "what is put in is {nonce} alone"),
            ("script-src 'nonce-{nonce}'", "write {nonce}"),
            ("img-src {nonce}", "what is put in is {nonce} alone"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(
                error.contains(POLICY) && error.contains(right),
                "{wrong}: {error}"
            );
        }
        let settings = Settings::from_toml("\nCONTENT_SECURITY_POLICY = \"a\\r\\nb: c\"").unwrap();
        let error = ContentPolicy::from_settings(&settings)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2: CONTENT_SECURITY_POLICY: "),
            "{error}"
        );
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_policy_that_stops_no_script_is_found() {
        for (text, expected) in [
            (DEFAULT, false),
            ("default-src 'self'", false),
            ("img-src 'self'", true),
            ("default-src 'self' 'unsafe-inline'", true),
            (
                "default-src 'self' 'unsafe-inline'; script-src 'self'",
                false,
            ),
            ("script-src 'unsafe-inline'", true),
            ("script-src 'Unsafe-Inline'", true),
            // A page that asks for no nonce has none.
            ("script-src 'unsafe-inline' {nonce}", true),
            ("script-src 'unsafe-inline'; style-src {nonce}", true),
            ("script-src {nonce}; style-src 'unsafe-inline'", false),
        ] {
            assert_eq!(policy(text).lets_inline_scripts_run(), expected, "{text}");
        }
    }
}
