//! Keys of components that a site need not have. One settings file may serve several sites, so they are no
//! mistakes.

use std::collections::BTreeSet;

/// Keys, or the first words of keys (`SESSION_`), and the component that reads them.
const COMPONENTS: [(&str, &str); 11] = [
    ("COMPRESS_", "Compression"),
    ("CORS_", "Cors"),
    ("LOGIN_URL", "Auth"),
    ("METRICS_ADDRESS", "Metrics"),
    ("SECRET_KEY", "SessionMiddleware"),
    ("SECRET_KEY_FALLBACKS", "SessionMiddleware"),
    ("SESSION_", "SessionMiddleware"),
    ("STATIC_CACHE_AGE", "StaticFiles"),
    ("STATIC_DIR", "StaticFiles"),
    ("STATIC_ROOT", "StaticFiles"),
    ("STATIC_URL", "StaticFiles"),
];

/// The component that would read a key which nobody has asked for. A component that is there asks for all of its
/// keys: what else begins with its first word is misspelt.
pub(super) fn component(key: &str, asked: &BTreeSet<&str>) -> Option<&'static str> {
    let is_absent = |first: &str| !asked.iter().any(|asked| asked.starts_with(first));
    let reads =
        |name: &str| key == name || name.ends_with('_') && key.starts_with(name) && is_absent(name);
    let found = COMPONENTS.iter().find(|(name, _)| reads(name));
    found.map(|(_, component)| *component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_a_component_that_is_not_there() {
        let nobody = BTreeSet::new();
        for (key, component) in COMPONENTS {
            let key = if key.ends_with('_') {
                format!("{key}COOKIE_AGE")
            } else {
                key.to_owned()
            };
            assert_eq!(super::component(&key, &nobody), Some(component), "{key}");
        }
        for key in [
            "ADRESS",
            "STATIC_ULR",
            "SECRET_KEYS",
            "SESSIONS",
            "session_",
        ] {
            assert_eq!(component(key, &nobody), None, "{key}");
        }
    }

    #[test]
    fn a_misspelt_key_of_a_component_that_is_there_stays_a_mistake() {
        let asked = BTreeSet::from(["SESSION_COOKIE_AGE", "SECRET_KEY"]);
        assert_eq!(component("SESSION_COKIE_AGE", &asked), None);
        assert_eq!(component("STATIC_URL", &asked), Some("StaticFiles"));
    }
}
