//! What somebody may mean by a command that there is not. The `duck` command compiles this same file.

/// Commands of other frameworks, and what does their work here.
const ELSEWHERE: [(&[&str], &str); 10] = [
    (
        &[
            "runserver",
            "serve",
            "server",
            "start",
            "dev",
            "devserver",
            "watch",
            "up",
        ],
        "`duck run` serves the site",
    ),
    (
        &[
            "startproject",
            "makeproject",
            "createproject",
            "new",
            "init",
            "create",
        ],
        "`duck new NAME` makes a site",
    ),
    (
        &["startapp", "makeapp", "makeblueprint", "generate"],
        "a part of a site is a module with a `Blueprint`, and no command makes one: `duck new NAME --full` has an example",
    ),
    (
        &["showurls", "show_urls", "urls", "url", "route"],
        "`duck routes` lists the site's URLs",
    ),
    (
        &["test", "tests", "runtests"],
        "`cargo test` runs the site's tests",
    ),
    (
        &["build", "compile"],
        "`cargo build --release` builds the site",
    ),
    (
        &["collectstatic", "findstatic", "collectscripts"],
        "it is a command of the site's own binary where duck-core has the feature `collectstatic` and the site has `.with(StaticFiles::new())`: `./mysite collectstatic`",
    ),
    (
        &["clearsessions"],
        "`duck sessions sweep` removes expired sessions",
    ),
    (
        &[
            "migrate",
            "makemigrations",
            "dbshell",
            "createsuperuser",
            "changepassword",
        ],
        "Duck has no database of its own; use the tools of the site's",
    ),
    (&["version"], "`duck --version` prints the version"),
];

/// What may be meant by `name`: a command of another framework, the only `known` one that begins so, or the
/// nearest of them.
pub(crate) fn hint(name: &str, known: &[&str]) -> Option<String> {
    let name = name.to_lowercase();
    let elsewhere = ELSEWHERE
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()));
    if let Some((_, instead)) = elsewhere {
        return Some((*instead).to_owned());
    }
    let mut begin_so = known.iter().filter(|known| known.starts_with(&name));
    if let (Some(only), None) = (begin_so.next(), begin_so.next()) {
        return Some(did_you_mean(only));
    }
    let distance = |known: &str| strsim::osa_distance(&name, known);
    let nearest = known.iter().min_by_key(|known| distance(known))?;
    let is_near = distance(nearest) <= (nearest.chars().count() / 3).max(1);
    is_near.then(|| did_you_mean(nearest))
}

fn did_you_mean(command: &str) -> String {
    format!("did you mean `{command}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["run", "routes", "check", "secret", "sessions"];

    #[test]
    fn commands_of_other_frameworks_are_known() {
        for (name, says) in [
            ("runserver", "`duck run`"),
            ("RunServer", "`duck run`"),
            ("startproject", "`duck new NAME`"),
            ("makeproject", "`duck new NAME`"),
            ("makeapp", "`Blueprint`"),
            ("startapp", "`Blueprint`"),
            ("collectstatic", "feature `collectstatic`"),
            ("migrate", "database"),
            ("test", "`cargo test`"),
        ] {
            let hint = hint(name, &KNOWN).expect(name);
            assert!(hint.contains(says), "{hint}");
        }
    }

    #[test]
    fn a_misspelt_command_is_told_the_nearest() {
        for (name, nearest) in [
            ("rnu", "run"),
            ("Run", "run"),
            ("runn", "run"),
            ("rotues", "routes"),
            ("chekc", "check"),
            ("sesions", "sessions"),
            ("session", "sessions"),
            ("rout", "routes"),
            ("Secr", "secret"),
        ] {
            assert_eq!(
                hint(name, &KNOWN),
                Some(format!("did you mean `{nearest}`?")),
                "{name}"
            );
        }
    }

    #[test]
    fn what_resembles_nothing_gets_no_hint() {
        for name in ["whatever", "", "x", "🦆", "greet", "se"] {
            assert_eq!(hint(name, &KNOWN), None, "{name}");
        }
        assert_eq!(hint("rnu", &[]), None);
    }
}
