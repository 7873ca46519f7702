//! How far a build has come.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report;

/// A bar on a terminal, nothing elsewhere. Clones show the same bar.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    first: bool,
}

impl Progress {
    /// Begins with a bar of unknown length.
    pub(crate) fn start(name: &str, first: bool) -> Self {
        let bar = if report::on_terminal() {
            report::show(ProgressBar::new_spinner())
        } else {
            ProgressBar::hidden()
        };
        Self::on(bar, name, first)
    }

    fn on(bar: ProgressBar, name: &str, first: bool) -> Self {
        let hint = hint(first);
        bar.set_prefix(format!("Building  {name}"));
        bar.set_style(style(&format!("{{spinner}} {{prefix}}  {{msg}}{hint}")));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            started: Instant::now(),
            first,
        }
    }

    /// From here on it is known how many packages there are.
    pub(crate) fn of(&self, packages: usize) {
        let hint = hint(self.first);
        self.bar.set_length(packages as u64);
        self.bar.set_style(style(&format!(
            "{{spinner}} {{prefix}}  {{pos}}/{{len}}  {{wide_msg}}{hint}"
        )));
    }

    pub(crate) fn built(&self, packages: &HashSet<String>) {
        self.bar.set_position(packages.len() as u64);
    }

    pub(crate) fn note(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// How far it has come, and what is being done: for those who do not see the bar.
    pub(crate) fn words(&self) -> String {
        let of = self.bar.length().map(|all| format!(" of {all}"));
        let packages = format!(
            "{}{} packages are built",
            self.bar.position(),
            of.unwrap_or_default()
        );
        let now = match self.bar.message() {
            now if now.is_empty() => String::new(),
            now => format!(", now {now}"),
        };
        let hint = if self.first {
            " The first build takes some minutes."
        } else {
            ""
        };
        format!(
            "{packages}{now}; {} so far.{hint}",
            told(self.started.elapsed())
        )
    }

    /// Takes the bar away, and tells how long it took.
    pub(crate) fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.started.elapsed()
    }
}

fn hint(first: bool) -> &'static str {
    if first {
        "   first build only: some minutes"
    } else {
        ""
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// `2.1s`, `1m 58s`.
pub(crate) fn told(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        _ => format!("{}m {:02}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    #[test]
    fn times_are_told_shortly() {
        assert_eq!(told(Duration::from_millis(2_140)), "2.1s");
        assert_eq!(told(Duration::from_secs(118)), "1m 58s");
        assert_eq!(told(Duration::from_secs(61)), "1m 01s");
    }

    /// A terminal that keeps what was written last.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn shown(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_is_told_in_words_too() {
        let progress = Progress::start("site", true);
        progress.of(120);
        progress.built(&HashSet::from(["a".to_owned(), "b".to_owned()]));
        progress.note("hyper");
        let words = progress.words();
        assert!(
            words.starts_with("2 of 120 packages are built, now hyper; "),
            "{words}"
        );
        assert!(
            words.ends_with("s so far. The first build takes some minutes."),
            "{words}"
        );
    }

    #[test]
    fn the_bar_shows_what_is_built_and_how_far() {
        for first in [true, false] {
            let screen = Screen::default();
            let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
            let bar = ProgressBar::with_draw_target(None, target);
            let progress = Progress::on(bar, "mysite", first);
            progress.note("resolving");
            progress.bar.force_draw();
            let shown = screen.shown();
            assert!(shown.contains("Building  mysite  resolving"), "{shown:?}");
            assert_eq!(shown.contains("first build only"), first, "{shown:?}");

            progress.of(12);
            progress.built(&HashSet::from(["a".to_owned(), "b".to_owned()]));
            progress.note("serde");
            progress.bar.force_draw();
            let shown = screen.shown();
            assert!(shown.contains("Building  mysite  2/12  serde"), "{shown:?}");
            assert_eq!(shown.contains("first build only"), first, "{shown:?}");
        }
    }
}
