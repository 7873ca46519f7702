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
}

impl Progress {
    /// Begins with a bar of unknown length.
    pub(crate) fn start(name: &str, first: bool) -> Self {
        let bar = if report::on_terminal() {
            report::show(ProgressBar::new_spinner())
        } else {
            ProgressBar::hidden()
        };
        let hint = hint(first);
        bar.set_prefix(format!("Building  {name}"));
        bar.set_style(style(&format!("{{spinner}} {{prefix}}  {{msg}}{hint}")));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            started: Instant::now(),
        }
    }

    /// From here on it is known how many packages there are.
    pub(crate) fn of(&self, packages: usize, first: bool) {
        let hint = hint(first);
        self.bar.set_length(packages as u64);
        self.bar.set_style(style(&format!(
            "{{spinner}} {{prefix}}  {{pos}}/{{len}}  {{wide_msg}}{hint}"
        )));
    }

    /// These packages are built.
    pub(crate) fn built(&self, packages: &HashSet<String>) {
        self.bar.set_position(packages.len() as u64);
    }

    /// What is being done.
    pub(crate) fn note(&self, text: &str) {
        self.bar.set_message(text.to_owned());
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
    use super::*;

    #[test]
    fn times_are_told_shortly() {
        assert_eq!(told(Duration::from_millis(2_140)), "2.1s");
        assert_eq!(told(Duration::from_secs(118)), "1m 58s");
        assert_eq!(told(Duration::from_secs(61)), "1m 01s");
    }

    #[test]
    fn the_templates_of_the_bar_are_valid() {
        for template in [
            "{spinner} {prefix}  {msg}",
            "{spinner} {prefix}  {pos}/{len}  {wide_msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
