use std::fmt;

/// What came of a suite: each check with its outcome.
#[derive(Debug, Clone)]
pub struct Report {
    checks: Vec<Check>,
}

/// One promise of a storage, and whether it was kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Check {
    /// The check's name, for the program.
    pub name: &'static str,
    /// What is promised, for the reader.
    pub promise: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The storage did as it promises.
    Kept,
    /// It did not; the text says what was seen.
    Broken(String),
    /// It was not tried; the text says why.
    Skipped(&'static str),
}

impl Report {
    pub(super) fn new(checks: Vec<Check>) -> Self {
        Self { checks }
    }

    /// All checks, in the order they ran.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The checks that found a broken promise.
    pub fn broken(&self) -> impl Iterator<Item = &Check> {
        let broken = |check: &&Check| matches!(check.outcome, Outcome::Broken(_));
        self.checks.iter().filter(broken)
    }

    /// Whether no promise was broken.
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none()
    }
}

impl fmt::Display for Report {
    /// The broken promises, each with what was seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, all) = (self.broken().count(), self.checks.len());
        write!(f, "{broken} of {all} promises are broken")?;
        for check in &self.checks {
            if let Outcome::Broken(seen) = &check.outcome {
                write!(f, "\n\n{}: {}\n    {seen}", check.name, check.promise)?;
            }
        }
        Ok(())
    }
}
