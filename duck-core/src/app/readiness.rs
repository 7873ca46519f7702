//! Whether a site can do its work: what its parts look at when a load balancer asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::BoxFuture;
use crate::error::Result;
use crate::error::printable::Quoted;

/// How long a check may take. It has failed then.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long what was found holds for everybody who asks.
const FRESH: Duration = Duration::from_secs(1);

/// Something that has to be well for the site to do its work.
#[derive(Clone)]
pub(crate) struct ReadyCheck {
    pub(crate) name: String,
    /// A panic in it is an error.
    pub(crate) run: Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>,
}

/// The names of the checks that failed.
pub(crate) type Failed = Arc<[String]>;

/// All checks of a site. They run at most once a second, however many ask and whether or not they wait for the answer.
#[derive(Default)]
pub(crate) struct Readiness {
    checks: Vec<ReadyCheck>,
    last: Mutex<Option<Round>>,
}

/// All checks, once.
struct Round {
    began: Instant,
    answer: watch::Receiver<Option<Failed>>,
}

impl Round {
    fn is_running(&self) -> bool {
        self.answer.borrow().is_none() && self.answer.has_changed().is_ok()
    }
}

impl Readiness {
    pub(crate) fn new(checks: Vec<ReadyCheck>) -> Self {
        Self {
            checks,
            last: Mutex::default(),
        }
    }

    /// What fails at present.
    pub(crate) async fn failed(&self) -> Failed {
        if self.checks.is_empty() {
            return Failed::default();
        }
        let mut answer = self.round();
        let found = timeout(DEADLINE, answer.wait_for(Option::is_some)).await;
        let found = found.ok().and_then(Result::ok);
        found
            .and_then(|found| found.clone())
            .unwrap_or_else(|| self.checks.iter().map(|check| check.name.clone()).collect())
    }

    /// The checks that run now, or ran a moment ago; else new ones. They run in a task of their own: whoever asks may
    /// leave.
    fn round(&self) -> watch::Receiver<Option<Failed>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &*last {
            Some(round) if round.began.elapsed() < FRESH || round.is_running() => {
                return round.answer.clone();
            }
            Some(round) => round.answer.borrow().clone().unwrap_or_default(),
            None => Failed::default(),
        };
        let (tell, answer) = watch::channel(None);
        let checks = self.checks.clone();
        tokio::spawn(async move {
            tell.send_replace(Some(look(&checks, &before).await));
        });
        *last = Some(Round {
            began: Instant::now(),
            answer: answer.clone(),
        });
        answer
    }
}

/// Runs all checks side by side. The log is told what has changed since those before.
async fn look(checks: &[ReadyCheck], before: &[String]) -> Failed {
    let answers = join_all(checks.iter().map(answer)).await;
    let mut failed = Vec::new();
    for (ReadyCheck { name, .. }, cause) in checks.iter().zip(answers) {
        let failed_before = before.contains(name);
        match cause {
            Some(cause) => {
                if !failed_before {
                    let cause = Quoted::cause(cause);
                    tracing::error!(target: "duck", check = name, %cause, "the site is not ready: a check fails");
                }
                failed.push(name.clone());
            }
            None if failed_before => {
                tracing::info!(target: "duck", check = name, "a check succeeds again");
            }
            None => {}
        }
    }
    failed.into()
}

/// Why a check fails.
async fn answer(check: &ReadyCheck) -> Option<String> {
    let start = Instant::now();
    let answer = timeout(DEADLINE, (check.run)()).await.ok();
    // One that blocks its thread keeps the timer from being looked at.
    let Some(answer) = answer.filter(|_| start.elapsed() <= DEADLINE) else {
        return Some(format!("no answer within {DEADLINE:?}"));
    };
    let error = answer.err()?;
    let place = error.place().map(|place| format!(" ({place})"));
    Some(error.chain() + &place.unwrap_or_default())
}
